"""The command `darksound`."""

import inspect
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from darksound.cli import catalogue
from darksound.cli.assign import assign
from darksound.cli.download import download
from darksound.cli.export import export
from darksound.cli.flattening import flatten_options
from darksound.cli.learners import embed, evaluate, pretrain, train
from darksound.cli.mec import mec
from darksound.cli.models import models
from darksound.cli.options import (
    CommonOptions,
    LearnerOptions,
    TrainingOptions,
)
from darksound.cli.report import report
from darksound.cli.review import review_plan, review_report
from darksound.cli.runner import ExitStatus, handle_errors, load_cli_settings
from darksound.cli.screen import NO_ESCAPE_CODES, Screen
from darksound.cli.search import search
from darksound.cli.segment import segment
from darksound.cli.synth import synth

__all__ = ["app", "main"]

_EPILOG = "Words such as ROI, coverage and DBCV are explained in docs/glossary.md."


class _PlainFlags:
    """A mixin that shows flags in the help without a type, and `--help` in a given panel.

    The help has the width of the terminal.
    """

    help_panel: str | None = None

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
            if "--help" in param.opts:
                param.rich_help_panel = self.help_panel
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        # Imported here because it is slow, and no command needs it.
        from typer import rich_utils

        if os.environ.get("TERM", "").lower() in NO_ESCAPE_CODES:
            # Else the help has 80 columns in such a terminal, whatever its width.
            rich_utils.FORCE_TERMINAL = False
        # Dim text is hard to read.
        rich_utils.STYLE_HELPTEXT = ""
        super().format_help(ctx, formatter)  # type: ignore[misc]


# Wrong options, names of commands and values; the framework has no public name for them.
_UsageError: Any = typer.BadParameter.__mro__[1]


class _Subgroup(_PlainFlags, TyperGroup):
    """A command of `darksound` that has commands of its own."""


class _Group(_Subgroup):
    """The command `darksound`."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command; print wrong usage as one line, and exit with the status."""
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False})
        except _UsageError as error:
            _print_usage_error(error)
            status = ExitStatus.USER_ERROR
        except typer.Abort:
            status = ExitStatus.INTERRUPTED
        sys.exit(status or 0)


def _print_usage_error(error: Any) -> None:
    if error.ctx is not None and type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.ctx.get_help())
        return
    # The framework says so of values that are none of the choices.
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    command = "darksound" if error.ctx is None else error.ctx.command_path
    Screen().error(f"{text}{'' if text.endswith('?') else '.'} See {command} --help.")


class _Command(_PlainFlags, TyperCommand):
    """A command of `darksound`."""

    help_panel = CommonOptions.panel


app = typer.Typer(
    name="darksound",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    epilog=_EPILOG,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import darksound

        typer.echo(f"darksound {darksound.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Group the bird sounds of unlabelled recordings into call types."""


def settings(common: CommonOptions, learner: LearnerOptions, training: TrainingOptions) -> None:
    """Print all settings as TOML that --config accepts."""
    with handle_errors(common):
        from darksound.settings import to_toml

        text = to_toml(load_cli_settings(common, learner.flags(), training.flags()))
        # TOML is UTF-8, whatever the encoding of the terminal.
        typer.echo(text if sys.stdout.isatty() else text.encode(), nl=False)


def _help_text(command: Callable[..., None]) -> str:
    """Return a docstring without line breaks in its paragraphs, for terminals of any width."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Data": (download, segment, synth),
    "Clustering": (mec, assign, search, report, review_plan, review_report, export),
    "Learners": (train, evaluate, embed, pretrain, models),
    "Settings": (settings,),
}


def _add(target: typer.Typer, function: Callable[..., None], panel: str | None = None) -> None:
    target.command(
        function.__name__.replace("_", "-"),
        cls=_Command,
        help=_help_text(function),
        epilog=_EPILOG,
        rich_help_panel=panel,
    )(flatten_options(function))


for _panel, _functions in _COMMANDS.items():
    for _function in _functions:
        _add(app, _function, _panel)

_CATALOGUE_COMMANDS = (
    catalogue.create,
    catalogue.update,
    catalogue.merge,
    catalogue.split,
    catalogue.rename,
    catalogue.history,
)
_catalogue = typer.Typer(
    name="catalogue",
    cls=_Subgroup,
    help="Keep call types and their ids over runs: make, change and list a catalogue.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for _function in _CATALOGUE_COMMANDS:
    _add(_catalogue, _function)
app.add_typer(_catalogue, rich_help_panel="Clustering")


def main() -> None:
    """Run the command line and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        # Names with characters that the terminal lacks are shown, not an error.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="darksound")

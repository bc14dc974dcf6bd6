"""The command `darksound`."""

from typing import Annotated

import typer

from darksound.cli import (
    download,
    embed,
    evaluate,
    export,
    mec,
    pretrain,
    report,
    segment,
    settings,
    synth,
    train,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="darksound",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        import darksound

        typer.echo(f"darksound {darksound.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Group the bird sounds of unlabelled recordings into call types."""


for _command in (
    download,
    segment,
    mec,
    report,
    train,
    evaluate,
    embed,
    export,
    synth,
    pretrain,
    settings,
):
    _command.register(app)


def main() -> None:
    """Run the command line and exit with its status."""
    app(prog_name="darksound")

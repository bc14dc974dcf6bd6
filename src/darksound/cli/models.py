"""`darksound models`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from darksound.cli.completion import complete_model
from darksound.cli.options import CommonOptions, Flags
from darksound.cli.runner import handle_errors, load_cli_settings, show_result

__all__ = ["models"]


@dataclass(frozen=True)
class ModelFileOptions:
    """What to do with the files of models."""

    panel: ClassVar[str] = "Download"

    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of published sets and models; default: DARKSOUND_DATA."
        ),
    ] = None
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the files on disk with their checksums.")
    ] = False
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Folder to try first; /MODEL/FILE is appended."),
    ] = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {
            "compute": {"data_dir": self.root},
            "download": {"offline": self.offline or None, "model_mirror": self.mirror},
        }


def models(
    options: ModelFileOptions,
    common: CommonOptions,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            autocompletion=complete_model,
            help="Models to download, such as perch2; default: list all.",
        ),
    ] = None,
) -> None:
    """List embedding models by name, with licences and what is on disk; or download some.

    --backbone then finds them by name. Files on disk are verified, and downloaded again only if
    they are damaged.
    """
    with handle_errors(common) as state:
        from darksound.jobs.models import download_models_job, list_models_job, verify_models_job

        settings = load_cli_settings(common, options.flags())
        state.resume = "the same command; it resumes the download"
        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            if options.verify:
                result = verify_models_job(names or (), settings, progress)
            elif names:
                result = download_models_job(names, settings, progress)
            else:
                result = list_models_job(settings)
        show_result(result, state.screen)

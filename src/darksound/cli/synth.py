"""`darksound synth`."""

from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.options import CommonOptions
from darksound.cli.runner import handle_errors, load_cli_settings

__all__ = ["synth"]

_PANEL = "Synthetic birds"


def synth(
    common: CommonOptions,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write.", rich_help_panel=_PANEL)
    ],
    species: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Number of species.", rich_help_panel=_PANEL),
    ] = 50,
    birds: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Individuals per species.", rich_help_panel=_PANEL),
    ] = 3,
    takes: Annotated[
        int,
        typer.Option(
            "--recordings",
            min=1,
            metavar="N",
            help="Recordings per individual.",
            rich_help_panel=_PANEL,
        ),
    ] = 2,
    songs: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Songs per recording.", rich_help_panel=_PANEL),
    ] = 2,
) -> None:
    """Write WAV files of synthetic birds, and the table of their ROIs."""
    with handle_errors(common) as state:
        from darksound.jobs.synth import SyntheticBirds, write_synthetic_recordings

        settings = load_cli_settings(common)
        plan = SyntheticBirds(species, birds, takes, songs, settings.seed)
        with state.screen.progress() as progress:
            table = write_synthetic_recordings(plan, out, settings.compute, progress)
        state.screen.result(
            f"{len(table)} songs of {species} species are in {out}. Next: "
            f"darksound mec --data {out / 'rois.csv'}"
        )

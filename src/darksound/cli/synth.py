"""`darksound synth`."""

from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.options import CommonOptions, flattened
from darksound.cli.perform import endings, settings_from

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("synth")(flattened(synth))


def synth(
    common: CommonOptions,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the recordings go.")],
    species: Annotated[int, typer.Option(min=1, metavar="N", help="How many species.")] = 50,
    birds: Annotated[int, typer.Option(min=1, metavar="N", help="Individuals of each.")] = 3,
    takes: Annotated[
        int, typer.Option("--recordings", min=1, metavar="N", help="Of each individual.")
    ] = 2,
    songs: Annotated[int, typer.Option(min=1, metavar="N", help="In each recording.")] = 2,
) -> None:
    """Write a data set of synthetic birds: WAV files and the table of their ROIs."""
    with endings(common) as ending:
        from darksound.jobs.synth import World, write_world

        settings = settings_from(common)
        world = World(species, birds, takes, songs, settings.seed)
        with ending.screen.progress() as progress:
            table = write_world(world, out, settings, progress)
        ending.screen.text(
            f"{len(table)} songs of {species} species are in {out}. Try: "
            f"darksound mec --data {out / 'rois.csv'}"
        )

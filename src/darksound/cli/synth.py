"""`darksound synth`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from darksound.cli.options import CommonOptions
from darksound.cli.runner import handle_errors, load_cli_settings
from darksound.errors import SettingsError
from darksound.synthesis.scene_recipes import SCENES

if TYPE_CHECKING:
    from darksound.cli.screen import Screen
    from darksound.settings import Settings

__all__ = ["synth"]

if TYPE_CHECKING:
    Scene = str
else:
    # Names in registries are not known to type checkers.
    Scene = Literal[tuple(SCENES)]

_SPECIES, _SOUNDSCAPE_SPECIES = 50, 12
_LONGEST_MINUTES = 7 * 24 * 60


@dataclass(frozen=True)
class BirdOptions:
    """How many recordings of one bird each, and where."""

    panel: ClassVar[str] = "Synthetic birds"

    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")]
    species: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Number of species (default {_SPECIES}; of soundscapes {_SOUNDSCAPE_SPECIES}).",
        ),
    ] = None
    birds: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Individuals per species (default 3)."),
    ] = None
    recordings: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Recordings per individual (default 2)."),
    ] = None
    songs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Songs per recording (default 2).")
    ] = None


@dataclass(frozen=True)
class SoundscapeOptions:
    """Recordings of minutes or hours with many birds and everything else that sounds."""

    panel: ClassVar[str] = "Soundscapes"

    soundscapes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=9999,
            metavar="N",
            help="Write N recordings of a scene with a table of all events, "
            "instead of recordings of one bird each.",
        ),
    ] = None
    scene: Annotated[
        Scene | None,
        typer.Option(metavar="NAME", help=f"{', '.join(SCENES)} (default night)."),
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=_LONGEST_MINUTES,
            metavar="M",
            help="Length of each soundscape (default 5).",
        ),
    ] = None


def synth(birds: BirdOptions, soundscapes: SoundscapeOptions, common: CommonOptions) -> None:
    """Write WAV files of synthetic birds, and the table of their ROIs or events."""
    with handle_errors(common) as state:
        settings = load_cli_settings(common)
        if soundscapes.soundscapes is None:
            _write_birds(birds, soundscapes, settings, state.screen)
        else:
            _write_soundscapes(birds, soundscapes, settings, state.screen)


def _write_birds(
    birds: BirdOptions, soundscapes: SoundscapeOptions, settings: "Settings", screen: "Screen"
) -> None:
    """Write recordings of one bird each.

    Raises:
        SettingsError: an option of soundscapes was given.
    """
    _check_unused({"scene": soundscapes.scene, "minutes": soundscapes.minutes}, "needs")
    from darksound.jobs.synth import SyntheticBirds, write_synthetic_recordings

    plan = SyntheticBirds(
        birds.species or _SPECIES,
        birds.birds or SyntheticBirds.birds,
        birds.recordings or SyntheticBirds.takes,
        birds.songs or SyntheticBirds.songs,
        settings.seed,
    )
    with screen.progress() as progress:
        table = write_synthetic_recordings(plan, birds.out, settings.compute, progress)
    screen.result(
        f"{len(table)} songs of {plan.species} species are in {birds.out}. Next: "
        f"darksound mec --data {birds.out / 'rois.csv'}"
    )


def _write_soundscapes(
    birds: BirdOptions, soundscapes: SoundscapeOptions, settings: "Settings", screen: "Screen"
) -> None:
    """Write soundscapes.

    Raises:
        SettingsError: an option of other recordings was given.
    """
    _check_unused(
        {"birds": birds.birds, "recordings": birds.recordings, "songs": birds.songs},
        "cannot be combined with",
    )
    from darksound.jobs.soundscapes import Soundscapes, write_soundscapes

    plan = Soundscapes(
        soundscapes.soundscapes or 1,
        soundscapes.scene or Soundscapes.scene,
        soundscapes.minutes or Soundscapes.minutes,
        birds.species or _SOUNDSCAPE_SPECIES,
        settings.seed,
    )
    with screen.progress() as progress:
        table = write_soundscapes(plan, birds.out, settings.compute, progress)
    calls = int((table["kind"] == "call").sum())
    screen.result(
        f"{calls} calls of {table.loc[table['kind'] == 'call', 'label'].nunique()} species and "
        f"{len(table) - calls} other events are in {birds.out / 'events.csv'}. Next: "
        f"darksound segment {birds.out}"
    )


def _check_unused(options: dict[str, object], relation: str) -> None:
    """Raise a `SettingsError` if an option was given that has no effect."""
    for name, value in options.items():
        if value is not None:
            raise SettingsError(f"--{name} {relation} --soundscapes N.")

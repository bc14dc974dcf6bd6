"""`darksound synth`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from darksound.cli.options import CommonOptions
from darksound.cli.runner import handle_errors, load_cli_settings
from darksound.errors import SettingsError
from darksound.synthesis.recorders import RECORDERS
from darksound.synthesis.scene_recipes import SCENES

if TYPE_CHECKING:
    from darksound.cli.screen import Screen
    from darksound.settings import Settings

__all__ = ["synth"]

if TYPE_CHECKING:
    Scene = str
    RecorderName = str
else:
    # Names in registries are not known to type checkers.
    Scene = Literal[tuple(SCENES)]
    RecorderName = Literal[tuple(RECORDERS)]

_SPECIES, _SOUNDSCAPE_SPECIES, _SEASON_SPECIES = 50, 12, 6
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
            help=f"Number of species (default {_SPECIES}; of soundscapes {_SOUNDSCAPE_SPECIES}; of "
            f"a season {_SEASON_SPECIES}).",
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
            help="Length of each soundscape (default 5), or of each recording of a season (0.2).",
        ),
    ] = None


@dataclass(frozen=True)
class SeasonOptions:
    """Recordings of several recorders over days, with known species by site, day and hour."""

    panel: ClassVar[str] = "Seasons"

    sites: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=999,
            metavar="N",
            help="Write the recordings of N sites with tables of what is true at each, instead of "
            "recordings of one bird each.",
        ),
    ] = None
    days: Annotated[
        int | None,
        typer.Option(min=1, max=366, metavar="N", help="Days of the season (default 10)."),
    ] = None
    recorder: Annotated[
        RecorderName | None,
        typer.Option(
            metavar="NAME",
            help=f"Names and headers of files as of {', '.join(RECORDERS)} (the default).",
        ),
    ] = None


def synth(
    birds: BirdOptions,
    soundscapes: SoundscapeOptions,
    season: SeasonOptions,
    common: CommonOptions,
) -> None:
    """Write WAV files of synthetic birds, and the table of their ROIs or events."""
    with handle_errors(common) as state:
        settings = load_cli_settings(common)
        if season.sites is not None:
            _write_season(birds, soundscapes, season, settings, state.screen)
            return
        _check_unused({"days": season.days, "recorder": season.recorder}, "needs --sites N")
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
    _check_unused(
        {"scene": soundscapes.scene, "minutes": soundscapes.minutes}, "needs --soundscapes N"
    )
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
        "cannot be combined with --soundscapes N",
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


def _write_season(
    birds: BirdOptions,
    soundscapes: SoundscapeOptions,
    season: SeasonOptions,
    settings: "Settings",
    screen: "Screen",
) -> None:
    """Write a season.

    Raises:
        SettingsError: an option of other recordings was given, or there are too many species.
    """
    _check_unused(
        {
            "birds": birds.birds,
            "recordings": birds.recordings,
            "songs": birds.songs,
            "soundscapes": soundscapes.soundscapes,
            "scene": soundscapes.scene,
        },
        "cannot be combined with --sites N",
    )
    from darksound.jobs.season import write_season
    from darksound.synthesis.season import SeasonPlan
    from darksound.synthesis.season_voices import SEASON_VOICES

    n_species = birds.species or _SEASON_SPECIES
    if n_species > len(SEASON_VOICES):
        raise SettingsError(f"--species may be at most {len(SEASON_VOICES)} with --sites N.")
    plan = SeasonPlan(
        sites=season.sites or SeasonPlan.sites,
        days=season.days or SeasonPlan.days,
        recorder=season.recorder or SeasonPlan.recorder,
        seconds=SeasonPlan.seconds if soundscapes.minutes is None else 60 * soundscapes.minutes,
        species=n_species,
        seed=settings.seed,
    )
    with screen.progress() as progress:
        written = write_season(plan, birds.out, settings.compute, progress)
    songs = int((written.events["kind"] == "call").sum())
    screen.result(
        f"{songs} songs of {plan.species} species in {len(written.recordings)} recordings of "
        f"{plan.sites} sites are in {birds.out}; detections.csv has the truth. Next: "
        f"darksound mec --data {birds.out} --sites {birds.out / 'sites.csv'}"
    )


def _check_unused(options: dict[str, object], relation: str) -> None:
    """Raise a `SettingsError` if an option was given that has no effect."""
    for name, value in options.items():
        if value is not None:
            raise SettingsError(f"--{name} {relation}.")

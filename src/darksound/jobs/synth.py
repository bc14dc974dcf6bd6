"""A world of synthetic birds as files: recordings, and the table of their ROIs."""

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from darksound.atomic import replacing, write_text
from darksound.errors import InputError
from darksound.parallel.workers import map_unordered
from darksound.progress import Progress, silent
from darksound.rois.roi_set import as_roi_table, write_roi_table
from darksound.settings import Settings
from darksound.synthesis.recordings import RATE, Recording, plan_wild_recording, render_recording

__all__ = ["World", "write_world"]

_PLAN = "world.json"
# Changes whenever the sound does.
_EDITION = 1
# Share of the recordings that went through lossy compression before they were shared.
_COMPRESSED = 0.3
_COMPRESSION = 23


@dataclass(frozen=True)
class World:
    """Which birds, and how many recordings of them.

    Attributes:
        species: how many; every odd one is a sister of the one before it.
        birds: individuals of each.
        takes: recordings of each individual.
        songs: songs of each recording, a ROI each.
        seed: draws all of it.
    """

    species: int
    birds: int = 3
    takes: int = 2
    songs: int = 2
    seed: int = 1979

    def recordings(self) -> list[tuple[int, int, int]]:
        """Species, individual and take of every recording."""
        return [
            (species, bird, take)
            for species in range(self.species)
            for bird in range(self.birds)
            for take in range(self.takes)
        ]


def write_world(
    world: World, folder: Path, settings: Settings | None = None, progress: Progress = silent
) -> pd.DataFrame:
    """Write `species-0001/bird-1_rec-1.wav` and so on, and `rois.parquet` and `.csv`.

    The same world gives the same bytes, whatever the number of workers; recordings that are there
    are left as they are, so that an interrupted call goes on.

    Args:
        world: what to write.
        folder: made where it is missing.
        settings: `compute` says how many processes help; None for the defaults.
        progress: told of recordings done, in the stage `recordings`.

    Returns:
        The ROI table.

    Raises:
        InputError: the folder holds something else, or another world.
    """
    _claim(world, folder)
    wanted = world.recordings()
    missing = [which for which in wanted if not (folder / _name(*which)).exists()]
    progress("recordings", len(wanted) - len(missing), len(wanted))
    written = map_unordered(partial(_write, world, folder), missing, (settings or Settings()).compute)
    for done, _ in enumerate(written, start=len(wanted) - len(missing) + 1):
        progress("recordings", done, len(wanted))
    rows = [row for which in wanted for row in _rows(_plan(world, which), which)]
    table = as_roi_table(pd.DataFrame(rows).assign(root=str(folder.resolve())))
    with replacing(folder / "rois.parquet") as path:
        write_roi_table(table, path)
    # Times, bands and labels alone: a table that other tools read too, wherever the folder goes.
    plain = table[["recording", "start_s", "end_s", "low_hz", "high_hz", "label"]]
    write_text(folder / "rois.csv", plain.to_csv(index=False, lineterminator="\n"))
    return table


def _claim(world: World, folder: Path) -> None:
    plan = {"edition": _EDITION, **asdict(world)}
    text = json.dumps(plan, indent=2) + "\n"
    there = folder / _PLAN
    if there.exists():
        if there.read_text() != text:
            raise InputError(f"{folder} holds another synthetic world; give another --out.")
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no synthetic world; give another --out.")
    write_text(there, text)


def _name(species: int, bird: int, take: int) -> str:
    return f"species-{species + 1:04d}/bird-{bird + 1}_rec-{take + 1}.wav"


def _plan(world: World, which: tuple[int, int, int]) -> Recording:
    return plan_wild_recording(world.seed, *which, world.songs, world.species)


def _rows(plan: Recording, which: tuple[int, int, int]) -> list[dict[str, object]]:
    return [
        {
            "recording": _name(*which),
            "start_s": slot.start_s,
            "end_s": slot.end_s,
            "low_hz": slot.low_hz,
            "high_hz": slot.high_hz,
            "label": _name(*which).partition("/")[0],
        }
        for slot in plan.slots
    ]


def _write(world: World, folder: Path, which: tuple[int, int, int]) -> None:
    plan = _plan(world, which)
    wave = render_recording(plan, 0, plan.samples)
    rng = np.random.default_rng([world.seed, _COMPRESSION, *which])
    with replacing(folder / _name(*which)) as path:
        if rng.random() < _COMPRESSED:
            wave = _through_ogg(wave, float(rng.uniform(0.4, 1.0)), path)
        soundfile.write(path, wave, RATE, subtype="PCM_16", format="WAV")


def _through_ogg(
    wave: np.ndarray[tuple[int], np.dtype[np.float32]], compression: float, beside: Path
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """What is left of a recording after lossy compression, 0 being the least and 1 the most."""
    lossy = beside.with_name(f"{beside.name}.ogg")
    try:
        soundfile.write(
            lossy, wave, RATE, format="OGG", subtype="VORBIS", compression_level=compression
        )
        decoded, _ = soundfile.read(lossy, dtype="float32")
    finally:
        lossy.unlink(missing_ok=True)
    kept: np.ndarray[tuple[int], np.dtype[np.float32]] = decoded[: len(wave)]
    return kept

"""The job of `darksound synth`: recordings of synthetic birds, and the table of their ROIs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from darksound.atomic import replacing, write_text
from darksound.errors import InputError
from darksound.parallel.workers import map_jobs
from darksound.progress import Progress, silent
from darksound.rois.roi_set import as_roi_table, write_roi_table
from darksound.settings import ComputeSettings
from darksound.synthesis.recordings import (
    RATE,
    RecordingPlan,
    plan_wild_recording,
    render_recording,
)

__all__ = ["SyntheticBirds", "write_plan", "write_synthetic_recordings"]

_PLAN_FILE = "world.json"
# Increased when the audio changes.
_EDITION = 1
# Share of the recordings with lossy compression, like many recordings on the internet.
_COMPRESSED_SHARE = 0.3
# Key of the random numbers of compression.
_COMPRESSION = 23

# Species, individual and recording of it, all from 0.
RecordingId = tuple[int, int, int]
Wave = np.ndarray[tuple[int], np.dtype[np.float32]]


@dataclass(frozen=True)
class SyntheticBirds:
    """The plan of a data set of synthetic birds.

    Attributes:
        species: number of species; every second one is a close relative of the one before.
        birds: number of individuals of each species.
        takes: number of recordings of each individual.
        songs: number of songs in each recording; each is a ROI.
        seed: of all random numbers.
    """

    species: int
    birds: int = 3
    takes: int = 2
    songs: int = 2
    seed: int = 1979

    def recordings(self) -> list[RecordingId]:
        """Return species, individual and take of every recording."""
        return [
            (species, bird, take)
            for species in range(self.species)
            for bird in range(self.birds)
            for take in range(self.takes)
        ]


def write_synthetic_recordings(
    birds: SyntheticBirds,
    folder: Path,
    compute: ComputeSettings | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Write `species-0001/bird-1_rec-1.wav` and so on, `rois.parquet` and `rois.csv`.

    The same plan gives identical files for any number of workers. Existing recordings are kept,
    so that an interrupted call can be repeated.

    Args:
        birds: the plan.
        folder: is created if it does not exist.
        compute: settings of the workers; None: the defaults.
        progress: called with the progress, in the stage `recordings`.

    Returns:
        The ROI table.

    Raises:
        InputError: the folder contains other files, or the data set of another plan.
    """
    write_plan({"edition": _EDITION, **asdict(birds)}, folder)
    recordings = birds.recordings()
    missing = [number for number in recordings if not (folder / _name(*number)).exists()]
    n_existing = len(recordings) - len(missing)
    progress("recordings", n_existing, len(recordings))
    jobs = map_jobs(partial(_write, birds, folder), missing, compute or ComputeSettings())
    for done, _ in enumerate(jobs, start=n_existing + 1):
        progress("recordings", done, len(recordings))
    rows = [row for number in recordings for row in _rows(_plan(birds, number), number)]
    table = as_roi_table(pd.DataFrame(rows).assign(root=str(folder.resolve())))
    with replacing(folder / "rois.parquet") as path:
        write_roi_table(table, path)
    # Without the column `root`, so that the folder can be moved.
    portable = table[["recording", "start_s", "end_s", "low_hz", "high_hz", "label"]]
    write_text(folder / "rois.csv", portable.to_csv(index=False, lineterminator="\n"))
    return table


def write_plan(plan: Mapping[str, object], folder: Path) -> None:
    """Write `world.json`, the options that determine a synthetic data set.

    Raises:
        InputError: the folder contains other files, or the data set of another plan.
    """
    text = json.dumps(plan, indent=2) + "\n"
    path = folder / _PLAN_FILE
    if path.exists():
        if path.read_text() != text:
            raise InputError(
                f"{folder} contains a synthetic data set with other options; choose another --out."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and contains no synthetic data set; choose another --out."
        )
    write_text(path, text)


def _name(species: int, bird: int, take: int) -> str:
    return f"species-{species + 1:04d}/bird-{bird + 1}_rec-{take + 1}.wav"


def _plan(birds: SyntheticBirds, number: RecordingId) -> RecordingPlan:
    return plan_wild_recording(birds.seed, *number, songs=birds.songs, species=birds.species)


def _rows(plan: RecordingPlan, number: RecordingId) -> list[dict[str, object]]:
    return [
        {
            "recording": _name(*number),
            "start_s": slot.start_s,
            "end_s": slot.end_s,
            "low_hz": slot.low_hz,
            "high_hz": slot.high_hz,
            "label": _name(*number).partition("/")[0],
        }
        for slot in plan.slots
    ]


def _write(birds: SyntheticBirds, folder: Path, number: RecordingId) -> None:
    plan = _plan(birds, number)
    wave = render_recording(plan, 0, plan.samples)
    rng = np.random.default_rng([birds.seed, _COMPRESSION, *number])
    with replacing(folder / _name(*number)) as path:
        if rng.random() < _COMPRESSED_SHARE:
            wave = _compress(wave, float(rng.uniform(0.4, 1.0)), path)
        soundfile.write(path, wave, RATE, subtype="PCM_16", format="WAV")


def _compress(wave: Wave, level: float, path: Path) -> Wave:
    """Return a waveform after lossy compression (0 least, 1 most), by a file beside `path`."""
    ogg = path.with_name(f"{path.name}.ogg")
    try:
        soundfile.write(ogg, wave, RATE, format="OGG", subtype="VORBIS", compression_level=level)
        decoded, _ = soundfile.read(ogg, dtype="float32")
    finally:
        ogg.unlink(missing_ok=True)
    compressed: Wave = decoded[: len(wave)]
    return compressed

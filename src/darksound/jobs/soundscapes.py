"""The job of `darksound synth --soundscapes`: long recordings and the table of events."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pandas as pd
import soundfile

from darksound.atomic import replacing, write_text
from darksound.jobs.synth import write_plan
from darksound.parallel.workers import map_jobs
from darksound.progress import Progress, silent
from darksound.settings import ComputeSettings
from darksound.synthesis.recordings import RATE
from darksound.synthesis.soundscapes import (
    Block,
    EventEnergy,
    EventTruth,
    SceneId,
    event_truths,
    render_block,
)

__all__ = ["EVENT_COLUMNS", "Soundscapes", "write_soundscapes"]

# Increased when the audio or the table changes.
_EDITION = 1
#: Columns of `events.csv`.
EVENT_COLUMNS = (
    "recording",
    "start_s",
    "end_s",
    "low_hz",
    "high_hz",
    "label",
    "kind",
    "snr_db",
    "units",
    "individual",
    "distance_m",
)
# Recordings start in successive nights, at the hour of the scene.
_FIRST_DAY = datetime(2025, 6, 1)
_HOURS = {"night": 21, "dawn": 5, "rain": 20, "river": 19}
_LARGEST_WAV = 2**32 - 2**16
# Blocks whose samples one job returns: 87 s, 8 MB.
_BLOCKS_A_JOB = 4


@dataclass(frozen=True)
class Soundscapes:
    """The plan of a data set of soundscapes.

    Attributes:
        soundscapes: number of recordings.
        scene: name in `SCENES`.
        minutes: length of each recording.
        species: number of species.
        seed: of all random numbers.
    """

    soundscapes: int
    scene: str = "night"
    minutes: float = 5.0
    species: int = 12
    seed: int = 1979

    def scene_id(self, number: int) -> SceneId:
        """Return what determines recording `number`, from 0."""
        return SceneId(self.seed, self.scene, number, 60 * self.minutes, self.species)

    def name(self, number: int) -> str:
        """Return the name of recording `number`, as recorders write it, with its start."""
        start = _FIRST_DAY + timedelta(days=number, hours=_HOURS[self.scene])
        return f"{self.scene}-{number + 1:04d}_{start:%Y%m%d_%H%M%S}.wav"


def write_soundscapes(
    plan: Soundscapes,
    folder: Path,
    compute: ComputeSettings | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Write recordings, `events.csv` and `events.parquet` with every event, and `world.json`.

    The same plan gives identical files for any number of workers. Complete recordings are kept,
    with their events in `events/`, so that an interrupted call can be repeated. Memory does not
    depend on the length of a recording.

    Args:
        plan: the plan.
        folder: is created if it does not exist.
        compute: settings of the workers; None: the defaults.
        progress: called with the progress in jobs of 87 s, in the stage `recordings`.

    Returns:
        The table of events, with `EVENT_COLUMNS`.

    Raises:
        InputError: the folder contains other files, or the data set of another plan.
    """
    write_plan({"edition": _EDITION, **asdict(plan)}, folder)
    missing = [n for n in range(plan.soundscapes) if not _rows_file(plan, folder, n).exists()]
    jobs = [job for number in missing for job in _jobs(plan, number)]
    n_existing = len(_jobs(plan, 0)) * (plan.soundscapes - len(missing))
    total = n_existing + len(jobs)
    progress("recordings", n_existing, total)
    blocks = map_jobs(partial(_render, plan), jobs, compute or ComputeSettings())

    def rendered() -> Iterator[list[Block]]:
        for done, each in enumerate(blocks, start=n_existing + 1):
            yield each
            progress("recordings", done, total)

    stretches = rendered()
    for number in missing:
        _write_recording(plan, folder, number, stretches)
    # The report of the last stretch follows its use.
    next(stretches, None)
    # From the files, so that a call that was interrupted and repeated gives the same bytes.
    table = pd.concat(
        [
            pd.read_csv(_rows_file(plan, folder, number), dtype={"units": object})
            for number in range(plan.soundscapes)
        ],
        ignore_index=True,
    )
    table["units"] = table["units"].fillna("")
    table["individual"] = table["individual"].astype("Int64")
    write_text(folder / "events.csv", table.to_csv(index=False, lineterminator="\n"))
    with replacing(folder / "events.parquet") as path:
        table.to_parquet(path, index=False)
    return table


def _rows_file(plan: Soundscapes, folder: Path, number: int) -> Path:
    """Return the file of a recording's events, which is written when the recording is complete."""
    return (folder / "events" / plan.name(number)).with_suffix(".csv")


def _jobs(plan: Soundscapes, number: int) -> list[tuple[int, int]]:
    """Return number of the recording and of the first block of each job."""
    return [(number, first) for first in range(0, plan.scene_id(number).n_blocks, _BLOCKS_A_JOB)]


def _render(plan: Soundscapes, job: tuple[int, int]) -> list[Block]:
    number, first = job
    scene = plan.scene_id(number)
    last = min(scene.n_blocks, first + _BLOCKS_A_JOB)
    return [render_block(scene, block) for block in range(first, last)]


def _write_recording(
    plan: Soundscapes, folder: Path, number: int, stretches: Iterator[list[Block]]
) -> None:
    """Write a recording from the next stretches, and then its events."""
    energies: list[EventEnergy] = []
    # Sizes beyond 4 GB, after 12 hours, do not fit into the header of WAV.
    file_format = "RF64" if 2 * plan.scene_id(number).samples > _LARGEST_WAV else "WAV"
    with (
        replacing(folder / plan.name(number)) as path,
        soundfile.SoundFile(path, "w", RATE, 1, "PCM_16", format=file_format) as out,
    ):
        for _ in _jobs(plan, number):
            for block in next(stretches):
                out.write(block.samples)
                energies += block.energies
    truths = event_truths(plan.scene_id(number), energies)
    table = pd.DataFrame(
        [_row(truth, plan.name(number)) for truth in truths], columns=list(EVENT_COLUMNS)
    )
    rows = _rows_file(plan, folder, number)
    write_text(rows, table.to_csv(index=False, lineterminator="\n"))


def _row(truth: EventTruth, recording: str) -> dict[str, object]:
    event = truth.event
    units = " ".join(f"{start:.2f}-{end:.2f}" for start, end in event.units)
    return {
        "recording": recording,
        "start_s": round(event.start_s, 3),
        "end_s": round(event.end_s, 3),
        "low_hz": round(truth.low_hz, 1),
        "high_hz": round(truth.high_hz, 1),
        "label": event.label,
        "kind": "call" if event.is_call else "other",
        "snr_db": round(truth.snr_db, 2),
        "units": units if len(event.units) > 1 else "",
        "individual": event.individual or None,
        "distance_m": round(event.distance_m, 1),
    }

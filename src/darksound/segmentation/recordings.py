"""The sound units of many recordings as ROIs."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darksound.audio.files import AudioInfo, FileReader, probe
from darksound.errors import InputError
from darksound.parallel.dask_cluster import WorkerRequirements
from darksound.parallel.resources import check_memory, format_bytes
from darksound.parallel.workers import map_unordered, worker_count
from darksound.progress import Progress, silent
from darksound.segmentation.block import Found, segment_block
from darksound.segmentation.boxes import BOX
from darksound.segmentation.grid import Block, Grid, make_grid, plan_blocks
from darksound.segmentation.journal import SegmentJournal
from darksound.rois.text import TEXT_DTYPE
from darksound.settings import SegmentationSettings, Settings

__all__ = [
    "Segments",
    "Tolerance",
    "join_found",
    "plan_recording",
    "segment_files",
    "segment_recording",
    "tell_cost",
]


def segment_recording(path: Path, roi_s: float, settings: SegmentationSettings) -> Found:
    """The units of a recording, and what its chunks are like, in bounded memory.

    Args:
        path: of the recording.
        roi_s: longest unit in seconds; longer ones are cut at their quietest points.
        settings: how units are found.

    Raises:
        InputError: the file cannot be read, or holds values that are no numbers.
    """
    grid, blocks = plan_recording(probe(path), settings)
    return join_found([segment_block(path, block, grid, roi_s, settings) for block in blocks])


def plan_recording(info: AudioInfo, settings: SegmentationSettings) -> tuple[Grid, list[Block]]:
    """The grid and the blocks of a recording.

    Raises:
        InputError: the sampling rate is too low for the band.
    """
    grid = make_grid(info.rate, settings)
    return grid, plan_blocks(info.frames, grid, settings.chunk_s)


def join_found(parts: Sequence[Found]) -> Found:
    """What was found in all blocks of a recording, given in order."""
    boxes = np.concatenate([part.boxes for part in parts])
    cause = next((part.cause for part in parts if part.cause is not None), None)
    chunks = tuple(chunk for part in parts for chunk in part.chunks)
    return Found(np.sort(boxes, order=list(BOX.names or ())), chunks, cause)


_TOLD = 3


class Tolerance:
    """Counts recordings that cannot be used."""

    def __init__(self, recordings: int, share: float) -> None:
        """Begin to count.

        Args:
            recordings: how many there are.
            share: of them that may be unusable.
        """
        self._recordings, self._share = recordings, share
        self._causes: list[str] = []

    def note(self, cause: str) -> str:
        """Count a recording, and give its cause back.

        Raises:
            InputError: there are too many.
        """
        self._causes.append(cause)
        bad = len(self._causes)
        if bad > self._share * self._recordings:
            told = "\n  ".join(self._causes[:_TOLD])
            raise InputError(
                f"{bad} of {self._recordings} recordings cannot be used, more than the "
                f"{100 * self._share:g} % that segmentation.max_unusable allows:\n  {told}"
            )
        return cause


logger = logging.getLogger(__name__)

# Measured by benchmarks/segmentation_day.py on one core of a server of 2023: seconds of sound at
# 48 kHz a second, and what a worker holds at its peak.
_SPEED = 500.0
_WORKER = 0.42e9


def tell_cost(seconds: float, recordings: int, blocks: int, settings: Settings) -> None:
    """Log how much sound there is to segment and an estimate; refuse what cannot fit.

    The workers of a Dask cluster are not this machine's, so that nothing is format_bytes of them.

    Args:
        seconds: of sound that is not segmented yet.
        recordings: that it is in.
        blocks: of it, each a job of one worker.
        settings: `compute`.

    Raises:
        RunError: memory is too small, and `compute.preflight_check` is on.
    """
    if settings.compute.dask is not None:
        return
    workers = min(worker_count(settings.compute), blocks)
    memory = workers * _WORKER
    minutes = seconds / _SPEED / workers / 60
    logger.info(
        "CPU (%d workers), %.1f hours of sound in %d recordings, about %.1f min, %s of memory.",
        workers,
        seconds / 3600,
        recordings,
        minutes,
        format_bytes(memory),
    )
    if settings.compute.preflight_check:
        what = f"Segmentation by {workers} workers"
        check_memory(what, memory, "close other programs, lower --workers")


_STAGE = "seconds of sound"
_NOTHING = Found(np.empty(0, BOX), ())
_CHUNK_COLUMNS = {
    "root": TEXT_DTYPE,
    "recording": TEXT_DTYPE,
    "start_s": "float64",
    "end_s": "float64",
    "level_db": "float64",
    "quality_flags": TEXT_DTYPE,
}
# However short ROIs are to be, a unit has so many seconds.
_SHORTEST_S = 0.05


@dataclass(frozen=True)
class Segments:
    """The ROIs of a recording.

    Attributes:
        rows: a row a ROI: `start_s`, `end_s`, `low_hz`, `high_hz`, `snr_db`, `quality_flags`.
        cause: why part or all of the recording was left out; None where nothing was.
    """

    rows: pd.DataFrame
    cause: str | None = None


@dataclass(frozen=True)
class _Job:
    """A block of a recording to be looked at, and where what is found is kept."""

    recording: str
    path: Path
    block: Block
    grid: Grid
    unit_s: float
    settings: SegmentationSettings
    place: Path

    @property
    def seconds(self) -> float:
        """Length of what it answers for."""
        return (self.block.stop - self.block.start) * self.grid.frame_s


def segment_files(
    root: Path,
    known: Mapping[str, AudioInfo],
    settings: Settings,
    tolerance: Tolerance,
    *,
    progress: Progress = silent,
    on_chunks: Callable[[pd.DataFrame], None] | None = None,
) -> dict[str, Segments]:
    """The ROIs of recordings; blocks that are in the journal are taken from there.

    The result is the same for any number of workers.

    Args:
        root: what recordings are relative to.
        known: what each recording says of itself.
        settings: `segmentation` and the ROI length say how, `compute` by how many workers.
        tolerance: counts recordings that cannot be used.
        progress: called with the seconds of sound that are done.
        on_chunks: called with a table of all chunks, a row a chunk.

    Raises:
        InputError: too many recordings cannot be used.
        RunError: memory is too small, and `compute.preflight_check` is on.
        SettingsError: the cache folder cannot be written to, or no Dask scheduler answers.
        WorkerError: the workers of the Dask cluster cannot do it, or died.
    """
    options = settings.segmentation
    unit_s = max(settings.audio.window_s - 2 * options.pad_s, _SHORTEST_S)
    journal = SegmentJournal(settings, unit_s)
    segments: dict[str, Segments] = {}
    jobs: dict[str, list[_Job]] = {}
    for recording, info in known.items():
        path = root / recording
        try:
            stamp = FileReader().stamp(str(root), recording)
            grid, blocks = plan_recording(info, options)
        except InputError as error:
            cause = tolerance.note(f"{path}: {error}")
            segments[recording] = Segments(_rois(_NOTHING, info, options), cause)
            continue
        jobs[recording] = [
            _Job(recording, path, block, grid, unit_s, options, journal.place(path, stamp, block))
            for block in blocks
        ]
    every = [job for own in jobs.values() for job in own]
    found = _look(every, journal, settings, tolerance, progress)
    chunks = [_no_chunks()]
    for recording, own in jobs.items():
        parts = [found[job.place] for job in own]
        segments[recording], more = _segments(own[0], parts, known[recording], root)
        chunks.append(more)
    if on_chunks is not None:
        on_chunks(pd.concat(chunks, ignore_index=True))
    return segments


def _look(
    jobs: Sequence[_Job],
    journal: SegmentJournal,
    settings: Settings,
    tolerance: Tolerance,
    progress: Progress,
) -> dict[Path, Found | str]:
    """What was found in each block, or why it could not be looked at."""
    found: dict[Path, Found | str] = {}
    for job in jobs:
        before = journal.read(job.place)
        if before is not None:
            found[job.place] = before
    missing = [job for job in jobs if job.place not in found]
    if len(missing) < len(jobs):
        logger.info("%d of %d blocks were segmented before.", len(found), len(jobs))
    if not missing:
        return found
    total = math.ceil(sum(job.seconds for job in missing))
    tell_cost(total, len({job.path for job in missing}), len(missing), settings)
    done, refused = 0.0, set[str]()
    first = missing[0].path
    requirements = WorkerRequirements(FileReader(), ((str(first.parent), first.name),))
    progress(_STAGE, 0, total)
    for count, (number, result) in enumerate(
        map_unordered(_segment, missing, settings.compute, requirements), start=1
    ):
        job = missing[number]
        found[job.place] = result
        if isinstance(result, Found):
            journal.write(job.place, result)
        elif job.recording not in refused:
            refused.add(job.recording)
            tolerance.note(result)
        done += job.seconds
        progress(_STAGE, total if count == len(missing) else min(round(done), total - 1), total)
    return found


def _segment(job: _Job) -> Found | str:
    try:
        return segment_block(job.path, job.block, job.grid, job.unit_s, job.settings)
    except InputError as error:
        return str(error)


def _segments(
    job: _Job, parts: Sequence[Found | str], info: AudioInfo, root: Path
) -> tuple[Segments, pd.DataFrame]:
    """The ROIs of a recording and what its chunks are like."""
    cause = next((part for part in parts if isinstance(part, str)), None)
    if cause is not None:
        return Segments(_rois(_NOTHING, info, job.settings), cause), _no_chunks()
    found = join_found([part for part in parts if isinstance(part, Found)])
    cause = found.cause
    if not any(np.isfinite(chunk.level_db) for chunk in found.chunks) and cause is None:
        cause = f"{job.path}: silent, every sample is zero; leave it out."
    chunks = pd.DataFrame(
        {
            "root": str(root),
            "recording": job.recording,
            "start_s": [chunk.start_s for chunk in found.chunks],
            "end_s": [chunk.end_s for chunk in found.chunks],
            "level_db": [chunk.level_db for chunk in found.chunks],
            "quality_flags": [" ".join(chunk.flags) for chunk in found.chunks],
        },
        columns=list(_CHUNK_COLUMNS),
    )
    return Segments(_rois(found, info, job.settings), cause), chunks


def _rois(found: Found, info: AudioInfo, settings: SegmentationSettings) -> pd.DataFrame:
    """Units with their margins, and the flags of the chunk that each one's middle lies in."""
    boxes = found.boxes
    middle = (boxes["start_s"] + boxes["end_s"]) / 2
    ends = np.array([chunk.end_s for chunk in found.chunks])
    within = np.minimum(np.searchsorted(ends, middle), max(len(ends) - 1, 0))
    flags = [" ".join(chunk.flags) or None for chunk in found.chunks]
    return pd.DataFrame(
        {
            # A tenth of a millisecond is less than a sample of most recordings.
            "start_s": np.round(np.maximum(boxes["start_s"] - settings.pad_s, 0), 4),
            "end_s": np.round(np.minimum(boxes["end_s"] + settings.pad_s, info.duration_s), 4),
            "low_hz": np.maximum(boxes["low_hz"] - settings.pad_hz, 0),
            "high_hz": np.minimum(boxes["high_hz"] + settings.pad_hz, info.rate / 2),
            "snr_db": boxes["snr_db"],
            "quality_flags": pd.Series([flags[i] for i in within], dtype=TEXT_DTYPE),
        }
    )


def _no_chunks() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _CHUNK_COLUMNS.items()})

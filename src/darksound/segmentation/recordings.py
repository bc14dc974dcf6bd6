"""Segmentation of many recordings into ROIs."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darksound.audio.files import AudioInfo, FileReader, probe
from darksound.audio.names import recording_path, recording_text
from darksound.errors import InputError, failure_cause
from darksound.parallel.dask_cluster import WorkerRequirements
from darksound.parallel.resources import check_memory, format_bytes
from darksound.parallel.workers import map_jobs, worker_count
from darksound.progress import Progress, silent
from darksound.segmentation.block import Segmentation, segment_block
from darksound.segmentation.block_cache import BlockCache
from darksound.segmentation.grid import Block, Grid, make_grid, plan_blocks
from darksound.segmentation.rows import (
    RecordingRois,
    concatenate_blocks,
    empty_chunk_table,
    recording_rois,
)
from darksound.settings import ComputeSettings, SegmentationSettings, Settings
from darksound.store.readers import stamp_recordings
from darksound.text import path_text

__all__ = [
    "RecordingRois",
    "UnusableLimit",
    "check_segmentation_resources",
    "concatenate_blocks",
    "plan_recording",
    "segment_files",
    "segment_recording",
]

logger = logging.getLogger(__name__)

_MAX_LISTED_CAUSES = 3
_MAX_LOGGED_HINTS = 5
# Measured on one core by benchmarks/segmentation.py and on a night of six hours: audio at 48 kHz
# relative to real time, and the peak memory of a worker in bytes.
_TIMES_REAL_TIME = 300.0
_WORKER_BYTES = 0.9e9
_STAGE = "seconds of sound"
# The longest ROI without margins has at least this length, for any ROI length.
_MIN_MAX_ROI_S = 0.05


def segment_recording(path: Path, max_roi_s: float, settings: SegmentationSettings) -> Segmentation:
    """Segment a recording in bounded memory.

    Args:
        path: of the recording.
        max_roi_s: longest ROI in seconds; longer ones are cut at their quietest frames.
        settings: thresholds, margins and filters.

    Raises:
        InputError: the file cannot be read, or has samples that are not finite.
    """
    grid, blocks = plan_recording(probe(path), settings)
    return concatenate_blocks(
        [segment_block(path, block, grid, max_roi_s, settings) for block in blocks]
    )


def plan_recording(info: AudioInfo, settings: SegmentationSettings) -> tuple[Grid, list[Block]]:
    """Return the grid and the blocks of a recording.

    Raises:
        InputError: the sampling rate is too low for the frequency limits.
    """
    grid = make_grid(info.rate, settings)
    return grid, plan_blocks(info.frames, grid, settings.chunk_s)


class UnusableLimit:
    """Counts unusable recordings, and raises an error if there are too many."""

    def __init__(self, n_recordings: int, max_share: float) -> None:
        """Start at zero.

        Args:
            n_recordings: number of all recordings.
            max_share: largest share of them that may be unusable.
        """
        self._n_recordings, self._max_share = n_recordings, max_share
        self._causes: list[str] = []

    def add(self, cause: str) -> str:
        """Count a recording, and return its cause.

        Raises:
            InputError: there are too many.
        """
        self._causes.append(cause)
        n_unusable = len(self._causes)
        if n_unusable > self._max_share * self._n_recordings:
            causes = "\n  ".join(self._causes[:_MAX_LISTED_CAUSES])
            raise InputError(
                f"{n_unusable} of {self._n_recordings} recordings cannot be used, more than the "
                f"{100 * self._max_share:g} % that segmentation.max_unusable allows:\n  {causes}"
            )
        return cause


def check_segmentation_resources(
    seconds: float, n_recordings: int, n_blocks: int, compute: ComputeSettings
) -> None:
    """Log an estimate of time and memory, and check that the memory suffices.

    With a Dask cluster nothing is logged or checked, because its workers run on other machines.

    Args:
        seconds: of audio to segment.
        n_recordings: number of recordings.
        n_blocks: number of blocks; each is the job of one worker.
        compute: workers, Dask cluster and preflight check.

    Raises:
        RunError: memory is too small, and `compute.preflight_check` is on.
    """
    if compute.dask is not None:
        return
    workers = min(worker_count(compute), n_blocks)
    memory = workers * _WORKER_BYTES
    logger.info(
        "CPU (%d workers), %.1f hours of sound in %d recordings, about %.1f min, %s of memory.",
        workers,
        seconds / 3600,
        n_recordings,
        seconds / _TIMES_REAL_TIME / workers / 60,
        format_bytes(memory),
    )
    if compute.preflight_check:
        what = f"Segmentation by {workers} workers"
        check_memory(what, memory, "close other programs, lower --workers")


@dataclass(frozen=True)
class _Job:
    """A block of a recording to segment, and the path of its file in the cache.

    `stamp` is the size and time of the recording when its block was planned.
    """

    recording: str
    path: Path
    block: Block
    grid: Grid
    max_roi_s: float
    settings: SegmentationSettings
    stamp: str
    cache_path: Path

    @property
    def seconds(self) -> float:
        """Return the length of the block's core."""
        return (self.block.stop - self.block.start) * self.grid.frame_s


def segment_files(
    root: Path,
    infos: Mapping[str, AudioInfo],
    settings: Settings,
    limit: UnusableLimit,
    *,
    progress: Progress = silent,
    on_chunks: Callable[[pd.DataFrame], None] | None = None,
) -> dict[str, RecordingRois]:
    """Segment recordings; blocks in the cache are not segmented again.

    The result is the same for any number of workers.

    Args:
        root: folder that recordings are relative to.
        infos: header of each recording.
        settings: `segmentation`, `compute` and the ROI length in `audio` are used.
        limit: counts unusable recordings.
        progress: called with the number of seconds of audio that are segmented.
        on_chunks: called with a table of all chunks, one row for each; its column `hint` is the
            likely cause where a recording gives no ROI or far fewer than it has sounds, else
            empty.

    Raises:
        InputError: too many recordings are unusable.
        RunError: memory is too small, and `compute.preflight_check` is on.
        SettingsError: the cache folder cannot be written to, or the Dask scheduler cannot be
            reached.
        WorkerError: the workers of the Dask cluster lack what they need, or failed.
    """
    options = settings.segmentation
    max_roi_s = max(settings.audio.window_s - 2 * options.pad_s, _MIN_MAX_ROI_S)
    cache = BlockCache(options, settings.compute, max_roi_s)
    rois: dict[str, RecordingRois] = {}
    jobs: dict[str, list[_Job]] = {}
    keys = {recording: (path_text(root), recording) for recording in infos}
    stamps = stamp_recordings(FileReader(), keys.values(), settings.compute)
    for recording, info in infos.items():
        path = recording_path(root, recording)
        try:
            stamp = FileReader().stamp(*keys[recording])
            key_stamp = stamps[keys[recording]]
            if isinstance(key_stamp, InputError):
                raise key_stamp
            grid, blocks = _plan(path, info, options)
        except Exception as error:
            rois[recording] = RecordingRois.unusable(limit.add(failure_cause(path, error)))
            continue
        jobs[recording] = [
            _Job(
                recording,
                path,
                block,
                grid,
                max_roi_s,
                options,
                stamp,
                cache_path=cache.path_of(path, key_stamp, block),
            )
            for block in blocks
        ]
    all_jobs = [job for recording_jobs in jobs.values() for job in recording_jobs]
    results = _segment_blocks(all_jobs, cache, settings.compute, limit, progress)
    for recording, recording_jobs in jobs.items():
        job, blocks_of_it = recording_jobs[0], [results[each.cache_path] for each in recording_jobs]
        try:
            rois[recording] = recording_rois(
                job.path, blocks_of_it, infos[recording], job.grid, options
            )
        except Exception as error:
            rois[recording] = RecordingRois.unusable(limit.add(failure_cause(job.path, error)))
    _log_hints(rois)
    if on_chunks is not None:
        parts = [
            each.chunks.assign(root=path_text(root), recording=recording)
            for recording, each in rois.items()
            if len(each.chunks)
        ]
        on_chunks(pd.concat(parts or [empty_chunk_table()], ignore_index=True))
    return rois


def _segment_blocks(
    jobs: Sequence[_Job],
    cache: BlockCache,
    compute: ComputeSettings,
    limit: UnusableLimit,
    progress: Progress,
) -> dict[Path, Segmentation | str]:
    """Return the segmentation of each block, or the cause if it failed, by path in the cache."""
    results: dict[Path, Segmentation | str] = {}
    for job in jobs:
        cached = cache.read(job.cache_path)
        if cached is not None:
            results[job.cache_path] = cached
    missing = [job for job in jobs if job.cache_path not in results]
    if len(missing) < len(jobs):
        logger.info("%d of %d blocks were segmented before.", len(results), len(jobs))
    if not missing:
        return results
    total = math.ceil(sum(job.seconds for job in missing))
    check_segmentation_resources(total, len({job.path for job in missing}), len(missing), compute)
    done, unusable = 0.0, set[str]()
    first = missing[0].path
    requirements = WorkerRequirements(
        FileReader(), ((path_text(first.parent), recording_text(first.name)),)
    )
    progress(_STAGE, 0, total)
    segmented = map_jobs(_segment, missing, compute, requirements)
    for count, (job, result) in enumerate(zip(missing, segmented, strict=True), start=1):
        result = _check_unchanged(job, result)
        results[job.cache_path] = result
        if isinstance(result, Segmentation):
            cache.write(job.cache_path, result)
        elif job.recording not in unusable:
            unusable.add(job.recording)
            limit.add(result)
        done += job.seconds
        progress(_STAGE, total if count == len(missing) else min(round(done), total - 1), total)
    return results


def _plan(path: Path, info: AudioInfo, settings: SegmentationSettings) -> tuple[Grid, list[Block]]:
    try:
        return plan_recording(info, settings)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _segment(job: _Job) -> Segmentation | str:
    """Return the segmentation of a block, or why there is none, whatever it raised."""
    try:
        return segment_block(job.path, job.block, job.grid, job.max_roi_s, job.settings)
    except Exception as error:
        return failure_cause(job.path, error)


def _check_unchanged(job: _Job, result: Segmentation | str) -> Segmentation | str:
    """Return the result, or the cause if the recording was changed while it was segmented."""
    try:
        stamp = FileReader().stamp(str(job.path.parent), job.path.name)
    except InputError:
        # It was removed after it was read; what needs its sound reports that.
        return result
    if stamp == job.stamp:
        return result
    return f"{job.path}: changed while it was read; run again when it is complete."


def _log_hints(rois: Mapping[str, RecordingRois]) -> None:
    hints = [(recording, each.hint) for recording, each in rois.items() if each.hint]
    for number, (recording, hint) in enumerate(hints):
        level = logging.WARNING if number < _MAX_LOGGED_HINTS else logging.DEBUG
        logger.log(level, "%s: %s", recording, hint)
    if len(hints) > _MAX_LOGGED_HINTS:
        logger.warning("%d more recordings have such hints.", len(hints) - _MAX_LOGGED_HINTS)

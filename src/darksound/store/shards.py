"""Which ROIs share a cache file, the name of the file, and creating those that are missing."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.audio.augmentation import waveform_settings_key
from darksound.errors import InputError, SettingsError
from darksound.parallel.dask_cluster import WorkerRequirements, connect_dask
from darksound.parallel.workers import configure_dask_worker, map_jobs, worker_count
from darksound.progress import Progress
from darksound.rois.roi_set import Problem, Reader, RoiSet
from darksound.settings import ComputeSettings, FrontEndSettings, Settings
from darksound.store.contract import RowKind
from darksound.store.readers import stamp_recordings
from darksound.store.rendering import (
    AudioSpan,
    MixedShapesError,
    RenderedRows,
    RoiAudio,
    random_stream,
)
from darksound.store.shard_file import Shard, open_shard, write_shard

__all__ = ["SHARD_ROIS", "Recipe", "ShardPlan", "locate_recordings", "open_or_build", "plan_shards"]

#: ROIs that share a file.
SHARD_ROIS = 256
# ROIs of one job of a worker: few, so that workers end at about the same time.
_JOB_ROIS = 16
# Purpose of the random numbers that choose a neighbour; see `random_stream`.
_NEIGHBOUR = 11

_Job = tuple[Sequence[RoiAudio], Reader, Settings, int]
_Band = tuple[float, float] | None


@dataclass(frozen=True)
class Recipe:
    """How cached rows of one kind are computed.

    Attributes:
        kind: of the rows.
        key: values that the rows depend on besides the sound, as JSON supports them.
        render: computes the rows of some ROIs from ROIs, reader, settings and version.
        workers: whether processes or threads share the work.
        longest_s: seconds of a ROI that are read at most, in its middle.
    """

    kind: RowKind
    key: tuple[str | int, ...]
    render: Callable[[Sequence[RoiAudio], Reader, Settings, int], RenderedRows]
    workers: Literal["processes", "threads"]
    longest_s: float = math.inf


@dataclass(frozen=True)
class ShardPlan:
    """A cache file and its ROIs.

    Attributes:
        path: of the file; its name is a hash of everything that its rows depend on.
        start: row of its first ROI in the set.
        rois: its ROIs.
        version: 0 for unaltered sound.
    """

    path: Path
    start: int
    rois: tuple[RoiAudio, ...]
    version: int


def locate_recordings(
    rois: RoiSet, front_end: FrontEndSettings, compute: ComputeSettings
) -> tuple[npt.NDArray[np.int64], list[AudioSpan], list[Problem]]:
    """Find out which recordings exist.

    Args:
        rois: `n` ROIs.
        front_end: `band_limits` selects the band of each ROI.
        compute: `verify_cache` selects what shows that a recording is unchanged.

    Returns:
        The rows whose recordings exist `(m,)`, their `m` spans, and a problem for every other row.
    """
    rows, spans, problems = [], [], []
    columns = [rois.table[name].tolist() for name in ("root", "recording", "start_s", "end_s")]
    bands = _BANDS[front_end.band_limits](rois.table)
    stamps = stamp_recordings(rois.reader, zip(columns[0], columns[1], strict=True), compute)
    for row, (root, recording, start_s, end_s, band) in enumerate(
        zip(*columns, bands, strict=True)
    ):
        stamp = stamps[root, recording]
        if isinstance(stamp, InputError):
            problems.append(Problem(recording, str(stamp)))
        else:
            rows.append(row)
            spans.append(AudioSpan(root, recording, start_s, end_s, stamp, band))
    return np.array(rows, dtype=np.int64), spans, problems


def plan_shards(
    rois: RoiSet,
    spans: Sequence[AudioSpan],
    settings: Settings,
    *,
    version: int,
    folder: Path,
    recipe: Recipe,
) -> Iterator[ShardPlan]:
    """Yield the cache files of one version of all ROIs.

    Args:
        rois: whose recordings all exist.
        spans: of its rows, from `locate_recordings`.
        settings: `augmentation` and `seed` define the altered sound.
        version: 0 for unaltered sound.
        folder: of the cache.
        recipe: how rows are computed.
    """
    ids = rois.table["roi_id"].tolist()
    audio = [
        RoiAudio(roi_id, span, _neighbour(row, roi_id, spans, settings, version))
        for row, (roi_id, span) in enumerate(zip(ids, spans, strict=True))
    ]
    for start in range(0, len(audio), SHARD_ROIS):
        shard = tuple(audio[start : start + SHARD_ROIS])
        name = _key(shard, settings, version, recipe)
        yield ShardPlan(folder / name[:2] / f"{name}.{recipe.kind}", start, shard, version)


def open_or_build(
    plans: Sequence[ShardPlan],
    reader: Reader,
    settings: Settings,
    recipe: Recipe,
    progress: Progress,
) -> list[Shard]:
    """Return all shards, in the order of their plans; build those that are missing or damaged.

    A shard with ROIs that could not be read is built again if one of these can be read now, since
    a disk may have been away.

    Raises:
        MixedShapesError: recordings of several sampling rates give images of several shapes.
        SettingsError: the front end does not support a recording's sampling rate, the cache folder
            cannot be written to, or no Dask scheduler answers.
        WorkerError: the workers of the Dask cluster cannot read the recordings or write to the
            cache folder, or died.
    """
    cached = [_open(plan, reader, settings, recipe) for plan in plans]
    missing = [plan for plan, shard in zip(plans, cached, strict=True) if shard is None]
    build = _build_locally if settings.compute.dask is None else _build_on_dask
    built = iter(build(missing, reader, settings, recipe, progress))
    return [next(built) if shard is None else shard for shard in cached]


def _open(plan: ShardPlan, reader: Reader, settings: Settings, recipe: Recipe) -> Shard | None:
    """Return the shard of a plan; None if it must be built."""
    shard = open_shard(plan.path)
    if shard is None or not shard.causes:
        return shard
    rows = sorted(shard.causes)
    again = recipe.render([plan.rois[row] for row in rows], reader, settings, plan.version)
    return shard if len(again.causes) == len(rows) else None


def _build_on_dask(
    plans: Sequence[ShardPlan],
    reader: Reader,
    settings: Settings,
    recipe: Recipe,
    progress: Progress,
) -> Iterator[Shard]:
    """Yield shards, each built and written to the cache by one worker."""
    address = settings.compute.dask
    if not plans or address is None:
        return
    one_per_root = {roi.span.root: roi.span for plan in plans for roi in plan.rois}
    recordings = tuple((root, span.recording) for root, span in one_per_root.items())
    requirements = WorkerRequirements(reader, recordings, plans[0].path.parents[1])
    done, total = 0, sum(len(plan.rois) for plan in plans)
    progress(recipe.kind, 0, total)
    with connect_dask(address, requirements) as cluster:
        built = cluster.map_in_order(_build_shard, (reader, settings, recipe), plans)
        for plan, shard in zip(plans, built, strict=True):
            done += len(plan.rois)
            progress(recipe.kind, done, total)
            yield shard


def _build_shard(common: tuple[Reader, Settings, Recipe], plan: ShardPlan) -> Shard:
    """Build a shard, unless another worker built it before it died."""
    configure_dask_worker()
    reader, settings, recipe = common
    return open_shard(plan.path) or _write(
        plan, [recipe.render(*job) for job in _jobs(plan, reader, settings)]
    )


def _jobs(plan: ShardPlan, reader: Reader, settings: Settings) -> list[_Job]:
    return [
        (plan.rois[i : i + _JOB_ROIS], reader, settings, plan.version)
        for i in range(0, len(plan.rois), _JOB_ROIS)
    ]


def _build_locally(
    plans: Sequence[ShardPlan],
    reader: Reader,
    settings: Settings,
    recipe: Recipe,
    progress: Progress,
) -> Iterator[Shard]:
    """Yield shards, built by processes or threads of this machine."""
    jobs = [job for plan in plans for job in _jobs(plan, reader, settings)]
    if not jobs:
        return
    done, total = 0, sum(len(plan.rois) for plan in plans)
    progress(recipe.kind, 0, total)
    rendered = _RENDERERS[recipe.workers](partial(_render, recipe), jobs, settings.compute)
    for plan in plans:
        parts: list[RenderedRows] = []
        while sum(part.count for part in parts) < len(plan.rois):
            parts.append(next(rendered))
            done += parts[-1].count
            progress(recipe.kind, done, total)
        yield _write(plan, parts)


def _render(recipe: Recipe, job: _Job) -> RenderedRows:
    return recipe.render(*job)


def _render_in_threads(
    render: Callable[[_Job], RenderedRows], jobs: Sequence[_Job], compute: ComputeSettings
) -> Iterator[RenderedRows]:
    """Yield the rows of each job in order, computed by threads, which share what they load."""
    workers = min(worker_count(compute), len(jobs))
    parallel = joblib.Parallel(workers, backend="threading", return_as="generator")
    yield from parallel(joblib.delayed(render)(job) for job in jobs)


_RENDERERS: dict[
    str,
    Callable[
        [Callable[[_Job], RenderedRows], Sequence[_Job], ComputeSettings], Iterator[RenderedRows]
    ],
] = {"processes": map_jobs, "threads": _render_in_threads}


def _write(plan: ShardPlan, parts: Sequence[RenderedRows]) -> Shard:
    arrays = [part.rows for part in parts if part.rows is not None]
    shapes = {rows.shape[1:] for rows in arrays}
    if len(shapes) > 1:
        raise MixedShapesError(
            f"Recordings of several rates give images of several shapes ({sorted(shapes)}); set "
            "audio.sample_rate to one rate for all."
        )
    shape = shapes.pop() if shapes else (0,)
    rows = np.zeros((len(plan.rois), *shape), arrays[0].dtype if arrays else np.uint8)
    causes: dict[int, str] = {}
    start = 0
    for part in parts:
        if part.rows is not None:
            rows[start : start + part.count] = part.rows
        causes |= {start + row: cause for row, cause in part.causes.items()}
        start += part.count
    write_shard(plan.path, rows, causes)
    shard = open_shard(plan.path)
    if shard is None:
        raise SettingsError(
            f"compute.cache_dir: {plan.path} differs from what was written to it; choose a folder "
            "on another disk."
        )
    return shard


def _bands(table: pd.DataFrame) -> list[_Band]:
    """Return the band of each ROI; None where a bound is missing."""
    pairs = zip(table["low_hz"].tolist(), table["high_hz"].tolist(), strict=True)
    return [(low, high) if low < high else None for low, high in pairs]


def _segmented_bands(table: pd.DataFrame) -> list[_Band]:
    # Segmentation alone measures the signal-to-noise ratio of a ROI.
    return _bands(table.assign(low_hz=table["low_hz"].where(table["snr_db"].notna())))


# The band of each ROI, by `front_end.band_limits`.
_BANDS: dict[str, Callable[[pd.DataFrame], list[_Band]]] = {
    "segmented": _segmented_bands,
    "all": _bands,
    "none": lambda table: [None] * len(table),
}


def _neighbour(
    row: int, roi_id: str, spans: Sequence[AudioSpan], settings: Settings, version: int
) -> AudioSpan | None:
    """Return the sound to mix into an altered version of a ROI, if any; never its own."""
    if version == 0 or len(spans) < 2:
        return None
    rng = random_stream(settings.seed, _NEIGHBOUR, roi_id, version)
    if rng.random() >= settings.augmentation.neighbour_share:
        return None
    other = int(rng.integers(len(spans) - 1))
    return spans[other + (other >= row)]


def _key(rois: Sequence[RoiAudio], settings: Settings, version: int, recipe: Recipe) -> str:
    """Return a hash of everything that the rows of these ROIs depend on."""
    altered: list[object] = []
    if version:
        altered = [version, settings.seed, waveform_settings_key(settings.augmentation)]
    parts = [*recipe.key, altered]
    text = json.dumps([parts, [astuple(roi) for roi in rois]])
    return hashlib.sha256(text.encode()).hexdigest()[:32]

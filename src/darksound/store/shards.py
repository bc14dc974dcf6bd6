"""Which ROIs share a cache file, what it is called, and making those that are missing."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.audio.augmentation import sound_key
from darksound.errors import InputError, SettingsError
from darksound.parallel.dask_cluster import Sight, dask_cluster
from darksound.parallel.workers import be_a_worker, worker_count
from darksound.progress import Progress
from darksound.rois.roi_set import Problem, Reader, RoiSet
from darksound.settings import Settings
from darksound.store.contract import Kind
from darksound.store.rendering import Item, Rendered, Stretch, random_stream
from darksound.store.shard_file import Shard, open_shard, write_shard

__all__ = ["SHARD_ROIS", "Recipe", "ShardPlan", "locate", "open_or_make", "plan_shards"]

#: ROIs that share a file.
SHARD_ROIS = 256
# ROIs that a worker is given at once.
_CHUNK_ROIS = 32
# What starting worker processes costs, each importing what this process has.
_STARTING_S = 4.0
# The purpose of a stream of random numbers; see `random_stream`.
_NEIGHBOUR = 11

_Job = tuple[Sequence[Item], Reader, Settings, int]


@dataclass(frozen=True)
class Recipe:
    """How cached rows of a kind are made.

    Attributes:
        kind: what they are.
        key: all that they depend on beside the sound, as values that JSON has.
        render: makes those of some ROIs: items, reader, settings and version.
        workers: whether processes or threads share the work.
    """

    kind: Kind
    key: tuple[str | int, ...]
    render: Callable[[Sequence[Item], Reader, Settings, int], Rendered]
    workers: Literal["processes", "threads"]


@dataclass(frozen=True)
class ShardPlan:
    """A cache file and what belongs in it.

    Attributes:
        path: of the file; its name is a hash of all that its rows depend on.
        start: row of its first ROI in the set.
        items: its ROIs.
        version: 0 for unaltered sound.
    """

    path: Path
    start: int
    items: tuple[Item, ...]
    version: int


def locate(
    rois: RoiSet, settings: Settings
) -> tuple[npt.NDArray[np.int64], list[Stretch], list[Problem]]:
    """The rows whose recordings are there, where they stand, and why the others are not."""
    stamps: dict[tuple[str, str], str | InputError] = {}
    rows, stretches, problems = [], [], []
    columns = [rois.table[name].tolist() for name in ("root", "recording", "start_s", "end_s")]
    bands = _BANDS[settings.front_end.band_limits](rois.table)
    for row, (root, recording, start_s, end_s, band) in enumerate(
        zip(*columns, bands, strict=True)
    ):
        if (root, recording) not in stamps:
            stamps[root, recording] = _stamp(rois.reader, root, recording)
        stamp = stamps[root, recording]
        if isinstance(stamp, InputError):
            problems.append(Problem(recording, str(stamp)))
        else:
            rows.append(row)
            stretches.append(Stretch(root, recording, start_s, end_s, stamp, band))
    return np.array(rows, dtype=np.int64), stretches, problems


def plan_shards(
    rois: RoiSet,
    stretches: Sequence[Stretch],
    settings: Settings,
    version: int,
    folder: Path,
    recipe: Recipe,
) -> Iterator[ShardPlan]:
    """The cache files of a version of all ROIs.

    Args:
        rois: whose recordings are all there.
        stretches: of its rows, from `locate`.
        settings: `augmentation` and `seed` say how sound is altered.
        version: 0 for unaltered sound.
        folder: of the cache.
        recipe: how rows are made.
    """
    ids = rois.table["roi_id"].tolist()
    items = [
        Item(roi_id, stretch, _neighbour(row, roi_id, stretches, settings, version))
        for row, (roi_id, stretch) in enumerate(zip(ids, stretches, strict=True))
    ]
    for start in range(0, len(items), SHARD_ROIS):
        own = tuple(items[start : start + SHARD_ROIS])
        name = _key(own, settings, version, recipe)
        yield ShardPlan(folder / name[:2] / f"{name}.{recipe.kind}", start, own, version)


def open_or_make(
    plans: Sequence[ShardPlan],
    reader: Reader,
    settings: Settings,
    recipe: Recipe,
    progress: Progress,
) -> list[Shard]:
    """All shards, in the order of their plans; those missing or damaged are made.

    Raises:
        InputError: recordings of several rates give images of several shapes.
        SettingsError: the front end cannot work at a recording's rate, the cache folder cannot
            be written to, or no Dask scheduler answers.
        WorkerError: the workers of the Dask cluster cannot do it, or died.
    """
    found = [open_shard(plan.path) for plan in plans]
    missing = [plan for plan, shard in zip(plans, found, strict=True) if shard is None]
    make = _make if settings.compute.dask is None else _make_on_dask
    made = iter(make(missing, reader, settings, recipe, progress))
    return [next(made) if shard is None else shard for shard in found]


def _make_on_dask(
    plans: Sequence[ShardPlan],
    reader: Reader,
    settings: Settings,
    recipe: Recipe,
    progress: Progress,
) -> Iterator[Shard]:
    """Each shard is made, and written to the cache, by one worker."""
    address = settings.compute.dask
    if not plans or address is None:
        return
    firsts = {item.stretch.root: item.stretch for plan in plans for item in plan.items}
    recordings = tuple((root, stretch.recording) for root, stretch in firsts.items())
    done, total = 0, sum(len(plan.items) for plan in plans)
    progress(recipe.kind, 0, total)
    with dask_cluster(address, Sight(reader, recordings, plans[0].path.parents[1])) as cluster:
        made = cluster.in_order(_make_one, (reader, settings, recipe), plans)
        for plan, shard in zip(plans, made, strict=True):
            done += len(plan.items)
            progress(recipe.kind, done, total)
            yield shard


def _make_one(common: tuple[Reader, Settings, Recipe], plan: ShardPlan) -> Shard:
    """A shard, unless a worker that died afterwards has made it."""
    be_a_worker()
    reader, settings, recipe = common
    return open_shard(plan.path) or _keep(
        plan, [recipe.render(*job) for job in _jobs(plan, reader, settings)]
    )


def _jobs(plan: ShardPlan, reader: Reader, settings: Settings) -> list[_Job]:
    return [
        (plan.items[i : i + _CHUNK_ROIS], reader, settings, plan.version)
        for i in range(0, len(plan.items), _CHUNK_ROIS)
    ]


def _make(
    plans: Sequence[ShardPlan],
    reader: Reader,
    settings: Settings,
    recipe: Recipe,
    progress: Progress,
) -> Iterator[Shard]:
    jobs = [job for plan in plans for job in _jobs(plan, reader, settings)]
    if not jobs:
        return
    done, total = 0, sum(len(plan.items) for plan in plans)
    progress(recipe.kind, 0, total)
    rendered = _render_all(jobs, recipe, settings)
    for plan in plans:
        parts: list[Rendered] = []
        while sum(part.count for part in parts) < len(plan.items):
            parts.append(next(rendered))
            done += parts[-1].count
            progress(recipe.kind, done, total)
        yield _keep(plan, parts)


def _render_all(jobs: Sequence[_Job], recipe: Recipe, settings: Settings) -> Iterator[Rendered]:
    """The jobs' rows in order, by as many workers as help."""
    workers = min(worker_count(settings), len(jobs))
    return _SHARED[recipe.workers](recipe, jobs, workers)


def _by_processes(recipe: Recipe, jobs: Sequence[_Job], workers: int) -> Iterator[Rendered]:
    """Other processes help where that saves more than starting them."""
    start = time.perf_counter()
    yield recipe.render(*jobs[0])
    saved_s = (time.perf_counter() - start) * (len(jobs) - 1) * (1 - 1 / workers)
    if saved_s <= _STARTING_S:
        yield from (recipe.render(*job) for job in jobs[1:])
        return
    # One thread a process: as many processes as cores already keep them busy. They leave, and
    # give their memory back, soon after.
    with joblib.parallel_config(
        "loky", n_jobs=workers, inner_max_num_threads=1, idle_worker_timeout=5
    ):
        parallel = joblib.Parallel(return_as="generator")
    yield from parallel(joblib.delayed(recipe.render)(*job) for job in jobs[1:])


def _by_threads(recipe: Recipe, jobs: Sequence[_Job], workers: int) -> Iterator[Rendered]:
    parallel = joblib.Parallel(workers, backend="threading", return_as="generator")
    yield from parallel(joblib.delayed(recipe.render)(*job) for job in jobs)


_SHARED: Mapping[str, Callable[[Recipe, Sequence[_Job], int], Iterator[Rendered]]] = (
    MappingProxyType({"processes": _by_processes, "threads": _by_threads})
)


def _keep(plan: ShardPlan, parts: Sequence[Rendered]) -> Shard:
    made = [part.rows for part in parts if part.rows is not None]
    shapes = {rows.shape[1:] for rows in made}
    if len(shapes) > 1:
        raise InputError(
            f"Recordings of several rates give images of several shapes ({sorted(shapes)}); set "
            "audio.sample_rate to one rate for all."
        )
    shape = shapes.pop() if shapes else (0,)
    rows = np.zeros((len(plan.items), *shape), made[0].dtype if made else np.uint8)
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
            f"compute.cache_dir: {plan.path} does not hold what was written to it; name a folder "
            "on another disk."
        )
    return shard


def _bounds(table: pd.DataFrame) -> list[tuple[float, float] | None]:
    """The band of each ROI that has one."""
    pairs = zip(table["low_hz"].tolist(), table["high_hz"].tolist(), strict=True)
    return [(low, high) if low < high else None for low, high in pairs]


def _segmented_bounds(table: pd.DataFrame) -> list[tuple[float, float] | None]:
    # Only segmentation tells how far a ROI stands above the background.
    return _bounds(table.assign(low_hz=table["low_hz"].where(table["snr_db"].notna())))


# The band that each ROI is limited to, by `front_end.band_limits`.
_BANDS: Mapping[str, Callable[[pd.DataFrame], list[tuple[float, float] | None]]] = MappingProxyType(
    {
        "segmented": _segmented_bounds,
        "all": _bounds,
        "none": lambda table: [None] * len(table),
    }
)


def _stamp(reader: Reader, root: str, recording: str) -> str | InputError:
    try:
        return reader.stamp(root, recording)
    except InputError as error:
        return error


def _neighbour(
    row: int, roi_id: str, stretches: Sequence[Stretch], settings: Settings, version: int
) -> Stretch | None:
    if version == 0 or len(stretches) < 2:
        return None
    rng = random_stream(settings.seed, _NEIGHBOUR, roi_id, version)
    if rng.random() >= settings.augmentation.neighbour_share:
        return None
    other = int(rng.integers(len(stretches) - 1))
    return stretches[other + (other >= row)]


def _key(items: Sequence[Item], settings: Settings, version: int, recipe: Recipe) -> str:
    altered = [version, settings.seed, sound_key(settings.augmentation)] if version else []
    parts = [*recipe.key, altered]
    text = json.dumps([parts, [astuple(item) for item in items]])
    return hashlib.sha256(text.encode()).hexdigest()[:32]

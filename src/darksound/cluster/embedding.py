"""Embeddings of ROIs by a learner."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from math import ceil

import numpy as np
import numpy.typing as npt

from darksound.meta.features import compute_features, require_fit, settle
from darksound.meta.learners.base import Learner
from darksound.parallel.dask_cluster import WorkerRequirements, connect_dask
from darksound.parallel.workers import configure_dask_worker
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.store.contract import Store
from darksound.store.shard_file import cache_folder

__all__ = ["Embed", "embed", "embedded", "whole_batches"]

Vectors = npt.NDArray[np.float32]

#: What `embed` is, and whatever takes its place.
Embed = Callable[[Learner, Store, Settings, Progress], Vectors]

_STAGE = "embedding"
# ROIs that a worker of a Dask cluster embeds at once, about.
_JOB_ROIS = 256


def embed(
    learner: Learner, images: Store, settings: Settings, progress: Progress = silent
) -> Vectors:
    """Vectors `(n, dim)` of all ROIs of a store, row i of row i.

    In evaluation mode and batches, each ROI from its unaltered image alone. Values are not
    finite where the learner's weights are not. Where `compute.dask` names a scheduler, its
    workers embed.

    Raises:
        CheckpointError: the images are of another front end than the learner's.
        SettingsError: the device asked for is not there, or no Dask scheduler answers.
        WorkerError: the workers of the Dask cluster cannot do it, or died.
    """
    if not len(images):
        return np.zeros((0, learner.embedding_dim), np.float32)
    return np.concatenate(list(embedded(learner, images, settings, progress)))


def embedded(
    learner: Learner,
    images: Store,
    settings: Settings,
    progress: Progress = silent,
    *,
    first: int = 0,
    at_once: int | None = None,
) -> Iterator[Vectors]:
    """What `embed` gives, some consecutive rows at a time, so that memory stays bounded.

    Args:
        learner, images, settings, progress: see `embed`.
        first: row to begin with, a multiple of `compute.batch_size` as `whole_batches` gives it:
            so each ROI is embedded among the same others wherever one begins.
        at_once: rows at a time, such a multiple too; None: all. The workers of a Dask cluster
            embed fewer, whatever it is.

    Raises:
        CheckpointError, SettingsError, WorkerError: see `embed`.
    """
    require_fit(learner, images)
    settle(learner, images)
    progress(_STAGE, first, len(images))
    dask = settings.compute.dask
    if dask is None:
        yield from _here(learner, images, settings, progress, first, at_once or len(images))
    elif first < len(images):
        yield from _on_dask(dask, learner, images, settings, progress, first)


def whole_batches(rows: int, settings: Settings) -> int:
    """The smallest multiple of `compute.batch_size` that is not below `rows`."""
    return ceil(rows / settings.compute.batch_size) * settings.compute.batch_size


def _here(
    learner: Learner,
    images: Store,
    settings: Settings,
    progress: Progress,
    first: int,
    at_once: int,
) -> Iterator[Vectors]:
    n = len(images)
    for start in range(first, n, at_once):
        rows = np.arange(start, min(start + at_once, n))
        on = partial(_on_from, progress, start, n)
        vectors = compute_features(learner, images, rows, settings, embed=True, progress=on)
        yield vectors.numpy()


def _on_dask(
    address: str,
    learner: Learner,
    images: Store,
    settings: Settings,
    progress: Progress,
    first: int,
) -> Iterator[Vectors]:
    n, at_once = len(images), whole_batches(_JOB_ROIS, settings)
    starts = range(first, n, at_once)
    jobs = (images.take(np.arange(start, min(start + at_once, n))) for start in starts)
    network = deepcopy(learner).cpu()
    rois = images.rois
    one_a_root = rois.table[["root", "recording"]].drop_duplicates("root")
    recordings = tuple(one_a_root.itertuples(index=False, name=None))
    requirements = WorkerRequirements(rois.reader, recordings, cache_folder(settings.compute).resolve())
    with connect_dask(address, requirements) as cluster:
        made = cluster.map_in_order(_embed_one, (network, settings), jobs)
        for start, vectors in zip(starts, made, strict=True):
            progress(_STAGE, start + len(vectors), n)
            yield vectors


def _embed_one(common: tuple[Learner, Settings], images: Store) -> Vectors:
    configure_dask_worker()
    learner, settings = common
    array: Vectors = compute_features(learner, images, None, settings, embed=True).numpy()
    return array


def _on_from(
    progress: Progress,
    start: int,
    total: int,
    stage: str,
    done: int,
    of: int,
    /,
    values: Mapping[str, float] | None = None,
) -> None:
    """Tell of a part as of the whole that it is of; the stage is opened but once."""
    if done:
        progress(stage, start + done, total, values)

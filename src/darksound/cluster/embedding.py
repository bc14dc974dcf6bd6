"""Embeddings of ROIs by a learner."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from math import ceil

import numpy as np
import numpy.typing as npt

from darksound.errors import CheckpointError
from darksound.meta.features import check_store, compute_features, fit_backbone
from darksound.meta.learners.base import Learner
from darksound.parallel.dask_cluster import WorkerRequirements, connect_dask
from darksound.parallel.workers import configure_dask_worker
from darksound.progress import Progress, silent
from darksound.settings import ComputeSettings, Settings
from darksound.store.contract import Store
from darksound.store.shard_file import cache_folder

__all__ = ["EmbeddingFunction", "check_finite", "embed", "iter_embeddings", "round_up_to_batches"]

Vectors = npt.NDArray[np.float32]

#: `embed`, or a function with the same result.
EmbeddingFunction = Callable[[Store, Learner, Settings, Progress], Vectors]

_STAGE = "embedding"
# Number of ROIs, about, that a worker of a Dask cluster embeds in one job.
_JOB_ROIS = 256


def embed(
    images: Store, learner: Learner, settings: Settings, progress: Progress = silent
) -> Vectors:
    """Return the embeddings `(n, dim)` of all ROIs of a store, in evaluation mode.

    Each embedding depends on the unaltered image of its ROI only. Values are not finite if the
    learner's weights are not. If `compute.dask` has a scheduler, its workers embed.

    Raises:
        CheckpointError: the images were made with another front end than the learner's.
        SettingsError: the device is not available, or no Dask scheduler answers.
        WorkerError: the workers of the Dask cluster do not have the right packages, or died.
    """
    if not len(images):
        return np.zeros((0, learner.embedding_dim), np.float32)
    return np.concatenate(list(iter_embeddings(images, learner, settings, progress)))


def check_finite(vectors: Vectors) -> Vectors:
    """Return embeddings `(n, dim)` unchanged.

    Raises:
        CheckpointError: a value is NaN or infinite.
    """
    if not np.isfinite(vectors).all():
        raise CheckpointError(
            "Embeddings of the learner are not finite; its weights are damaged. Use another "
            "checkpoint."
        )
    return vectors


def iter_embeddings(
    images: Store,
    learner: Learner,
    settings: Settings,
    progress: Progress = silent,
    *,
    first_row: int = 0,
    chunk_rows: int | None = None,
) -> Iterator[Vectors]:
    """Yield the result of `embed` in chunks of consecutive rows, so that memory is bounded.

    Args:
        images, learner, settings, progress: see `embed`.
        first_row: a multiple of `compute.batch_size`, so that batches have the same ROIs wherever
            embedding starts.
        chunk_rows: rows of a chunk, a multiple of `compute.batch_size`; None: all. Chunks of the
            workers of a Dask cluster have fewer rows.

    Raises:
        CheckpointError, SettingsError, WorkerError: see `embed`.
    """
    check_store(images, learner)
    fit_backbone(images, learner)
    n = len(images)
    progress(_STAGE, first_row, n)
    if settings.compute.dask is None:
        starts = range(first_row, n, chunk_rows or max(1, n))
        yield from _iter_local(images, learner, settings.compute, starts, progress)
    elif first_row < n:
        starts = range(first_row, n, round_up_to_batches(_JOB_ROIS, settings.compute))
        yield from _iter_dask(images, learner, settings.compute, starts, progress)


def round_up_to_batches(n_rows: int, compute: ComputeSettings) -> int:
    """Return the smallest multiple of `compute.batch_size` that is at least `n_rows`."""
    return ceil(n_rows / compute.batch_size) * compute.batch_size


def _iter_local(
    images: Store, learner: Learner, compute: ComputeSettings, starts: range, progress: Progress
) -> Iterator[Vectors]:
    n = len(images)
    for start in starts:
        rows = np.arange(start, min(start + starts.step, n))
        chunk_progress = partial(_report_chunk, progress, start, n)
        vectors = compute_features(
            images, learner, compute, rows=rows, embed=True, progress=chunk_progress
        )
        yield vectors.numpy()


def _iter_dask(
    images: Store, learner: Learner, compute: ComputeSettings, starts: range, progress: Progress
) -> Iterator[Vectors]:
    assert compute.dask is not None
    n = len(images)
    jobs = (images.take(np.arange(start, min(start + starts.step, n))) for start in starts)
    network = deepcopy(learner).cpu()
    rois = images.rois
    first_of_root = rois.table[["root", "recording"]].drop_duplicates("root")
    recordings = tuple(first_of_root.itertuples(index=False, name=None))
    folder = cache_folder(compute).resolve()
    with connect_dask(compute.dask, WorkerRequirements(rois.reader, recordings, folder)) as cluster:
        chunks = cluster.map_in_order(_embed_job, (network, compute), jobs)
        for start, vectors in zip(starts, chunks, strict=True):
            progress(_STAGE, start + len(vectors), n)
            yield vectors


def _embed_job(shared: tuple[Learner, ComputeSettings], images: Store) -> Vectors:
    configure_dask_worker()
    learner, compute = shared
    vectors: Vectors = compute_features(images, learner, compute, embed=True).numpy()
    return vectors


def _report_chunk(
    progress: Progress,
    start: int,
    n: int,
    stage: str,
    done: int,
    chunk_total: int,
    /,
    values: Mapping[str, float] | None = None,
) -> None:
    """Report the progress of a chunk as that of all n rows; 0 would start the stage again."""
    if done:
        progress(stage, start + done, n, values)

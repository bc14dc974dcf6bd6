"""Work shared among processes of this machine, or the workers of a Dask cluster."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import joblib

from darksound.data.dask_cluster import Sight, dask_cluster
from darksound.data.workers import worker_count
from darksound.settings import Settings

__all__ = ["in_any_order"]

Job = TypeVar("Job")
Result = TypeVar("Result")

# What starting worker processes costs.
_STARTING_S = 2.0


def in_any_order(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    settings: Settings,
    sight: Sight | None = None,
) -> Iterator[tuple[int, Result]]:
    """`function` of every job, as results come, each with its job's place.

    Args:
        function: of one job; both can be pickled.
        jobs: what is to be done.
        settings: `compute.workers` says how many processes help, where that saves more time
            than starting them takes; `compute.dask` names a scheduler whose workers do it all,
            where `sight` is given.
        sight: what the workers of a Dask cluster must see; None: the work stays on this machine.

    Raises:
        SettingsError: Dask is not installed, or no scheduler answers.
        WorkerError: the workers of the cluster cannot do it, or died.
    """
    if not jobs:
        return
    numbered = list(enumerate(jobs))
    if settings.compute.dask is not None and sight is not None:
        with dask_cluster(settings.compute.dask, sight) as cluster:
            yield from cluster.in_order(_numbered, function, numbered)
        return
    workers = min(worker_count(settings), len(jobs))
    start = time.perf_counter()
    yield _numbered(function, numbered[0])
    saved_s = (time.perf_counter() - start) * (len(jobs) - 1) * (1 - 1 / workers)
    if saved_s <= _STARTING_S:
        yield from (_numbered(function, job) for job in numbered[1:])
        return
    with joblib.parallel_config(
        "loky", n_jobs=workers, inner_max_num_threads=1, idle_worker_timeout=5
    ):
        parallel = joblib.Parallel(return_as="generator_unordered")
    yield from parallel(joblib.delayed(_numbered)(function, job) for job in numbered[1:])


def _numbered(function: Callable[[Job], Result], job: tuple[int, Job]) -> tuple[int, Result]:
    return job[0], function(job[1])

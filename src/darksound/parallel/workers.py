"""Work shared among processes of this machine, or the workers of a Dask cluster."""

import ctypes
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import joblib

from darksound.audio.files import AudioInfo, probe
from darksound.errors import InputError
from darksound.parallel.dask_cluster import Sight, dask_cluster
from darksound.settings import Settings

__all__ = ["Place", "be_a_worker", "in_any_order", "in_threads", "survey", "worker_count"]


@dataclass(frozen=True)
class Place:
    """A process among those that torchrun started.

    Attributes:
        rank: its number among all.
        size: number of all.
        local_rank: its number among those of its machine.
    """

    rank: int
    size: int
    local_rank: int


# Of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def worker_count(settings: Settings) -> int:
    """The workers that the settings ask for; `auto` is one a core that this process may use."""
    wanted = settings.compute.workers
    return int(joblib.cpu_count()) if wanted == "auto" else wanted


def be_a_worker() -> None:
    """Let this process, a worker of a Dask cluster, compute at full speed.

    Torch uses one thread, since a worker does as many jobs side by side as it has threads. And
    glibc keeps up to 128 MB of what is freed: Dask has its workers give memory back at once, and
    fetching it again for every array takes longer than what is computed with it.
    """
    import torch

    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    _keep_freed_memory()


@cache
def _keep_freed_memory() -> None:
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 128 << 20)


T = TypeVar("T")
R = TypeVar("R")

# Opening files waits on disks and networks more than on processors.
_THREADS_A_CORE = 2


def in_threads(function: Callable[[T], R], items: Sequence[T], settings: Settings) -> list[R]:
    """`function` of every item, in order, by as many threads as the settings allow."""
    workers = settings.compute.workers
    threads = _THREADS_A_CORE * (os.cpu_count() or 1) if workers == "auto" else workers
    if min(threads, len(items)) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(function, items, chunksize=1))


def survey(
    root: Path, recordings: Sequence[str], settings: Settings
) -> dict[str, AudioInfo | InputError]:
    """What each recording below `root` says of itself, or why it cannot be used."""

    def ask(recording: str) -> AudioInfo | InputError:
        try:
            return probe(root / recording)
        except InputError as error:
            return error

    return dict(zip(recordings, in_threads(ask, recordings, settings), strict=True))


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

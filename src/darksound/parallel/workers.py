"""Work shared among threads, processes of this machine, or the workers of a Dask cluster."""

import ctypes
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import joblib

from darksound.audio.files import AudioInfo, probe
from darksound.audio.names import recording_path
from darksound.errors import InputError, WorkerError, failure_cause
from darksound.parallel.dask_cluster import WorkerRequirements, connect_dask
from darksound.parallel.resources import format_bytes, free_memory
from darksound.settings import ComputeSettings

__all__ = [
    "ProcessRank",
    "configure_dask_worker",
    "keep_freed_memory",
    "map_in_threads",
    "map_unordered",
    "probe_recordings",
    "worker_count",
]

Job = TypeVar("Job")
Result = TypeVar("Result")

# Parameters of `mallopt`, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Opening files waits for disks and networks more than for processors.
_THREADS_PER_CORE = 2
# Seconds that starting worker processes takes.
_STARTUP_S = 2.0


@dataclass(frozen=True)
class ProcessRank:
    """The place of this process among those that torchrun started.

    Attributes:
        rank: number of the process among all, from 0.
        size: number of processes.
        local_rank: number of the process among those of its machine, from 0.
    """

    rank: int
    size: int
    local_rank: int


def worker_count(compute: ComputeSettings) -> int:
    """Return the number of workers; `auto` means one for each core this process may use."""
    return int(joblib.cpu_count()) if compute.workers == "auto" else compute.workers


def configure_dask_worker() -> None:
    """Set up this process, a worker of a Dask cluster, to compute at full speed.

    Torch uses one thread, because a worker runs as many jobs in parallel as it has threads. glibc
    keeps up to 128 MB of freed memory: Dask makes its workers return memory to the system at once,
    and requesting it again for every array takes longer than the computation.
    """
    import torch

    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    keep_freed_memory()


@cache
def keep_freed_memory() -> None:
    """Let glibc keep up to 128 MB of freed memory, which arrays of each step need again."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 128 << 20)


def map_in_threads(
    function: Callable[[Job], Result], jobs: Sequence[Job], compute: ComputeSettings
) -> list[Result]:
    """Return `function(job)` of every job, in order, computed by several threads.

    Args:
        function: called once for each job.
        jobs: arguments of `function`.
        compute: `workers` is the number of threads; `auto` means two for each core.
    """
    workers = compute.workers
    threads = _THREADS_PER_CORE * (os.cpu_count() or 1) if workers == "auto" else workers
    if min(threads, len(jobs)) < 2:
        return [function(job) for job in jobs]
    with ThreadPoolExecutor(min(threads, len(jobs))) as pool:
        return list(pool.map(function, jobs, chunksize=1))


def probe_recordings(
    root: Path, recordings: Sequence[str], compute: ComputeSettings
) -> dict[str, AudioInfo | InputError]:
    """Return length, rate and channels of recordings below `root`, by several threads.

    A recording that cannot be used has the error in place of them.
    """

    def probe_one(recording: str) -> AudioInfo | InputError:
        path = recording_path(root, recording)
        try:
            return probe(path)
        except Exception as error:
            return InputError(failure_cause(path, error))

    return dict(zip(recordings, map_in_threads(probe_one, recordings, compute), strict=True))


def map_unordered(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    compute: ComputeSettings,
    requirements: WorkerRequirements | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yield the index of each job and `function(job)`, as soon as a result is there.

    Args:
        function: of one job; the function and the jobs can be pickled.
        jobs: arguments of `function`.
        compute: `workers` is the number of processes, used where they save more time than
            starting them takes. `dask` is the address of a scheduler whose workers run all jobs,
            if `requirements` is given.
        requirements: what the workers of a Dask cluster need; None: all jobs run on this machine.

    Raises:
        SettingsError: Dask is not installed, or no scheduler answers.
        WorkerError: the workers of the cluster do not meet the requirements, or workers died.
    """
    if not jobs:
        return
    numbered = list(enumerate(jobs))
    if compute.dask is not None and requirements is not None:
        with connect_dask(compute.dask, requirements) as cluster:
            yield from cluster.map_in_order(_run_numbered, function, numbered)
        return
    workers = min(worker_count(compute), len(jobs))
    start = time.perf_counter()
    yield _run_numbered(function, numbered[0])
    saved_s = (time.perf_counter() - start) * (len(jobs) - 1) * (1 - 1 / workers)
    if saved_s <= _STARTUP_S:
        yield from (_run_numbered(function, job) for job in numbered[1:])
        return
    with joblib.parallel_config(
        "loky", n_jobs=workers, inner_max_num_threads=1, idle_worker_timeout=5
    ):
        parallel = joblib.Parallel(return_as="generator_unordered")
    try:
        yield from parallel(joblib.delayed(_run_numbered)(function, job) for job in numbered[1:])
    except BrokenProcessPool:
        raise WorkerError(
            f"A worker process was killed, probably because memory ran out "
            f"({format_bytes(free_memory())} are free now): lower --workers (now {workers}), or "
            "close other programs. Finished work is kept: run the command again with --resume."
        ) from None


def _run_numbered(function: Callable[[Job], Result], job: tuple[int, Job]) -> tuple[int, Result]:
    return job[0], function(job[1])

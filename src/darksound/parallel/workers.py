"""Work shared among threads, processes of this machine, or the workers of a Dask cluster."""

import ctypes
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from darksound.audio.files import AudioInfo, probe
from darksound.audio.names import recording_path
from darksound.errors import InputError, WorkerError, failure_cause
from darksound.parallel.dask_cluster import WorkerRequirements, connect_dask
from darksound.parallel.resources import format_bytes, free_memory
from darksound.settings import ComputeSettings

__all__ = [
    "PROCESS_BYTES",
    "ProcessRank",
    "configure_dask_worker",
    "keep_freed_memory",
    "map_in_threads",
    "map_jobs",
    "probe_recordings",
    "process_count",
    "worker_count",
]

Job = TypeVar("Job")
Result = TypeVar("Result")

# Parameters of `mallopt`, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Opening files waits for disks and networks more than for processors.
_THREADS_PER_CORE = 2
#: Memory of a worker process in bytes: Python with torch, librosa and scipy.
PROCESS_BYTES = int(0.4e9)
# Seconds for each process until all have started, measured with 2 processes on 2 cores and with 16
# on 16: they compete for disk and memory.
_PROCESS_START_S = 1.3
# Share of the work in which a thread holds the lock of the interpreter: 0.15 of segmentation, 0.22
# of images of sound files, 0.27 of songs, 0.4 of the demo, from the time of 2 threads and of 1.
_LOCK_SHARE = 0.25
# Seconds without a job after which a process ends, to free its memory.
_IDLE_S = 60
# Jobs that wait for a thread, so that none is idle while results are used.
_AHEAD = 2
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}


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


def map_jobs(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    compute: ComputeSettings,
    requirements: WorkerRequirements | None = None,
) -> Generator[Result, None, None]:
    """Yield `function(job)` of each job, in order, computed by several workers.

    Workers are threads of this process, each of whose operations uses one thread. Where processes
    end sooner, their start included, they take over when the first one is ready. All calls share
    them, and they end when they have had no job for a minute.

    Args:
        function: of one job; the function and the jobs can be pickled.
        jobs: arguments of `function`.
        compute: `workers` is the number of threads and the largest one of processes. `dask` is
            the address of a scheduler whose workers run all jobs, if `requirements` is given.
        requirements: what the workers of a Dask cluster need; None: all jobs run on this machine.

    Raises:
        SettingsError: Dask is not installed, or no scheduler answers.
        WorkerError: the workers of the cluster do not meet the requirements, or workers died.
        Exception: whatever `function` raised.
    """
    if not jobs:
        return
    if compute.dask is not None and requirements is not None:
        with connect_dask(compute.dask, requirements) as cluster:
            yield from cluster.map_in_order(_call, function, jobs)
        return
    try:
        yield from _map_locally(function, jobs, min(worker_count(compute), len(jobs)))
    except TerminatedWorkerError:
        raise WorkerError(
            f"A worker process was killed, probably because memory ran out "
            f"({format_bytes(free_memory())} are free now): lower --workers (now "
            f"{worker_count(compute)}), or close other programs. Finished work is kept: run the "
            "command again with --resume."
        ) from None


def process_count(work_s: float, most: int) -> int:
    """Return how many processes end work the soonest; 0 if threads of this process do.

    Args:
        work_s: seconds of CPU time of the work.
        most: largest number of threads or of processes.
    """

    def seconds(processes: int) -> float:
        return processes * _PROCESS_START_S + work_s / processes

    fastest = min(range(2, most + 1), key=seconds, default=0)
    threads_s = work_s * (_LOCK_SHARE + (1 - _LOCK_SHARE) / most)
    return fastest if fastest and seconds(fastest) < threads_s else 0


def _map_locally(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[Result]:
    # Its import of torch takes a second, and callers of the other functions do without.
    from darksound.parallel.threads import thread_pool

    call = partial(_timed_call, function)
    processes: _Processes | None = None
    pending: deque[Future[tuple[Result, float]]] = deque()
    work_s, n_done = 0.0, 0
    with thread_pool(workers, "worker") as threads:
        try:
            for number, job in enumerate(jobs):
                if len(pending) >= workers + _AHEAD:
                    result, seconds = pending.popleft().result()
                    yield result
                    work_s, n_done = work_s + seconds, n_done + 1
                    if processes is None:
                        remaining_s = work_s / n_done * (len(jobs) - number)
                        processes = _start_processes(call, remaining_s, workers)
                if processes is not None and processes.are_ready:
                    pending.append(processes.submit(call, job))
                else:
                    pending.append(threads.submit(call, job))
            while pending:
                yield pending.popleft().result()[0]
        finally:
            for future in pending:
                future.cancel()


class _Processes:
    """The worker processes that all calls share.

    Args:
        count: number of processes.
        call: what they will run.
    """

    def __init__(self, count: int, call: Callable[..., object]) -> None:
        self._executor = get_reusable_executor(max_workers=count, timeout=_IDLE_S, env=_ONE_THREAD)
        # What a process loads after its first job, loky takes for a leak and starts another.
        self._first = self._executor.submit(callable, call)

    @property
    def are_ready(self) -> bool:
        """Return whether one has started."""
        return bool(self._first.done())

    def submit(
        self, call: Callable[[Job], tuple[Result, float]], job: Job
    ) -> "Future[tuple[Result, float]]":
        """Give a job to the next one that is free."""
        future: Future[tuple[Result, float]] = self._executor.submit(call, job)
        return future


def _start_processes(call: Callable[..., object], work_s: float, most: int) -> _Processes | None:
    """Start the processes that end work the soonest, as many as memory suffices for."""
    count = process_count(work_s, most)
    if count:
        count = process_count(work_s, min(count, free_memory() // PROCESS_BYTES))
    return _Processes(count, call) if count else None


def _timed_call(function: Callable[[Job], Result], job: Job) -> tuple[Result, float]:
    """Return the result and the CPU time in seconds, which depends on other work little."""
    start = time.thread_time()
    return function(job), time.thread_time() - start


def _call(function: Callable[[Job], Result], job: Job) -> Result:
    return function(job)

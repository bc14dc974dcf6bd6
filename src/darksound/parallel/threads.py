"""Operations of one thread each, several at a time, so that no result depends on their number.

A sum of floating-point numbers has other last digits in another order, so an operation that torch
or BLAS share among threads depends on how many there are. In the blocks of `single_threaded` each
operation runs in one thread, and only independent operations run at the same time. That also costs
less on a machine with other work, where threads that share an operation wait for the last of them.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["map_in_order", "numba_threads", "single_threaded", "thread_pool", "usable_threads"]

Job = TypeVar("Job")
Result = TypeVar("Result")


class _State(threading.local):
    #: Threads that may work at a time; None outside of blocks, where torch's number holds.
    usable: int | None = None


_state = _State()


class _BlasLimit:
    """One thread for BLAS in all threads of the process, while any of them is in a block.

    The numbers of OpenMP and of torch's own BLAS are those of a thread; OpenBLAS has one number for
    all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_blocks = 0
        self._limits: list[Any] = []

    def enter(self, controller: ThreadpoolController) -> None:
        """Begin a block, with the libraries that are loaded by now."""
        with self._lock:
            self._n_blocks += 1
            blas = controller.select(user_api="blas")
            if any(library["num_threads"] != 1 for library in blas.info()):
                self._limits.append(blas.limit(limits=1))

    def leave(self) -> None:
        """End a block; the last one restores the numbers."""
        with self._lock:
            self._n_blocks -= 1
            while self._limits and not self._n_blocks:
                self._limits.pop().restore_original_limits()


_blas_limit = _BlasLimit()


def usable_threads() -> int:
    """Return how many threads may work at a time.

    It is torch's number of threads before the outermost block of `single_threaded`: that of the
    environment variable `OMP_NUM_THREADS` or of `torch.set_num_threads`, else the number of cores.
    """
    return torch.get_num_threads() if _state.usable is None else _state.usable


@lru_cache(maxsize=1)
def _loaded_libraries(n_modules: int) -> ThreadpoolController:
    """Return the libraries with threads; the search takes 10 ms, and imports alone load others."""
    return ThreadpoolController()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run a block in which torch, BLAS and OpenMP use one thread for each operation.

    Numbers of threads are restored after it, whatever libraries set them to inside: numba sets
    torch's. Blocks may be nested, and the inner ones include libraries that were loaded since. It
    can decorate a function.
    """
    outer, before = _state.usable, torch.get_num_threads()
    _state.usable = before if outer is None else outer
    controller = _loaded_libraries(len(sys.modules))
    _blas_limit.enter(controller)
    try:
        with controller.select(user_api="openmp").limit(limits=1):
            _use_one_thread()
            yield
    finally:
        _blas_limit.leave()
        _state.usable = outer
        # In a nested block numba may have raised the number before.
        torch.set_num_threads(before if outer is None else 1)


@contextmanager
def numba_threads(threads: int) -> Iterator[None]:
    """Run a block in which numba's parallel loops use at most so many threads."""
    # The import takes a second.
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(before, threads))
    try:
        yield
    finally:
        numba.set_num_threads(before)


def _use_one_thread() -> None:
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def thread_pool(size: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of threads whose operations use one thread each."""
    return ThreadPoolExecutor(size, thread_name_prefix=name, initializer=_start_thread)


def _start_thread() -> None:
    _state.usable = 1
    _use_one_thread()


def map_in_order(
    function: Callable[[Job], Result], jobs: Iterable[Job], threads: int = 1, ahead: int = 2
) -> Generator[Result, None, None]:
    """Yield `function(job)` of each job, in order, computed by threads in advance.

    Args:
        function: called once for each job.
        jobs: arguments of `function`, requested as they are needed.
        threads: that compute at a time.
        ahead: results that are computed before they are needed, besides those being computed.
    """
    with thread_pool(threads, "map") as pool:
        pending: deque[Future[Result]] = deque()
        for job in jobs:
            pending.append(pool.submit(function, job))
            if len(pending) >= threads + ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

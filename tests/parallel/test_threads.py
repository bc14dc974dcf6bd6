"""Operations in one thread each: the numbers of threads during and after, and results in order."""

import threading

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from darksound.parallel.threads import (
    map_in_order,
    numba_threads,
    single_threaded,
    thread_pool,
    usable_threads,
)


@pytest.fixture(autouse=True)
def torch_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _library_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info()}


def _blas_threads() -> list[int]:
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def test_all_libraries_use_one_thread_in_a_block_and_their_own_number_after_it():
    torch.set_num_threads(3)
    np.zeros((2, 2)) @ np.zeros((2, 2))
    before = _library_threads()
    with single_threaded():
        assert torch.get_num_threads() == 1
        assert _library_threads() == {1}
        assert usable_threads() == 3
    assert torch.get_num_threads() == 3
    assert _library_threads() == before
    assert usable_threads() == 3


def test_a_nested_block_keeps_the_number_of_usable_threads_and_the_outer_block():
    torch.set_num_threads(4)
    with single_threaded():
        with single_threaded():
            assert usable_threads() == 4
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 4


def test_blas_uses_one_thread_until_the_last_of_overlapping_blocks_of_threads_ends():
    np.zeros((2, 2)) @ np.zeros((2, 2))
    before = _blas_threads()
    first_ends, first_ended = threading.Event(), threading.Event()

    def first() -> None:
        with single_threaded():
            first_ends.wait(30)
        first_ended.set()

    thread = threading.Thread(target=first)
    thread.start()
    try:
        with single_threaded():
            first_ends.set()
            assert first_ended.wait(30)
            assert set(_blas_threads()) == {1}
    finally:
        first_ends.set()
        thread.join()
    assert _blas_threads() == before


def test_what_a_library_sets_the_number_to_does_not_outlive_a_block():
    torch.set_num_threads(3)
    with single_threaded():
        with single_threaded():
            torch.set_num_threads(8)
        assert torch.get_num_threads() == 1
        torch.set_num_threads(8)
        with single_threaded():
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_the_number_is_restored_after_an_error():
    torch.set_num_threads(2)

    @single_threaded()
    def fail() -> None:
        raise KeyError(0)

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == 2


def test_threads_of_a_pool_use_one_thread_each_and_leave_the_others():
    torch.set_num_threads(3)
    with thread_pool(2, "test") as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
        assert pool.submit(usable_threads).result() == 1
    assert torch.get_num_threads() == 3


def test_numba_uses_no_more_threads_than_given_in_a_block():
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    with numba_threads(1):
        assert numba.get_num_threads() == 1
    with numba_threads(1000):
        assert numba.get_num_threads() == before
    assert numba.get_num_threads() == before


def test_jobs_are_computed_in_order_in_one_thread_and_in_advance():
    second_is_computed = threading.Event()
    threads = []

    def make(job: int) -> int:
        threads.append(threading.current_thread())
        if job == 1:
            second_is_computed.set()
        return job * job

    results = map_in_order(make, range(6))
    assert next(results) == 0
    # The second result is computed although it is not requested yet.
    assert second_is_computed.wait(60)
    assert list(results) == [1, 4, 9, 16, 25]
    assert set(threads) != {threading.current_thread()}
    assert len(set(threads)) == 1


def test_only_a_few_jobs_are_computed_in_advance():
    jobs: list[int] = []
    results = map_in_order(jobs.append, range(100))
    next(results)
    results.close()
    assert len(jobs) <= 4


def test_the_error_of_a_job_is_raised():
    def make(job: int) -> int:
        return 1 // (2 - job)

    results = map_in_order(make, range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(map_in_order(make, [])) == []


def test_jobs_run_in_as_many_threads_as_given():
    together = threading.Barrier(3, timeout=30)
    # The barrier opens only if three jobs wait for it at the same time.
    assert list(map_in_order(lambda job: together.wait() >= 0 and job, range(1, 7), 3)) == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]

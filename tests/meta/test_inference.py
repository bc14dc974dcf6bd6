"""Batches that are loaded before they are asked for."""

import threading

import pytest

from darksound.meta.features import ahead


def test_results_come_in_order_made_by_another_thread_and_before_they_are_asked_for():
    second_is_made = threading.Event()
    makers = []

    def make(job: int) -> int:
        makers.append(threading.current_thread())
        if job == 1:
            second_is_made.set()
        return job * job

    results = ahead(make, range(6))
    assert next(results) == 0
    # It is made though nobody asked for it yet.
    assert second_is_made.wait(10)
    assert list(results) == [1, 4, 9, 16, 25]
    assert set(makers) != {threading.current_thread()}
    assert len(set(makers)) == 1


def test_no_more_is_made_than_a_few_in_advance():
    made = []
    results = ahead(made.append, range(100))
    next(results)
    results.close()
    assert len(made) <= 4


def test_a_failure_reaches_who_asks():
    def make(job: int) -> int:
        return 1 // (2 - job)

    results = ahead(make, range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(ahead(make, [])) == []

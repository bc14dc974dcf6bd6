"""The event loop of a connection to Dask."""

import asyncio
import threading

import pytest
from tests.conftest import local_dask

from darksound.parallel.dask_cluster import WorkerRequirements, connect_dask
from darksound.parallel.event_loop import running_loop

sync = pytest.importorskip("distributed.utils").sync


class _NoRecordings:
    def stamp(self, root, recording):
        raise AssertionError


def _too_many_open_files():
    raise OSError(24, "Too many open files")


def test_a_loop_runs_in_another_thread_until_the_context_ends():
    cancelled = threading.Event()

    async def waits_for_ever():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()

    async def starts_a_task():
        return threading.current_thread(), asyncio.create_task(waits_for_ever())

    with running_loop() as loop:
        other, task = sync(loop, starts_a_task)
        assert other is not threading.current_thread()
        assert other.is_alive()
    assert cancelled.is_set()
    assert task.get_loop().is_closed()
    assert not other.is_alive()


def test_a_loop_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr(asyncio, "SelectorEventLoop", _too_many_open_files)
    with pytest.raises(OSError, match="Too many open files"), running_loop():
        pass


def test_no_connection_starts_the_loop_of_dask_that_must_run_within_10_s(monkeypatch):
    def no_thread(*args, **kwargs):
        raise AssertionError("Dask starts a thread")

    monkeypatch.setattr("distributed.utils._CollectErrorThread", no_thread)
    with local_dask() as address, connect_dask(address, WorkerRequirements(_NoRecordings(), ())):
        pass

"""Jobs shared among threads and processes of this machine."""

import os
import signal
import threading

import numpy as np
import pytest
import soundfile as sf

from darksound.audio.files import AudioInfo
from darksound.errors import InputError, WorkerError
from darksound.parallel import workers
from darksound.parallel.workers import (
    map_in_threads,
    map_jobs,
    probe_recordings,
    process_count,
    worker_count,
)
from darksound.settings import ComputeSettings


def _square_and_process(job):
    return job**2, os.getpid()


@pytest.mark.parametrize("count", [1, 4])
def test_threads_return_results_in_the_order_of_the_jobs(count):
    names = map_in_threads(
        lambda job: (job, threading.current_thread().name),
        range(20),
        ComputeSettings(workers=count),
    )
    assert [job for job, _ in names] == list(range(20))
    in_main_thread = {name for _, name in names} == {threading.current_thread().name}
    assert in_main_thread == (count == 1)


def test_jobs_are_computed_by_threads_of_this_process_in_order():
    results = list(map_jobs(_square_and_process, range(12), ComputeSettings(workers=2)))
    assert results == [(i**2, os.getpid()) for i in range(12)]
    assert list(map_jobs(_square_and_process, [], ComputeSettings(workers=2))) == []


def test_as_many_threads_as_workers_compute_at_a_time():
    # Each job ends when three have begun.
    barrier = threading.Barrier(3)
    jobs = map_jobs(lambda _: barrier.wait(timeout=60), range(6), ComputeSettings(workers=3))
    assert sorted(jobs) == [0, 0, 1, 1, 2, 2]


def test_few_jobs_are_computed_in_advance():
    started: list[int] = []
    jobs = map_jobs(started.append, range(1000), ComputeSettings(workers=2))
    next(jobs)
    jobs.close()
    assert len(started) < 10


@pytest.mark.parametrize(
    ("work_s", "most", "expected"),
    [
        # 144 and 2,448 images of 6 ms each, on 16 cores and on 2.
        (0.9, 16, 0),
        (14.7, 16, 0),
        (14.7, 2, 0),
        # 60,000 of them: n processes end after 1.3 n + 360 / n seconds, threads after 107 s.
        (360, 16, 16),
        # The minimum of 1.3 n + 100 / n is at 8.8.
        (100, 16, 9),
        (100, 2, 2),
        (1000, 1, 0),
    ],
)
def test_processes_are_as_many_as_end_the_work_soonest(work_s, most, expected):
    assert process_count(work_s, most) == expected


@pytest.fixture
def processes(monkeypatch):
    """Make processes take over from threads at the first chance."""
    monkeypatch.setattr(workers, "_PROCESS_START_S", -1.0)
    monkeypatch.setattr(
        workers._Processes, "are_ready", property(lambda self: self._first.result() > 0)
    )


def test_processes_take_over_from_threads_and_are_started_once(processes):
    compute = ComputeSettings(workers=2)
    first, second = (list(map_jobs(_square_and_process, range(12), compute)) for _ in range(2))
    assert [square for square, _ in first] == [square for square, _ in second]
    assert [square for square, _ in first] == [i**2 for i in range(12)]
    pools = [{process for _, process in results} - {os.getpid()} for results in (first, second)]
    assert pools[0]
    assert len(pools[0] | pools[1]) <= 2


def test_memory_limits_the_number_of_processes(processes, monkeypatch):
    monkeypatch.setattr(workers, "free_memory", lambda: workers.PROCESS_BYTES)
    results = map_jobs(_square_and_process, range(12), ComputeSettings(workers=2))
    assert {process for _, process in results} == {os.getpid()}


def _killed_in_a_worker(parent):
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return parent


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills")
def test_a_worker_that_the_system_kills_is_named_as_such(processes):
    jobs = map_jobs(_killed_in_a_worker, [os.getpid()] * 12, ComputeSettings(workers=2))
    with pytest.raises(WorkerError, match=r"killed, probably because memory .*lower --workers"):
        list(jobs)


def test_an_error_of_a_job_is_raised_and_the_jobs_after_it_are_not_started():
    started = []

    def fail(job):
        started.append(job)
        if job == 3:
            raise InputError("3.wav: cannot be read.")

    with pytest.raises(InputError, match=r"3\.wav"):
        list(map_jobs(fail, range(1000), ComputeSettings(workers=2)))
    assert len(started) < 20


def test_worker_count_is_the_setting_or_that_of_the_cores():
    assert worker_count(ComputeSettings(workers=3)) == 3
    assert 1 <= worker_count(ComputeSettings(workers="auto")) <= (os.cpu_count() or 1)


def test_recordings_that_cannot_be_used_have_an_error_in_place_of_their_length(tmp_path):
    sf.write(tmp_path / "a.wav", np.zeros(8000), 16_000)
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    infos = probe_recordings(tmp_path, ["b.wav", "a.wav"], ComputeSettings(workers=2))
    assert list(infos) == ["b.wav", "a.wav"]
    assert isinstance(infos["b.wav"], InputError)
    assert isinstance(infos["a.wav"], AudioInfo)
    assert infos["a.wav"].duration_s == 0.5

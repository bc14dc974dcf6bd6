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
    map_unordered,
    probe_recordings,
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


def test_quick_jobs_run_in_this_process():
    results = list(map_unordered(_square_and_process, range(5), ComputeSettings(workers=2)))
    assert results == [(i, (i**2, os.getpid())) for i in range(5)]
    assert list(map_unordered(_square_and_process, [], ComputeSettings(workers=2))) == []


def test_jobs_that_take_longer_than_starting_processes_run_in_several(monkeypatch):
    monkeypatch.setattr(workers, "_STARTUP_S", -1.0)
    results = dict(map_unordered(_square_and_process, range(12), ComputeSettings(workers=2)))
    assert {i: square for i, (square, _) in results.items()} == {i: i**2 for i in range(12)}
    assert {process for _, process in results.values()} - {os.getpid()}


def _killed_in_a_worker(parent):
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return parent


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills")
def test_a_worker_that_the_system_kills_is_named_as_such(monkeypatch):
    monkeypatch.setattr(workers, "_STARTUP_S", -1.0)
    jobs = map_unordered(_killed_in_a_worker, [os.getpid()] * 4, ComputeSettings(workers=2))
    with pytest.raises(WorkerError, match=r"killed, probably because memory .*lower --workers"):
        list(jobs)


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

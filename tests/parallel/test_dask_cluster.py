"""Jobs on the workers of a Dask cluster, and the errors where workers cannot run them."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.conftest import local_cluster, local_dask

from darksound.errors import InputError, SettingsError, WorkerError
from darksound.parallel import dask_cluster as module
from darksound.parallel.dask_cluster import WorkerRequirements, connect_dask


class _Files:
    """A reader to which recordings look the same in all processes."""

    def stamp(self, root, recording):
        return f"{root}/{recording}"


class _Elsewhere:
    """A reader to which recordings look different in each process."""

    def stamp(self, root, recording):
        return str(os.getpid())


REQUIREMENTS = WorkerRequirements(_Files(), (("/r", "a.wav"),))


def _scaled(shared, job):
    return shared["factor"] * job, os.getpid()


def _kills_its_worker_once(flag, job):
    if job == 5 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def _raises(shared, job):
    raise InputError(f"{shared} {job}")


def _process_id(*_):
    return str(os.getpid())


def _not_shared(marker):
    return False


def test_results_come_in_order_from_both_workers_and_few_jobs_are_pending(dask_address):
    taken = []

    def jobs():
        for job in range(40):
            taken.append(job)
            yield job

    results, pending = [], 0
    with connect_dask(dask_address, REQUIREMENTS) as cluster:
        for value, process in cluster.map_in_order(_scaled, {"factor": 3}, jobs()):
            results.append((value, process))
            pending = max(pending, len(taken) - len(results))
    assert [value for value, _ in results] == [3 * job for job in range(40)]
    assert len({process for _, process in results} - {os.getpid()}) == 2
    assert pending <= 3 * 2


def test_the_jobs_of_a_worker_that_dies_are_run_by_others(tmp_path):
    # A cluster of its own: requests to a worker that has just died can wait for minutes.
    with local_dask() as address, connect_dask(address, REQUIREMENTS) as cluster:
        done = list(cluster.map_in_order(_kills_its_worker_once, str(tmp_path / "died"), range(30)))
    assert done == list(range(30))
    assert (tmp_path / "died").exists()


def test_errors_of_jobs_are_raised_in_this_process(dask_address):
    with (
        connect_dask(dask_address, REQUIREMENTS) as cluster,
        pytest.raises(InputError, match=r"bad\.wav 0"),
    ):
        list(cluster.map_in_order(_raises, "bad.wav", range(3)))


def test_workers_that_cannot_read_the_recordings_are_named(dask_address):
    requirements = WorkerRequirements(_Elsewhere(), (("/r", "a.wav"),))
    with (
        pytest.raises(WorkerError, match=r"worker tcp.* cannot read a\.wav in /r"),
        connect_dask(dask_address, requirements),
    ):
        pass


def test_workers_that_cannot_write_to_the_cache_are_named(dask_address, tmp_path, monkeypatch):
    requirements = WorkerRequirements(_Files(), (), tmp_path / "cache")
    with connect_dask(dask_address, requirements):
        assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setattr(module, "_is_shared", _not_shared)
    with (
        pytest.raises(WorkerError, match=r"cannot write to the cache folder .*cache_dir=FOLDER"),
        connect_dask(dask_address, requirements),
    ):
        pass


def test_a_worker_with_another_darksound_is_an_error(dask_address, monkeypatch):
    monkeypatch.setattr(module, "version", _process_id)
    with (
        pytest.raises(WorkerError, match=r"has another darksound .*install the same version"),
        connect_dask(dask_address, REQUIREMENTS),
    ):
        pass


def _never_answers(marker):
    time.sleep(3)


def _loses_the_connection(marker):
    raise ConnectionResetError


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (_never_answers, r"did not answer within 0\.5 s; it may have died"),
        (_loses_the_connection, r"worker tcp.* does not answer \(ConnectionResetError\)"),
    ],
)
def test_workers_that_do_not_answer_are_not_waited_for(
    dask_address, tmp_path, monkeypatch, answer, message
):
    requirements = WorkerRequirements(_Files(), (), tmp_path / "cache")
    with connect_dask(dask_address, requirements) as cluster:
        monkeypatch.setattr(module, "_is_shared", answer)
        monkeypatch.setattr(module, "_ANSWER_TIMEOUT_S", 0.5)
        with pytest.raises(WorkerError, match=message):
            cluster._check_folder(tmp_path / "cache")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "127.0.0.1"])
def test_an_address_without_a_scheduler_is_an_error(address, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(module, "_CONNECT_TIMEOUT_S", 0.5)
    with (
        pytest.raises(SettingsError, match="no Dask scheduler answers at"),
        connect_dask(address, REQUIREMENTS),
    ):
        pass


def test_a_cluster_without_workers_is_an_error_after_a_wait(monkeypatch):
    monkeypatch.setattr(module, "_WORKER_TIMEOUT_S", 0.2)
    with (
        local_cluster(n_workers=0, processes=False) as empty,
        pytest.raises(WorkerError, match="has no workers; start some with: dask worker"),
        connect_dask(empty.scheduler_address, REQUIREMENTS),
    ):
        pass


def test_a_lost_scheduler_is_an_error(monkeypatch):
    monkeypatch.setattr(module, "_CONNECT_TIMEOUT_S", 1.0)
    with (
        local_cluster(n_workers=1, processes=False) as cluster,
        connect_dask(cluster.scheduler_address, REQUIREMENTS) as workers,
    ):
        results = workers.map_in_order(_scaled, {"factor": 1}, range(1000))
        next(results)
        cluster.close()
        with pytest.raises(WorkerError, match=r"was lost .*resume with --resume"):
            list(results)

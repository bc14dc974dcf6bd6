"""Work on the workers of a Dask cluster, and what is said where they cannot do it."""

import os
import signal
from pathlib import Path

import pytest

from darksound.errors import InputError, SettingsError, WorkerError
from darksound.parallel import dask_cluster as module
from darksound.parallel.dask_cluster import Sight, dask_cluster


class _Files:
    """What recordings are like for all processes alike."""

    def stamp(self, root, recording):
        return f"{root}/{recording}"


class _Elsewhere:
    """Recordings that each process sees differently."""

    def stamp(self, root, recording):
        return str(os.getpid())


SIGHT = Sight(_Files(), (("/r", "a.wav"),))


def _scaled(shared, job):
    return shared["factor"] * job, os.getpid()


def _deadly_once(flag, job):
    if job == 5 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def _refusing(shared, job):
    raise InputError(f"{shared} {job}")


def _by_process(*_):
    return str(os.getpid())


def _blind(sign):
    return False


def test_results_come_in_order_from_both_workers_and_few_are_under_way(dask_address):
    taken = []

    def jobs():
        for job in range(40):
            taken.append(job)
            yield job

    seen, ahead = [], 0
    with dask_cluster(dask_address, SIGHT) as cluster:
        for value, process in cluster.in_order(_scaled, {"factor": 3}, jobs()):
            seen.append((value, process))
            ahead = max(ahead, len(taken) - len(seen))
    assert [value for value, _ in seen] == [3 * job for job in range(40)]
    assert len({process for _, process in seen} - {os.getpid()}) == 2
    assert ahead <= 3 * 2


def test_the_work_of_a_worker_that_dies_is_done_by_others(dask_address, tmp_path):
    with dask_cluster(dask_address, SIGHT) as cluster:
        done = list(cluster.in_order(_deadly_once, str(tmp_path / "died"), range(30)))
    assert done == list(range(30))
    assert (tmp_path / "died").exists()


def test_what_work_raises_is_raised_here(dask_address):
    with (
        dask_cluster(dask_address, SIGHT) as cluster,
        pytest.raises(InputError, match=r"bad\.wav 0"),
    ):
        list(cluster.in_order(_refusing, "bad.wav", range(3)))


def test_workers_that_do_not_see_the_recordings_are_named(dask_address):
    sight = Sight(_Elsewhere(), (("/r", "a.wav"),))
    with (
        pytest.raises(WorkerError, match=r"worker tcp.* does not see a\.wav in /r"),
        dask_cluster(dask_address, sight),
    ):
        pass


def test_workers_that_do_not_see_the_cache_are_named(dask_address, tmp_path, monkeypatch):
    sight = Sight(_Files(), (), tmp_path / "cache")
    with dask_cluster(dask_address, sight):
        assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setattr(module, "_writable", _blind)
    with (
        pytest.raises(WorkerError, match=r"cannot write to the cache folder .*cache_dir=FOLDER"),
        dask_cluster(dask_address, sight),
    ):
        pass


def test_a_worker_with_another_darksound_is_refused(dask_address, monkeypatch):
    monkeypatch.setattr(module, "version", _by_process)
    with (
        pytest.raises(WorkerError, match=r"has another darksound .*install the same version"),
        dask_cluster(dask_address, SIGHT),
    ):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "127.0.0.1"])
def test_an_address_without_a_scheduler_is_refused(address, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(module, "_ANSWER_S", 0.5)
    with (
        pytest.raises(SettingsError, match="no Dask scheduler answers at"),
        dask_cluster(address, SIGHT),
    ):
        pass


def test_a_cluster_without_workers_is_waited_for_and_then_refused(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(module, "_WORKERS_S", 0.2)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        pytest.raises(WorkerError, match="has no workers; start some with: dask worker"),
        dask_cluster(empty.scheduler_address, SIGHT),
    ):
        pass


def test_a_scheduler_that_goes_is_told_of(monkeypatch):
    monkeypatch.setattr(module, "_ANSWER_S", 1.0)
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    )
    with dask_cluster(cluster.scheduler_address, SIGHT) as workers:
        results = workers.in_order(_scaled, {"factor": 1}, range(1000))
        next(results)
        cluster.close()
        with pytest.raises(WorkerError, match=r"went away .*go on with --resume"):
            list(results)

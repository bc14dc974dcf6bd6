"""Atomic writes."""

import errno
import os

import pytest

from darksound import atomic
from darksound.errors import RunError


def test_failed_write_leaves_old_file_and_no_temporary_file(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")

    def write_half():
        with atomic.replacing(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_does_not_exist_before_it_is_complete(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with atomic.replacing(path) as temporary:
        temporary.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"


def test_full_disk_is_a_run_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"Cannot write .*a\.csv: the disk of .* is full"):
        atomic.write_text(tmp_path / "a.csv", "a")
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_of_killed_processes_are_removed(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    leftovers = [tmp_path / ".a.csv.77.part", tmp_path / "checkpoints" / ".b.npy.77.part"]
    for path in [*leftovers, tmp_path / "a.part"]:
        path.touch()
    (tmp_path / ".result.77.part").mkdir()
    (tmp_path / ".result.77.part" / "rois.parquet").touch()
    atomic.remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.part", "checkpoints"]

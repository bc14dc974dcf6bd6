"""Atomic writes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

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


def fill(folder, text="new"):
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text(text)


def leftover(path, process, before=False):
    """Return a folder as a process leaves it that was killed while it replaced `path`."""
    suffix = ".before" if before else ""
    name = f".{path.name}.{process}-{atomic.MACHINE}{suffix}.darksound.part"
    fill(path.with_name(name), "old")
    return path.with_name(name)


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "out"
    for text in ("old", "new"):
        with atomic.replacing_folder(path) as temporary:
            fill(temporary, text)
            assert path.exists() is (text == "new")
    assert (path / "deep" / "a.txt").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_an_exception_or_a_signal_leaves_the_old_folder_alone(error, tmp_path, monkeypatch):
    path = tmp_path / "out"
    fill(path, "old")
    replace = os.replace

    def fail_between_the_renames(source, target):
        if target == path:
            monkeypatch.setattr(os, "replace", replace)
            raise error
        replace(source, target)

    def write(*, all_of_it):
        with atomic.replacing_folder(path) as temporary:
            fill(temporary)
            if not all_of_it:
                raise error

    with pytest.raises(error):
        write(all_of_it=False)
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(os, "replace", fail_between_the_renames)
    with pytest.raises(error):
        write(all_of_it=True)
    assert list(tmp_path.iterdir()) == [path]
    assert (path / "deep" / "a.txt").read_text() == "old"


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    path, other = tmp_path / "out", tmp_path / "other"
    # No process has this number.
    dead = 2**22 + 1
    leftovers = [leftover(path, dead), leftover(other, dead)]
    lost = leftover(tmp_path / "lost", dead, before=True)
    fill(other, "present")
    replaced = leftover(other, dead, before=True)
    kept = [
        leftover(path, os.getppid()),
        tmp_path / f".out.{dead}.part",
        tmp_path / f".out.{dead}-000000.darksound.part",
        tmp_path / ".notes.darksound.part",
        tmp_path / ".hidden",
    ]
    for folder in kept[1:]:
        fill(folder, "of others")
    with atomic.replacing_folder(path) as temporary:
        fill(temporary)
    assert not any(folder.exists() for folder in (*leftovers, lost, replaced))
    assert all(folder.exists() for folder in kept)
    assert (tmp_path / "lost" / "deep" / "a.txt").read_text() == "old"
    assert (other / "deep" / "a.txt").read_text() == "present"


def test_a_folder_of_a_process_whose_number_is_in_use_again_is_removed(tmp_path):
    path = leftover(tmp_path / "out", os.getpid())
    # Before this process began.
    os.utime(path, (1000, 1000))
    atomic.recover_folders(tmp_path)
    assert not path.exists()


def test_a_folder_that_another_process_made_meanwhile_can_be_kept(tmp_path):
    path = tmp_path / "out"
    with atomic.replacing_folder(path, keep=True) as temporary:
        fill(temporary)
        fill(path, "of the other")
    assert (path / "deep" / "a.txt").read_text() == "of the other"
    assert list(tmp_path.iterdir()) == [path]


CLAIMING = """
import pathlib, sys
from darksound.atomic import claiming
with claiming(pathlib.Path(sys.argv[1])):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def test_a_file_is_claimed_by_one_process_until_its_end_even_by_a_kill(tmp_path):
    path = tmp_path / "new" / "t.csv"
    for kill in (False, True):
        child = subprocess.Popen(
            [sys.executable, "-c", CLAIMING, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == "claimed\n"
            with pytest.raises(RunError, match="Another process is writing"), atomic.claiming(path):
                pass
            with atomic.claiming(path.with_name("u.csv")):
                pass
            if kill:
                child.kill()
        with atomic.claiming(path):
            path.write_text("mine")
    assert list(path.parent.iterdir()) == [path]


def test_a_lock_that_its_owner_removed_meanwhile_is_not_taken_for_one(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    acquire = atomic.acquire_lock
    opened: list[Path] = []

    def remove_first(lock_file):
        if not opened:
            lock_file.unlink()
        opened.append(lock_file)
        return acquire(lock_file)

    monkeypatch.setattr(atomic, "acquire_lock", remove_first)
    with atomic.claiming(path), pytest.raises(RunError), atomic.claiming(path):
        pass
    assert len(opened) == 3
    assert list(tmp_path.iterdir()) == []

"""Errors of the operating system as sentences."""

import codecs
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import soundfile
import torch

from darksound.atomic import CACHE_OPTION, replacing, write_bytes
from darksound.audio.files import probe
from darksound.errors import CheckpointError, InputError, RunError, SettingsError
from darksound.meta.weights import metadata_in
from darksound.rois.review import read_review
from darksound.settings import load_settings
from darksound.sources import load_rois
from darksound.system_errors import (
    cause_by_system,
    check_readable,
    out_of_memory,
    reading_error,
    writing_error,
)


def error_of(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk of FOLDER is full (77 bytes free); free some space, or choose"),
        (errno.EDQUOT, "the disk quota of this user on the disk of FOLDER is used up"),
        (errno.EROFS, "the disk of FOLDER is read-only"),
        (errno.EACCES, "no permission to write in FOLDER"),
        (errno.EPERM, "no permission to write in FOLDER"),
        (errno.EFBIG, "the file would be larger than"),
        (errno.EIO, "the disk of FOLDER reports a write error"),
        (errno.EMFILE, "too many files are open"),
        (errno.ENAMETOOLONG, "its name or path is too long"),
        (errno.ESTALE, "the disk does not answer"),
        (errno.ENOTCONN, "the disk does not answer"),
        (errno.EBUSY, "another program uses it"),
        (errno.ELOOP, "its symbolic links form a loop"),
        (errno.EISDIR, "a file or folder of that name is in the way"),
    ],
)
def test_cause_of_a_failed_write_is_named(tmp_path, monkeypatch, number, words):
    usage = type("Usage", (), {"free": 77})()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    text = writing_error(tmp_path / "missing" / "a.csv", error_of(number))
    assert words.replace("FOLDER", str(tmp_path)) in text


def test_other_folder_is_offered_by_the_option_that_names_it(tmp_path):
    text = writing_error(tmp_path / "a.bin", error_of(errno.ENOSPC), CACHE_OPTION)
    assert text.endswith("choose another folder with --set compute.cache_dir=FOLDER")


def test_disk_without_inodes_is_not_called_full(tmp_path, monkeypatch):
    status = type(
        "Status",
        (),
        {"f_files": 9, "f_favail": 0, "f_bavail": 5, "f_frsize": 1, "f_blocks": 9, "f_bfree": 5},
    )()
    monkeypatch.setattr(os, "statvfs", lambda folder: status)
    text = writing_error(tmp_path / "a", error_of(errno.ENOSPC))
    assert "cannot hold more files" in text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "no permission to read it"),
        (errno.EIO, "the disk reports a read error"),
        (errno.ENFILE, "too many files are open"),
        (errno.ENOENT, "there is no such file or folder"),
    ],
)
def test_cause_of_a_failed_read_is_named(tmp_path, number, words):
    assert words in reading_error(tmp_path / "a.wav", error_of(number))


def test_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "list").touch()
    path = tmp_path / "list" / "deep" / "a.wav"
    with pytest.raises(NotADirectoryError) as caught:
        path.open()
    assert reading_error(path, caught.value).startswith(f"{tmp_path / 'list'} is a file, not a")


def test_error_without_a_number_keeps_its_words(tmp_path):
    assert writing_error(tmp_path / "a", OSError("Short write.")) == "short write"


def test_number_in_the_text_of_a_library_is_found():
    error = ValueError("IoError(Os { code: 28, kind: StorageFull })")
    cause = cause_by_system(error)
    assert cause is not None
    assert cause.errno == errno.ENOSPC


WRITERS = {
    "bytes": lambda path: path.write_bytes(bytes(300_000)),
    "numpy": lambda path: np.save(path.open("wb"), np.zeros(40_000)),
    "parquet": lambda path: pq.write_table(
        pa.table({"a": np.random.default_rng(1).normal(size=40_000)}), path
    ),
    "sound": lambda path: soundfile.write(path, np.zeros(200_000), 8000, format="WAV"),
    "safetensors": lambda path: safetensors.numpy.save_file({"a": np.zeros(40_000)}, path),
    "torch": lambda path: torch.save(torch.zeros(40_000), path),
}


@pytest.mark.parametrize("library", WRITERS)
def test_writer_of_every_library_reports_the_limit_of_a_disk(tmp_path, library):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with (
            pytest.raises(RunError, match="the file would be larger than"),
            replacing(tmp_path / "a.bin") as temporary,
        ):
            WRITERS[library](temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_error_of_the_program_is_not_taken_for_one_of_the_disk(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a"):
        raise ZeroDivisionError


def test_memory_that_ran_out_is_recognised_in_all_its_types():
    assert out_of_memory(MemoryError())
    assert out_of_memory(error_of(errno.ENOMEM))
    assert out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not out_of_memory(RuntimeError("shape mismatch"))


def test_damaged_file_is_not_called_unreadable(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"not a table")
    check_readable(tmp_path / "a.parquet", ValueError("magic"))


def _settings(path: Path) -> None:
    load_settings(config=path)


READERS = {
    "recording": (probe, "a.wav", InputError),
    "table": (lambda path: load_rois(str(path)), "a.csv", InputError),
    "parquet": (lambda path: load_rois(str(path)), "a.parquet", InputError),
    "review": (read_review, "review.csv", InputError),
    "settings": (_settings, "a.toml", SettingsError),
    "weights": (lambda path: metadata_in(path, "a"), "a.safetensors", CheckpointError),
}


def error_as_nobody(read: Callable[[Path], object], path: Path) -> str:
    """Return the type and text of the error of reading a file as a user without rights."""
    # Loaded before, because that user may not read the folder of the interpreter either.
    codecs.lookup("utf-8-sig")
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            read(path)
            text = "no error"
        except Exception as error:
            text = f"{type(error).__name__} {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.wait()
    return text


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs another user")
@pytest.mark.parametrize("kind", READERS)
def test_file_of_another_user_is_not_called_damaged(tmp_path_factory, kind):
    folder = tmp_path_factory.mktemp("open")
    for parent in (folder, *folder.parents[:3]):
        if parent.stat().st_mode & 0o1000:
            break
        parent.chmod(0o755)
    read, name, expected = READERS[kind]
    (folder / name).write_bytes(b"RIFF, recording\n")
    (folder / name).chmod(0o600)
    text = error_as_nobody(read, folder / name)
    assert text.startswith(f"{expected.__name__} {folder / name}: no permission to read it")


@pytest.mark.parametrize("kind", READERS)
def test_read_error_of_the_disk_is_not_called_damage(tmp_path, monkeypatch, kind):
    read, name, expected = READERS[kind]
    path = tmp_path / name
    path.write_bytes(b"RIFF")

    def fail(*_, **__):
        raise error_of(errno.EIO)

    for place in ("builtins.open", "io.open", "os.open"):
        monkeypatch.setattr(place, fail)
    with pytest.raises(expected, match="the disk reports a read error"):
        read(path)


def test_folder_in_the_place_of_a_table_is_named(tmp_path):
    (tmp_path / "review.csv").mkdir()
    with pytest.raises(InputError, match=r"review\.csv: it is a folder, not a file"):
        read_review(tmp_path / "review.csv")


def test_bytes_are_written_with_the_option_of_their_folder(tmp_path, monkeypatch):
    def full(*_):
        raise error_of(errno.ENOSPC)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"is full .* --root\."):
        write_bytes(tmp_path / "a", b"a", "--root")

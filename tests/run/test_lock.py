"""Only one process works in a run directory."""

import subprocess
import sys

import pytest

from darksound.errors import RunError
from darksound.run.creation import lock_folder

HOLD = """
import sys, pathlib
from darksound.run.creation import lock_folder
with lock_folder(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_ends_even_if_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="Another process is working in"), lock_folder(tmp_path):
            pass
        first.kill()
        first.wait()
        with lock_folder(tmp_path):
            pass


def test_a_lock_is_released_when_the_block_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), lock_folder(tmp_path):
        _ = 1 / 0
    with lock_folder(tmp_path):
        pass


def test_the_lock_file_stays_and_a_disk_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    with lock_folder(tmp_path):
        pass
    assert (tmp_path / ".lock").exists()

    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", no_locks)
    with lock_folder(tmp_path):
        pass
    assert "cannot be locked (" in caplog.text

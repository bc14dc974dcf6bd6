"""One process a run."""

import subprocess
import sys

import pytest

from darksound.errors import RunError
from darksound.run.lock import locked

HOLD = """
import sys, pathlib
from darksound.run.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone_even_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="Another process is working in"), locked(tmp_path):
            pass
        first.kill()
        first.wait()
        with locked(tmp_path):
            pass


def test_a_lock_is_let_go_of_when_the_block_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        _ = 1 / 0
    with locked(tmp_path):
        pass

"""How a command ends: by a signal, with a closed pipe, in a terminal of another encoding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Runs `darksound mec` with a job that sends a signal to its own process.
_SIGNALLED = """
import os, signal, sys, time
name = sys.argv[1]
def mec_run(run, progress):
    run.record_data(3, "abc")
    signal.raise_signal(getattr(signal, name))
    time.sleep(60)
module = type(sys)("darksound.jobs.mec")
module.mec_run = mec_run
sys.modules["darksound.jobs.mec"] = module
signal.signal(signal.SIGINT, signal.default_int_handler)
# It is ignored by what nohup started.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.argv = ["darksound", "mec", "--data", "demo", "--out", "my run"]
from darksound.__main__ import main
main()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals of POSIX")
@pytest.mark.parametrize(
    ("name", "word", "status"),
    [
        ("SIGINT", "Interrupted", 130),
        ("SIGTERM", "Terminated", 143),
        ("SIGHUP", "Terminated", 143),
    ],
)
def test_signal_ends_with_one_line_that_says_how_to_resume(tmp_path, name, word, status):
    ran = subprocess.run(
        [sys.executable, "-c", _SIGNALLED, name], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == status
    assert ran.stderr == f"{word}. Resume with: darksound mec --resume --out 'my run'\n"
    assert json.loads((tmp_path / "my run" / "run.json").read_text())["status"] == "interrupted"


def test_interrupt_while_the_program_loads_is_no_traceback(tmp_path):
    script = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'darksound.cli.app':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from darksound.__main__ import main\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (130, "Interrupted.\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs pipes of POSIX")
@pytest.mark.parametrize("words", [["settings"], ["mec", "--help"]])
def test_closed_pipe_ends_silently(words):
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "darksound", *words], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert ran.stderr == b""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_are_shown_in_terminals_of_any_encoding(tmp_path, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ran = subprocess.run(
        [sys.executable, "-m", "darksound", "mec", "--data", "鳥/é.csv"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    assert ran.returncode == 2
    expected = {
        "ascii": b"'\\u9ce5/\\xe9.csv'",
        "cp1252": b"'\\u9ce5/\xe9.csv'",
        "utf-8": "'鳥/é.csv'".encode(),
    }
    assert ran.stderr.startswith(b"Error: There is no data " + expected[encoding])


def test_settings_are_utf_8_in_any_encoding(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(
        [sys.executable, "-m", "darksound", "settings", "--set", "compute.cache_dir=鳥"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    line = next(line for line in ran.stdout.splitlines() if line.startswith(b"cache_dir"))
    assert Path(line.decode().split('"')[1]).name == "鳥"

"""Output of C libraries goes to the log, and messages to the screen."""

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from darksound.cli.progress import BarProgress
from darksound.cli.screen import Screen
from darksound.report.tables import Table
from darksound.run.journal import log_to_file

SCRIPT = """
import os, sys
from pathlib import Path
from rich.console import Console
from darksound.cli.screen import redirect_native_stderr

console = Console(stderr=True)
with redirect_native_stderr(Path(sys.argv[1]), console):
    os.write(2, b"error: part2_3_length\\n")
    console.print("reading")
os.write(2, b"after\\n")
console.print("done")
"""


def test_native_stderr_goes_to_the_log_and_messages_to_the_screen(tmp_path):
    log = tmp_path / "run.log"
    log.write_text("first line\n")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(log)], capture_output=True, text=True, check=True
    )
    assert ran.stderr.split() == ["reading", "after", "done"]
    assert log.read_text() == "first line\nerror: part2_3_length\n"


HOSTILE = "a\x1b]0;x\x07\x1b[31m[red][/]\u202egpj\r\nError: b"
SHOWN = r"a\x1b]0;x\x07\x1b[31m[red][/]\u202egpj\r\nError: b"


def test_no_text_from_input_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.message(HOSTILE)
    screen.info(HOSTILE)
    screen.error(HOSTILE)
    screen.result(HOSTILE)
    screen.tables([Table(HOSTILE, (HOSTILE,), ((HOSTILE,),))])
    with screen.logging():
        logging.getLogger("darksound.names").warning("%s", HOSTILE)
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [SHOWN, SHOWN, f"Error: {SHOWN}", f"Warning: {SHOWN}"]
    assert shown.out.count(SHOWN) == 4
    assert "\x1b" not in shown.out + shown.err


def test_progress_bars_show_names_as_they_are() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    with BarProgress(console, interval=0.0) as progress:
        progress(HOSTILE, 0, 2)
        progress(HOSTILE, 2, 2)
    assert isinstance(console.file, io.StringIO)
    assert SHOWN in console.file.getvalue()
    assert "\x1b]0;" not in console.file.getvalue()


def test_the_log_has_one_line_a_record(tmp_path: Path) -> None:
    with log_to_file(tmp_path / "run.log"):
        logging.getLogger("darksound.names").warning("%s", HOSTILE + "\udcfc")
        logging.getLogger("darksound.names").warning("Causes:\n  a.wav")
    lines = (tmp_path / "run.log").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith(f": {SHOWN}\\xfc")
    assert lines[2] == "  a.wav"
    assert len(lines) == 3

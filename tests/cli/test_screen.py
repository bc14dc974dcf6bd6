"""Output of C libraries goes to the log, and messages to the screen."""

import subprocess
import sys

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

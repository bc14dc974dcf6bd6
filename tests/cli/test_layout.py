"""Width of terminals: text breaks at blanks, wide tables are continued below."""

import os
import re
import struct
import sys

import pytest

from darksound.cli.layout import column_blocks, wrap

pty = pytest.importorskip("pty")

_SCREEN = """
from darksound.cli.screen import Screen
from darksound.report.tables import Table
screen = Screen()
names = ["figure %d" % i for i in range(12)]
screen.tables([Table("Figures of all", ("iteration", *names), ((" 7", *["0.1234"] * 12),))])
screen.result("The result is in " + "/data/" + "x" * 60 + "/run. " + "Some more words. " * 8)
screen.message("Resume with: `darksound mec --resume --out 'my run'`, " + "and then wait " * 9)
"""


def in_terminal(arguments: list[str], columns: int, **environment: str) -> str:
    """Return what a program writes to a terminal of that width, without escape codes."""
    process, terminal = pty.fork()
    if process == 0:
        import fcntl
        import termios

        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "TERM")}
        os.execve(arguments[0], arguments, {**inherited, "TERM": "xterm", **environment})
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux: the program has ended
            break
        if not part:
            break
        parts.append(part)
    os.waitpid(process, 0)
    os.close(terminal)
    text = b"".join(parts).decode().replace("\r\n", "\n")
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.mark.parametrize(
    ("columns", "environment"),
    [(60, {}), (80, {"NO_COLOR": "1"}), (120, {"TERM": "dumb"}), (200, {})],
)
def test_lines_fit_the_terminal_and_words_stay_whole(columns, environment):
    text = in_terminal([sys.executable, "-c", _SCREEN], columns, **environment)
    path = f"/data/{'x' * 60}/run."
    for line in text.splitlines():
        assert len(line) <= columns or line.strip() == path
    assert path in text
    assert text.count("0.1234") == 12
    assert "`darksound mec --resume --out 'my run'`," in text
    # Each part of a table begins with its first column.
    assert text.count("iteration") == len(re.findall(r"^\s*7 ", text, re.M)) >= 1


def test_columns_variable_overrides_the_width_of_the_terminal():
    text = in_terminal([sys.executable, "-c", _SCREEN], 200, COLUMNS="70", TERM="dumb")
    assert 60 < max(len(line) for line in text.splitlines() if "/data" not in line) <= 70


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 80, ["one two three"]),
        ("one two three", 7, ["one two", "three"]),
        ("  one two three", 9, ["  one two", "  three"]),
        ("a/long/path/that/stays whole", 6, ["a/long/path/that/stays", "whole"]),
        ("use `a b c` now", 9, ["use", "`a b c`", "now"]),
        ("in 'my run'. Then", 9, ["in", "'my run'.", "Then"]),
        ("it's the bird's own", 8, ["it's the", "bird's", "own"]),
        ("`a b c d e f` x", 6, ["`a b c", "d e f`", "x"]),
        ("鳥鳥 鳥鳥 鳥", 9, ["鳥鳥 鳥鳥", "鳥"]),
        ("one\ntwo", 80, ["one", "two"]),
        ("", 80, [""]),
    ],
)
def test_text_breaks_at_blanks(text, width, lines):
    assert wrap(text, width).split("\n") == lines


@pytest.mark.parametrize(
    ("widths", "width", "blocks"),
    [
        ([10, 10, 10], 30, [[0, 1, 2]]),
        ([10, 10, 10], 29, [[0, 1], [0, 2]]),
        ([10, 50, 10], 29, [[0, 1], [0, 2]]),
        ([50], 29, [[0]]),
    ],
)
def test_wide_tables_are_divided(widths, width, blocks):
    assert column_blocks(widths, width) == blocks

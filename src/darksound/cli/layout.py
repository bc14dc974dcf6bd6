"""Fit text and tables to the width of a terminal.

Lines break at blanks only, never within a path, a number or a quoted command. Without a terminal
nothing is broken, so that each message is one line for `grep` and for logs.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len

__all__ = ["FILE_WIDTH", "column_blocks", "display_width", "wrap"]

#: Width if the output is not a terminal, so that tables are not folded.
FILE_WIDTH = 400
_DEFAULT_WIDTH = 80
# A quoted name or command, or else text without blanks.
_WORD = re.compile(r"`[^`\n]+`\S*|(?<!\S)'[^'\n]+'(?=[\s.,;:)]|$)\S*|\S+")


def display_width(stream: TextIO) -> int:
    """Return the columns of a terminal, or `FILE_WIDTH` where the stream is none.

    The variable `COLUMNS` has priority. Terminals that know no escape codes have a width too.
    """
    if not stream.isatty():
        return FILE_WIDTH
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_WIDTH
    except (OSError, ValueError):  # such as a terminal of a test, without a descriptor
        return shutil.get_terminal_size((_DEFAULT_WIDTH, 24)).columns


def wrap(text: str, width: int) -> str:
    """Return text whose lines have at most `width` columns, broken at blanks.

    A word that is longer than a line stays whole, and the terminal continues it. Indented lines
    keep their indentation.
    """
    return "\n".join(line for part in text.split("\n") for line in _lines(part, width))


def _lines(text: str, width: int) -> Iterator[str]:
    if cell_len(text) <= width:
        yield text
        return
    indent = text[: len(text) - len(text.lstrip(" "))]
    line = ""
    for word in _words(text, width - len(indent)):
        joined = f"{line} {word}" if line else word
        if line and cell_len(indent + joined) > width:
            yield indent + line
            line = word
        else:
            line = joined
    yield indent + line


def _words(text: str, width: int) -> Iterator[str]:
    """Yield the parts of a text between which lines may break."""
    for match in _WORD.finditer(text):
        if cell_len(match[0]) <= width:
            yield match[0]
        else:
            yield from match[0].split(" ")


def column_blocks(widths: Sequence[int], width: int) -> list[list[int]]:
    """Divide the columns of a table into blocks that fit beside each other.

    Args:
        widths: width of each column, its margins included.
        width: width of the terminal.

    Returns:
        The numbers of the columns of each block. Each begins with column 0, which names the rows.
    """
    blocks: list[list[int]] = [[0]]
    for number in range(1, len(widths)):
        used = sum(widths[each] for each in blocks[-1])
        if len(blocks[-1]) > 1 and used + widths[number] > width:
            blocks.append([0])
        blocks[-1].append(number)
    return blocks

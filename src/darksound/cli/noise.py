"""Keeps what C libraries write to the error stream, past Python, off the screen."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["native_noise_in"]


@contextmanager
def native_noise_in(log: Path, console: "Console") -> Iterator[None]:
    """Let the process's error stream go to the end of `log`, and `console` to where it went before.

    Decoders complain of every frame of a damaged file, which tears up progress bars and tells
    nobody which file it was; what matters of it is said by whoever reads the file.
    """
    try:
        stream = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        # Python's error stream is not the process's, as where a caller captures it.
        yield
        return
    sys.stderr.flush()
    before, kept = console.file, os.dup(stream)
    with (
        open(kept, "w", buffering=1, encoding=sys.stderr.encoding, closefd=False) as screen,
        log.open("ab") as file,
    ):
        os.dup2(file.fileno(), stream)
        console.file = screen
        try:
            yield
        finally:
            console.file = before
            os.dup2(kept, stream)
            os.close(kept)

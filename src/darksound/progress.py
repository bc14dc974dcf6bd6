"""The progress callback, and durations and sizes as text."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Progress", "duration", "format_bytes", "silent"]


class Progress(Protocol):
    """A callback for the progress of long work, which the command line shows as bars."""

    def __call__(
        self, stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None
    ) -> None:
        """Report that `done` of `total` units of `stage` are done, with figures to show.

        `done == 0` opens a stage, and `done == total` closes it.
        """


def silent(stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None) -> None:
    """Report nothing."""


def duration(seconds: float) -> str:
    """Return seconds as text, such as `12 s`, `5 min` or `2.5 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def format_bytes(amount: float) -> str:
    """Return a number of bytes as text, such as `2.5 GB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount:.0f} bytes"

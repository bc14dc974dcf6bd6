"""The progress callback, and durations as text."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Progress", "duration", "silent"]


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

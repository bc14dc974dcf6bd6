"""Figures as a person says them."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Progress", "duration", "silent"]


class Progress(Protocol):
    """Called as work goes on; the command line draws it, a library user may ignore it."""

    def __call__(
        self, stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None
    ) -> None:
        """Say that `done` of `total` units of `stage` are done, with figures worth showing.

        `done == 0` opens a stage and `done == total` closes it.
        """


def silent(stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None) -> None:
    """Report nothing."""


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

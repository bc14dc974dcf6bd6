"""How long work tells of itself, without printing."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Progress", "silent"]


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

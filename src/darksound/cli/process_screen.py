"""What each of several processes shows: the first one all, the others what goes wrong in them."""

import logging
from collections.abc import Iterable

from darksound.cli.screen import Screen
from darksound.meta.place import Place
from darksound.report.tables import Table

__all__ = ["screen_of"]


def screen_of(place: Place | None, verbose: bool, quiet: bool) -> Screen:
    """The screen of a process.

    Args:
        place: of the process among others; None where it is alone.
        verbose, quiet: see `Screen`.
    """
    if place is None or place.rank == 0:
        return Screen(verbose=verbose, quiet=quiet)
    return _FollowerScreen(place, verbose)


class _FollowerScreen(Screen):
    """The screen of a process that is not the first."""

    def __init__(self, place: Place, verbose: bool) -> None:
        super().__init__(verbose=verbose, quiet=True)
        self._named = f"Process {place.rank + 1} of {place.size}"

    def say(self, text: str, style: str | None = None) -> None:
        """Say nothing: the first process does."""

    def error(self, text: str) -> None:
        """Print what went wrong here."""
        super().say(f"{self._named}: {text}", style="bold red")

    def tables(self, tables: Iterable[Table]) -> None:
        """Print nothing."""

    def text(self, text: str) -> None:
        """Print nothing."""

    def _level(self) -> int:
        return logging.CRITICAL

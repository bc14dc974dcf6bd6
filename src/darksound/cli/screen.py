"""What each of several processes shows: the first one all, the others what goes wrong in them."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from darksound.cli.progress import BarProgress, LineProgress
from darksound.parallel.workers import Place
from darksound.report.tables import Table

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Screen", "native_noise_in", "screen_of"]


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


# Where output is no terminal there is no edge to fold a table at.
_WIDE = 400


class Screen:
    """The two streams of a command.

    Args:
        verbose: show what is logged for debugging, and tracebacks.
        quiet: show no progress, and of what is logged warnings and errors alone.
    """

    def __init__(self, verbose: bool = False, quiet: bool = False) -> None:
        self.verbose = verbose
        self._quiet = quiet
        self._results = Console(width=None if sys.stdout.isatty() else _WIDE)
        self._messages = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDE)

    def say(self, text: str, style: str | None = None) -> None:
        """Print a message."""
        self._messages.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def remark(self, text: str) -> None:
        """Print a message that a quiet command leaves out."""
        if not self._quiet:
            self.say(text)

    def error(self, text: str) -> None:
        """Print what went wrong."""
        self.say(f"Error: {text}", style="bold red")

    def traceback(self) -> None:
        """Print the traceback of the exception that is being handled."""
        self._messages.print_exception(show_locals=False)

    def tables(self, tables: Iterable[Table]) -> None:
        """Print results."""
        for table in tables:
            drawn = RichTable(
                title=table.title, box=SIMPLE_HEAD, title_justify="left", title_style="bold"
            )
            for i, heading in enumerate(table.columns):
                drawn.add_column(heading, justify="left" if i == 0 else "right")
            for i, row in enumerate(table.rows):
                drawn.add_row(*row, style="bold green" if i in table.marked else None)
            self._results.print(drawn, markup=False, highlight=False)

    def text(self, text: str) -> None:
        """Print a result as it is."""
        self._results.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Show meanwhile what darksound logs, and keep others' warnings off the screen.

        They still reach the log of a run, whose handler sits on the root logger.
        """
        ours, root = logging.getLogger("darksound"), logging.getLogger()
        handler, nothing = _ScreenHandler(self), logging.NullHandler()
        handler.setLevel(self._level())
        before = ours.level
        ours.setLevel(min(self._level(), logging.INFO))
        ours.addHandler(handler)
        root.addHandler(nothing)
        logging.captureWarnings(True)
        try:
            yield
        finally:
            logging.captureWarnings(False)
            root.removeHandler(nothing)
            ours.removeHandler(handler)
            ours.setLevel(before)

    def progress(self) -> BarProgress | LineProgress:
        """How work is told of: bars on a terminal, lines elsewhere; a context manager."""
        bars = self._messages.is_terminal and not self._quiet
        return BarProgress(self._messages) if bars else LineProgress()

    @contextmanager
    def at_work(self, log: Path) -> Iterator[BarProgress | LineProgress]:
        """As `progress`; what C libraries print meanwhile goes to `log`."""
        with native_noise_in(log, self._messages), self.progress() as progress:
            yield progress

    def _level(self) -> int:
        if self.verbose:
            return logging.DEBUG
        return logging.WARNING if self._quiet else logging.INFO


class _ScreenHandler(logging.Handler):
    """Prints records through the console that draws the bars, so that they do not collide."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._screen.say(f"Warning: {record.getMessage()}", style="yellow")
        else:
            self._screen.say(record.getMessage())


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

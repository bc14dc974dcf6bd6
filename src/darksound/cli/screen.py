"""Output of commands: results on stdout; messages, log lines and progress on stderr."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from darksound.cli.progress import BarProgress, LineProgress
from darksound.text import printable

if TYPE_CHECKING:
    from darksound.parallel.workers import ProcessRank
    from darksound.report.tables import Table

__all__ = ["Screen", "make_screen", "redirect_native_stderr"]

# Width if the output is not a terminal, so that tables are not folded.
_FILE_WIDTH = 400


@contextmanager
def redirect_native_stderr(log: Path, console: Console) -> Iterator[None]:
    """Append the process's stderr to `log`, while `console` writes to the original stderr.

    Audio decoders print a line for every damaged frame, without the name of the file, and these
    lines tear progress bars. The code that reads the file reports the error itself.
    """
    try:
        stream = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        # sys.stderr is not the stream of the process, for example if a caller captures it.
        yield
        return
    sys.stderr.flush()
    console_file, original = console.file, os.dup(stream)
    with (
        open(original, "w", buffering=1, encoding=sys.stderr.encoding, closefd=False) as screen,
        log.open("ab") as file,
    ):
        os.dup2(file.fileno(), stream)
        console.file = screen
        try:
            yield
        finally:
            console.file = console_file
            os.dup2(original, stream)
            os.close(original)


def _console(stream: TextIO, stderr: bool = False) -> Console:
    """Return a console that shows text as it is: parts of names are neither markup nor emoji."""
    width = None if stream.isatty() else _FILE_WIDTH
    return Console(stderr=stderr, width=width, emoji=False, markup=False, highlight=False)


class Screen:
    """The two output streams of a command.

    Args:
        verbose: show debug messages and tracebacks.
        quiet: show no progress, and only warnings and errors of the log.
    """

    def __init__(self, verbose: bool = False, quiet: bool = False) -> None:
        self.verbose = verbose
        self._quiet = quiet
        self._results, self._messages = _console(sys.stdout), _console(sys.stderr, stderr=True)

    def message(self, text: str, style: str | None = None) -> None:
        """Print a message to stderr."""
        self._messages.print(printable(text), style=style, soft_wrap=True)

    def info(self, text: str) -> None:
        """Print a message to stderr, unless the command is quiet."""
        if not self._quiet:
            self.message(text)

    def error(self, text: str) -> None:
        """Print an error to stderr."""
        self.message(f"Error: {text}", style="bold red")

    def traceback(self) -> None:
        """Print the traceback of the current exception."""
        self._messages.print_exception(show_locals=False)

    def tables(self, tables: Iterable["Table"]) -> None:
        """Print tables of results to stdout."""
        for table in tables:
            rich_table = RichTable(
                title=printable(table.title),
                box=SIMPLE_HEAD,
                title_justify="left",
                title_style="bold",
            )
            for i, heading in enumerate(table.columns):
                rich_table.add_column(printable(heading), justify="left" if i == 0 else "right")
            for i, row in enumerate(table.rows):
                cells = [printable(cell) for cell in row]
                rich_table.add_row(*cells, style="bold green" if i in table.marked else None)
            self._results.print(rich_table)

    def result(self, text: str) -> None:
        """Print text to stdout."""
        self._results.print(printable(text), soft_wrap=True)

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Print log messages of darksound during the block, and none of other packages.

        Those of other packages are still written to the run's log by its handler of the root
        logger.
        """
        package, root = logging.getLogger("darksound"), logging.getLogger()
        handler, null_handler = _ScreenHandler(self), logging.NullHandler()
        handler.setLevel(self._level())
        previous_level = package.level
        package.setLevel(min(self._level(), logging.INFO))
        package.addHandler(handler)
        root.addHandler(null_handler)
        logging.captureWarnings(True)
        try:
            yield
        finally:
            logging.captureWarnings(False)
            root.removeHandler(null_handler)
            package.removeHandler(handler)
            package.setLevel(previous_level)

    def progress(self) -> BarProgress | LineProgress:
        """Return a progress display, a context manager: bars on a terminal, else log lines."""
        show_bars = self._messages.is_terminal and not self._quiet
        return BarProgress(self._messages) if show_bars else LineProgress()

    @contextmanager
    def progress_with_log(self, log: Path) -> Iterator[BarProgress | LineProgress]:
        """Yield a progress display; what C libraries print during the block goes to `log`."""
        with redirect_native_stderr(log, self._messages), self.progress() as progress:
            yield progress

    def _level(self) -> int:
        if self.verbose:
            return logging.DEBUG
        return logging.WARNING if self._quiet else logging.INFO


class _ScreenHandler(logging.Handler):
    """Prints log records through the console of the progress bars, so that these stay whole."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._screen.message(f"Warning: {record.getMessage()}", style="yellow")
        else:
            self._screen.message(record.getMessage())


def make_screen(rank: "ProcessRank | None", verbose: bool, quiet: bool) -> Screen:
    """Return the screen of a process.

    Args:
        rank: rank of the process; None for a single process.
        verbose, quiet: see `Screen`.
    """
    if rank is None or rank.rank == 0:
        return Screen(verbose=verbose, quiet=quiet)
    return _OtherRankScreen(rank, verbose)


class _OtherRankScreen(Screen):
    """The screen of a process that is not rank 0: it shows errors only."""

    def __init__(self, rank: "ProcessRank", verbose: bool) -> None:
        super().__init__(verbose=verbose, quiet=True)
        self._name = f"Process {rank.rank + 1} of {rank.size}"

    def message(self, text: str, style: str | None = None) -> None:
        """Print nothing, because rank 0 prints the same message."""

    def error(self, text: str) -> None:
        """Print an error with the number of the process."""
        super().message(f"{self._name}: {text}", style="bold red")

    def tables(self, tables: Iterable["Table"]) -> None:
        """Print nothing."""

    def result(self, text: str) -> None:
        """Print nothing."""

    def _level(self) -> int:
        return logging.CRITICAL

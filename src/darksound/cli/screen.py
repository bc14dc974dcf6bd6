"""Output of commands: results on stdout; messages, log lines and progress on stderr."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable

from darksound.cli.layout import column_blocks, display_width, wrap
from darksound.cli.progress import BarProgress, LineProgress
from darksound.text import printable

if TYPE_CHECKING:
    from darksound.parallel.workers import ProcessRank
    from darksound.report.tables import Table

__all__ = ["NO_ESCAPE_CODES", "Screen", "make_screen", "redirect_native_stderr"]

#: Names of terminals that show escape codes as text.
NO_ESCAPE_CODES = ("dumb", "unknown")
_HEIGHT = 25
# Columns of a table besides its text: margins and separator, and the left edge.
_COLUMN_MARGIN, _TABLE_MARGIN = 3, 1


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
        open(
            original,
            "w",
            buffering=1,
            encoding=sys.stderr.encoding,
            errors=sys.stderr.errors,
            closefd=False,
        ) as screen,
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
    width, height = None, None
    if not stream.isatty() or os.environ.get("TERM", "").lower() in NO_ESCAPE_CODES:
        # The library takes any terminal without escape codes for one of 80 columns.
        width, height = display_width(stream), _HEIGHT
    return Console(
        stderr=stderr, width=width, height=height, emoji=False, markup=False, highlight=False
    )


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
        # Consoles with colours may write to files too.
        self._wrap_results, self._wrap_messages = sys.stdout.isatty(), sys.stderr.isatty()

    def message(self, text: str, style: str | None = None) -> None:
        """Print a message to stderr."""
        text = printable(text)
        if self._wrap_messages:
            text = wrap(text, self._messages.width)
        self._messages.print(text, style=style, soft_wrap=True)

    def info(self, text: str) -> None:
        """Print a message to stderr, unless the command is quiet."""
        if not self._quiet:
            self.message(text)

    def error(self, text: str) -> None:
        """Print an error to stderr."""
        self.message(f"Error: {text}", style="bold red")

    def warning(self, text: str) -> None:
        """Print a warning to stderr."""
        self.message(f"Warning: {text}", style="yellow")

    def traceback(self) -> None:
        """Print the traceback of the current exception."""
        self._messages.print_exception(show_locals=False)

    def tables(self, tables: Iterable["Table"]) -> None:
        """Print tables of results to stdout.

        A table that is wider than the terminal is continued below, with its first column again.
        """
        for table in tables:
            rows = [[printable(cell) for cell in row] for row in (table.columns, *table.rows)]
            widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
            margins = [width + _COLUMN_MARGIN for width in widths]
            self.result(table.title, "bold")
            for block in column_blocks(margins, self._results.width - _TABLE_MARGIN):
                rich_table = _rich_table(rows, block, table.marked)
                # A table that is too narrow for its text would break words and numbers.
                rich_table.width = sum(margins[number] for number in block) + _TABLE_MARGIN
                self._results.print(rich_table, crop=False)

    def result(self, text: str, style: str | None = None) -> None:
        """Print text to stdout."""
        text = printable(text)
        if self._wrap_results:
            text = wrap(text, self._results.width)
        self._results.print(text, style=style, soft_wrap=True)

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
        console = self._messages
        show_bars = console.is_terminal and not console.is_dumb_terminal and not self._quiet
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


def _rich_table(
    rows: Sequence[Sequence[str]], columns: Sequence[int], marked: Set[int]
) -> RichTable:
    """Return some columns of a table; the first row has the headings."""
    headings, *body = ([row[number] for number in columns] for row in rows)
    rich_table = RichTable(box=SIMPLE_HEAD)
    for i, heading in enumerate(headings):
        rich_table.add_column(heading, justify="left" if i == 0 else "right")
    for i, row in enumerate(body):
        rich_table.add_row(*row, style="bold green" if i in marked else None)
    return rich_table


class _ScreenHandler(logging.Handler):
    """Prints log records through the console of the progress bars, so that these stay whole."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._screen.warning(record.getMessage())
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

    def result(self, text: str, style: str | None = None) -> None:
        """Print nothing."""

    def _level(self) -> int:
        return logging.CRITICAL

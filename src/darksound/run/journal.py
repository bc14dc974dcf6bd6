"""The journal of a run (`journal.jsonl`) and its log file (`run.log`)."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from darksound.errors import RunError
from darksound.run.files import as_json
from darksound.system_errors import reading_error, writing_error
from darksound.text import printable

__all__ = ["Journal", "log_to_file"]


class Journal:
    """Events of a run, one JSON object a line.

    A process that is killed while it writes leaves an incomplete last line. `read` skips it, and
    the next entry starts on a new line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._appended = False

    def append(self, event: str, **values: Any) -> None:
        """Append an entry with the current time and flush it to disk.

        Raises:
            RunError: the disk is full, the file is not writable, or it was removed since this
                process wrote to it.
        """
        if self._appended and not self.path.exists():
            raise RunError(
                f"{self.path} was removed or moved while the run was working; remove what is left "
                f"of the run, and start it again."
            )
        entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **values}
        line = json.dumps(as_json(entry), ensure_ascii=False, default=str).encode() + b"\n"
        try:
            with self.path.open("ab+") as file:
                if file.tell() and not self._ends_with_newline():
                    line = b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            self._appended = True
        except OSError as error:
            raise RunError(
                f"Cannot write {self.path}: {writing_error(self.path, error)}."
            ) from error

    def read(self) -> list[dict[str, Any]]:
        """Return all complete entries, oldest first; none where the file does not exist.

        Raises:
            RunError: the file cannot be read.
        """
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunError(f"{self.path}: {reading_error(self.path, error)}.") from None
        entries = (_parse(line) for line in lines)
        return [entry for entry in entries if entry is not None]

    def _ends_with_newline(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


class _LogFile(logging.FileHandler):
    """A log file whose errors stay silent: on a full disk, the files of the run report it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or drop it where the file cannot be opened."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of logging
        """Drop a record that cannot be written."""


class _Printable(logging.Formatter):
    """A formatter whose messages cannot look like other records, whatever names they contain."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of logging
        """Return the line of a record, without the traceback that may follow."""
        record.message = printable(record.message)
        return super().formatMessage(record)


_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Append darksound's log records, and warnings of other libraries, to a file meanwhile."""
    handler = _LogFile(path, encoding="utf-8", delay=True)
    handler.setFormatter(_Printable(_FORMAT))
    handler.addFilter(_is_relevant)
    root, package = logging.getLogger(), logging.getLogger("darksound")
    level = package.level
    root.addHandler(handler)
    package.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        package.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def _is_relevant(record: logging.LogRecord) -> bool:
    return record.name.startswith("darksound") or record.levelno >= logging.WARNING

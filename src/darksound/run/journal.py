"""The log of a run, kept in its directory whatever the screen shows."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Journal", "kept_log"]


class Journal:
    """The journal of a run, `journal.jsonl`.

    A process killed while it writes leaves a torn last line; reading passes over it and the next
    entry starts on a line of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **values: Any) -> None:
        """Add an entry with the time of now; on the disk when this returns."""
        entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **values}
        line = json.dumps(entry, ensure_ascii=False, default=str).encode() + b"\n"
        with self.path.open("ab+") as file:
            if file.tell() and not self._ends_whole():
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All whole entries, oldest first; none where there is no journal yet."""
        if not self.path.exists():
            return []
        entries = []
        for line in self.path.read_bytes().splitlines():
            entry = _parsed(line)
            if entry is not None:
                entries.append(entry)
        return entries

    def _ends_whole(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@contextmanager
def kept_log(path: Path) -> Iterator[None]:
    """Append what is logged meanwhile: all of darksound's own, and others' warnings."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.addFilter(_worth_keeping)
    root, ours = logging.getLogger(), logging.getLogger("darksound")
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def _worth_keeping(record: logging.LogRecord) -> bool:
    return record.name.startswith("darksound") or record.levelno >= logging.WARNING

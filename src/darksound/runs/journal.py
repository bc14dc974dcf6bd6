"""What a run has done: one JSON object a line, appended, never rewritten."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Journal"]


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

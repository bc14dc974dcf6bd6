"""An archive that is on its way: what has arrived, and what it takes to go on from there."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from darksound.atomic import write_text
from darksound.datasets.space import writing

__all__ = ["About", "Partial", "arrived", "partials"]

_BLOCK = 1 << 20


@dataclass(frozen=True)
class About:
    """What is known of the archive that a partial file is the beginning of.

    Attributes:
        address: where it comes from, as it may be shown.
        total: its size in bytes, where the server told it.
        etag: its strong entity tag, where the server has one.
        modified: when it was last changed, as the server says it.
        resumable: whether the server's answer may be gone on with: its bytes came as they are.
    """

    address: str
    total: int | None = None
    etag: str | None = None
    modified: str | None = None
    resumable: bool = True


class Partial:
    """A file `NAME.UNIQUE.part` beside the archive-to-be, with `NAME.UNIQUE.json` about it.

    What is written is on its way to the disk at once, so that a killed process leaves all that
    had arrived. The md5 is that of the bytes on disk: one found again is read again, not trusted.

    Attributes:
        path: the file.
        about: what is known of the whole.
        size: bytes that have arrived.
        joined: whether they came by more than one answer.
        rejected: what md5s the whole has had that were not the wanted one.
    """

    def __init__(self, path: Path, about: About, tell: Callable[[int], None]) -> None:
        self.path = path
        self.about = about
        self.joined = False
        self.rejected: set[str] = set()
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        with writing(path.parent):
            self._file = path.open("a+b", buffering=0)
            self._file.seek(0)
            while block := self._file.read(_BLOCK):
                self._md5.update(block)
                self.size += len(block)
                tell(self.size)
        self.joined = self.size > 0

    @classmethod
    def found_or_new(
        cls, folder: Path, name: str, address: str, alone: bool, tell: Callable[[int], None]
    ) -> "Partial":
        """The longest partial file of this archive from this address, or a new one.

        Args:
            folder: where the archive is to be.
            name: the archive's.
            address: where it comes from, as it may be shown.
            alone: whether no other process may be writing to what is found.
            tell: called with the bytes that were read again.

        Raises:
            DownloadError: the folder cannot be written to.
        """
        found = [
            (path.stat().st_size, path, about)
            for path in folder.glob(f"{name}.*.part")
            if (about := _read(path)) is not None and about.resumable and about.address == address
        ]
        if found and alone:
            _, path, about = max(found, key=lambda each: each[0])
            return cls(path, about, tell)
        return cls(folder / f"{name}.{uuid4().hex[:12]}.part", About(address), tell)

    @property
    def md5(self) -> str:
        """Of what has arrived, in hexadecimal."""
        return self._md5.hexdigest()

    def begin(self, about: About) -> None:
        """Start from nothing, with what is now known of the whole."""
        with writing(self.path.parent):
            self._file.truncate(0)
            self._md5 = hashlib.md5(usedforsecurity=False)
            self.size, self.joined, self.about = 0, False, about
            write_text(_beside(self.path), json.dumps(asdict(about), indent=1))

    def forget(self) -> None:
        """Start from nothing, knowing nothing of the whole."""
        self.begin(About(self.about.address))

    def learn(self, total: int) -> None:
        """Note the size of the whole, where it was not told at first."""
        if self.about.total is None:
            self.about = replace(self.about, total=total)

    def append(self, data: bytes) -> None:
        """Add what has arrived."""
        with writing(self.path.parent):
            view = memoryview(data)
            while view:
                written = self._file.write(view)
                self._md5.update(view[:written])
                self.size += written
                view = view[written:]

    def finish(self, target: Path) -> None:
        """Make it the archive: on the disk, then in one rename."""
        with writing(self.path.parent):
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self.path, target)
            _beside(self.path).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; one with nothing in it is not worth keeping."""
        self._file.close()
        if self.size == 0:
            self.path.unlink(missing_ok=True)
            _beside(self.path).unlink(missing_ok=True)


def arrived(folder: Path, name: str) -> int:
    """Bytes of the longest partial file of an archive; 0 where there is none."""
    return max((path.stat().st_size for path in folder.glob(f"{name}.*.part")), default=0)


def partials(folder: Path, name: str) -> list[Path]:
    """All partial files of an archive, and what is written about them."""
    return [*folder.glob(f"{name}.*.part"), *folder.glob(f"{name}.*.json")]


def _beside(part: Path) -> Path:
    return part.with_suffix(".json")


def _read(part: Path) -> About | None:
    """What is known of a partial file; None where that was lost."""
    try:
        known: dict[str, Any] = json.loads(_beside(part).read_text(encoding="utf-8"))
        return About(**{field.name: known[field.name] for field in fields(About)})
    except (OSError, ValueError, KeyError, TypeError):
        return None

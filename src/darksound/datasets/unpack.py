"""From an archive to files: only what was admitted, and never more than was announced."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from darksound.datasets.archives import DAMAGE, ArchiveError, said
from darksound.datasets.guards import Entry, is_junk
from darksound.datasets.hashing import clip_hash
from darksound.datasets.space import writing
from darksound.progress import Progress

__all__ = ["FileRecord", "spill", "unpack"]

_BLOCK = 1 << 18


@dataclass(frozen=True)
class FileRecord:
    """What vouches for one file.

    Attributes:
        size: in bytes.
        digest: its `clip_hash`, in hexadecimal.
    """

    size: int
    digest: str


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def unpack(
    entries: Sequence[Entry],
    base: PurePosixPath,
    into: Path,
    stage: str,
    progress: Progress,
) -> dict[str, FileRecord]:
    """Write all files below a folder of an archive, without what desktops left in it.

    Args:
        entries: the files of the archive that may be unpacked.
        base: the folder in the archive.
        into: a new folder of our own, which takes its place.
        stage: what to call it.
        progress: told of files.

    Returns:
        By path below `into`, what vouches for the file.

    Raises:
        ArchiveError: a file is damaged, or longer or shorter than the archive says.
        DownloadError: the disk is full or cannot be written.
    """
    chosen = [
        (entry, PurePosixPath(*entry.path.parts[len(base.parts) :]))
        for entry in entries
        if entry.path.parts[: len(base.parts)] == base.parts and not is_junk(entry.path)
    ]
    records = {}
    for done, (entry, path) in enumerate(chosen):
        progress(stage, done, len(chosen))
        records[path.as_posix()] = _write(entry, into / path, clip_hash)
    progress(stage, len(chosen), len(chosen))
    return records


def spill(entry: Entry, target: Path) -> str:
    """Write an inner archive to a file.

    Returns:
        Its md5, in hexadecimal.

    Raises:
        ArchiveError, DownloadError: as `unpack`.
    """
    return _write(entry, target, lambda: hashlib.md5(usedforsecurity=False)).digest


def _write(entry: Entry, target: Path, digest_of: Callable[[], _Digest]) -> FileRecord:
    digest, size, promised = digest_of(), 0, entry.member.size
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    with file, _telling_damage(entry), entry.member.open() as source:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > promised:
                raise _damaged(entry, f"is longer than the {promised} bytes that it promises")
            digest.update(block)
            with writing(target.parent):
                file.write(block)
        with writing(target.parent):
            file.flush()
    if size != promised:
        raise _damaged(entry, f"ends after {size} of {promised} bytes")
    return FileRecord(size, digest.hexdigest())


@contextmanager
def _telling_damage(entry: Entry) -> Iterator[None]:
    try:
        yield
    except (*DAMAGE, OSError) as error:
        raise _damaged(entry, f"cannot be read ({said(error)})") from None


def _damaged(entry: Entry, how: str) -> ArchiveError:
    return ArchiveError(
        f"The archive is damaged: its member {str(entry.path)!r} {how}. Fetch it again."
    )

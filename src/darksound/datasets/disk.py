"""Free space, write errors, checksums, and partial files of downloads that were interrupted."""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import uuid4

from darksound.atomic import acquire_lock, write_text
from darksound.errors import DownloadError, RunError
from darksound.progress import Progress, format_bytes
from darksound.system_errors import writing_error

__all__ = [
    "ByteProgress",
    "Digest",
    "PartialFile",
    "RemoteFile",
    "check_free_space",
    "hash_file",
    "new_clip_hash",
    "new_md5",
    "new_sha256",
    "partial_files",
    "partial_size",
    "waiting_lock",
    "write_errors",
]

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20
_MB = 1_000_000
_OPTION = "--set compute.data_dir=FOLDER"


def check_free_space(folder: Path, required: int, what: str) -> None:
    """Raise an error if a disk is too full.

    Args:
        folder: a folder on the disk.
        required: number of bytes to be written.
        what: what is written, for the message.

    Raises:
        DownloadError: the free space is too small.
    """
    free = shutil.disk_usage(folder).free
    if required > free:
        raise DownloadError(
            f"{what} needs about {format_bytes(required)}, but the disk of {folder} has "
            f"{format_bytes(free)} free; free some space, or choose another folder with {_OPTION}."
        )


@contextmanager
def write_errors(folder: Path) -> Iterator[None]:
    """Turn errors of a disk that is full or read-only into sentences.

    Raises:
        DownloadError: something below `folder` cannot be written.
    """
    try:
        yield
    except (OSError, RunError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise DownloadError(f"Cannot write in {folder}: {error}") from error
        raise DownloadError(
            f"Cannot write in {folder}: {writing_error(folder, cause, _OPTION)}."
        ) from error


@contextmanager
def waiting_lock(path: Path, activity: str) -> Iterator[bool]:
    """Hold a lock, after waiting for other processes; its folder is created.

    Args:
        path: the lock file.
        activity: what another process is doing, for the log.

    Yields:
        Whether no other process can hold it; False on a disk without locks.

    Raises:
        DownloadError: the folder is not writable.
    """
    with write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = acquire_lock(
            path, lambda: logger.info("Another process is %s; waiting for it.", activity)
        )
    try:
        yield lock.is_locked
    finally:
        lock.release()


class ByteProgress:
    """Reports bytes to a `Progress` as megabytes, at most once a megabyte.

    Args:
        stage: the name of the stage.
        progress: the callback.
        total: number of bytes in all; None where unknown.
        first: number of bytes at the start.
    """

    def __init__(
        self, stage: str, progress: Progress, total: int | None = None, first: int = 0
    ) -> None:
        self._stage = f"{stage} (MB)"
        self._progress = progress
        self._total = total
        self._reported: int | None = None
        self._first, self._start = first, time.monotonic()

    def update(self, size: int) -> None:
        """Report that `size` bytes are done."""
        done = size // _MB
        if done == self._reported:
            return
        self._reported = done
        if self._total is None:
            # The remaining time is unknown without a total, but the rate is known.
            elapsed = time.monotonic() - self._start
            rate = (size - self._first) / _MB / elapsed if elapsed > 0 else 0.0
            self._progress(self._stage, 0, 1, {"MB": done, "MB/s": rate})
        else:
            total = -(-self._total // _MB)
            self._progress(self._stage, total if size >= self._total else done, total)

    def close(self) -> None:
        """Close the stage."""
        if self._reported is not None:
            total = 1 if self._total is None else -(-self._total // _MB)
            self._progress(self._stage, total, total)


class Digest(Protocol):
    """A hash of `hashlib`."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add data."""

    def hexdigest(self) -> str:
        """Return the hash in hexadecimal."""


def new_md5() -> Digest:
    """Return an empty md5, the checksum of published archives."""
    return hashlib.md5(usedforsecurity=False)


def new_sha256() -> Digest:
    """Return an empty sha256, the checksum of published models."""
    return hashlib.sha256()


def new_clip_hash() -> Digest:
    """Return an empty hash of the kind that markers hold of every file."""
    return hashlib.blake2b(digest_size=16)


def hash_file(path: Path, digest: Digest, report: Callable[[int], None] | None = None) -> str:
    """Return the hash of a file in hexadecimal.

    Args:
        path: the file.
        digest: an empty hash.
        report: called with the number of bytes read so far.
    """
    size = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            if report is not None:
                report(size)
    return digest.hexdigest()


@dataclass(frozen=True)
class RemoteFile:
    """What a server states about the file that a partial file is the beginning of.

    Attributes:
        address: the redacted address.
        total: size in bytes; None where unknown.
        etag: strong entity tag; None where there is none.
        modified: the header `Last-Modified`.
        resumable: whether the download can be resumed: the bytes were sent without encoding.
    """

    address: str
    total: int | None = None
    etag: str | None = None
    modified: str | None = None
    resumable: bool = True


class PartialFile:
    """A file `NAME.UNIQUE.part` beside the final file, and its `RemoteFile` as JSON.

    Data are written without buffering, so that a killed process leaves all that it received. The
    checksum is that of the bytes on disk: an existing file is read again.

    Attributes:
        path: the file.
        remote: what is known about the complete file.
        size: number of bytes in it.
        resumed: whether its bytes come from more than one response.
        rejected: wrong checksums of complete downloads.
    """

    def __init__(
        self,
        path: Path,
        remote: RemoteFile,
        report: Callable[[int], None],
        new_digest: Callable[[], Digest] = new_md5,
    ) -> None:
        self.path = path
        self.remote = remote
        self.rejected: set[str] = set()
        self.size = 0
        self._new_digest = new_digest
        self._digest = new_digest()
        with write_errors(path.parent):
            self._file = path.open("a+b", buffering=0)
            hash_file(path, self._digest, report)
            self.size = path.stat().st_size
        self.resumed = self.size > 0

    @classmethod
    def open(
        cls,
        archive: Path,
        address: str,
        exclusive: bool,
        report: Callable[[int], None],
        new_digest: Callable[[], Digest] = new_md5,
    ) -> Self:
        """Open the longest partial file of an archive from an address, or a new one.

        Args:
            archive: path of the final file.
            address: the redacted address.
            exclusive: whether no other process can be writing to existing partial files.
            report: called with the number of bytes read again.
            new_digest: returns an empty hash of the kind of the file's checksum.

        Raises:
            DownloadError: the folder is not writable.
        """
        resumable = [
            (path.stat().st_size, path, remote)
            for path in archive.parent.glob(f"{archive.name}.*.part")
            if (remote := _read_remote(path)) is not None
            and remote.resumable
            and remote.address == address
        ]
        if resumable and exclusive:
            _, path, remote = max(resumable, key=lambda each: each[0])
            return cls(path, remote, report, new_digest)
        path = archive.with_name(f"{archive.name}.{uuid4().hex[:12]}.part")
        return cls(path, RemoteFile(address), report, new_digest)

    @property
    def checksum(self) -> str:
        """Return the checksum of its bytes, in hexadecimal."""
        return self._digest.hexdigest()

    def restart(self, remote: RemoteFile | None = None) -> None:
        """Empty the file, with new facts about the complete file or none."""
        self.remote = remote if remote is not None else RemoteFile(self.remote.address)
        with write_errors(self.path.parent):
            self._file.truncate(0)
            self._digest = self._new_digest()
            self.size, self.resumed = 0, False
            write_text(_remote_path(self.path), json.dumps(asdict(self.remote), indent=1))

    def set_total(self, total: int) -> None:
        """Set the size of the complete file where it was unknown."""
        if self.remote.total is None:
            self.remote = replace(self.remote, total=total)

    def append(self, data: bytes) -> None:
        """Append received bytes."""
        with write_errors(self.path.parent):
            view = memoryview(data)
            while view:
                written = self._file.write(view)
                self._digest.update(view[:written])
                self.size += written
                view = view[written:]

    def finish(self, target: Path) -> None:
        """Sync the file to disk and rename it to the final archive."""
        with write_errors(self.path.parent):
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self.path, target)
            _remote_path(self.path).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, and remove it if it is empty."""
        self._file.close()
        if self.size == 0:
            self.path.unlink(missing_ok=True)
            _remote_path(self.path).unlink(missing_ok=True)


def partial_size(folder: Path, name: str) -> int:
    """Return the size in bytes of the longest partial file of an archive; 0 if there is none."""
    return max((path.stat().st_size for path in folder.glob(f"{name}.*.part")), default=0)


def partial_files(folder: Path, name: str) -> list[Path]:
    """Return all partial files of an archive, and the JSON files beside them."""
    return [*folder.glob(f"{name}.*.part"), *folder.glob(f"{name}.*.json")]


def _remote_path(part: Path) -> Path:
    return part.with_suffix(".json")


def _read_remote(part: Path) -> RemoteFile | None:
    """Return what is known about a partial file; None if that was lost."""
    try:
        values: dict[str, Any] = json.loads(_remote_path(part).read_text(encoding="utf-8"))
        return RemoteFile(**{field.name: values[field.name] for field in fields(RemoteFile)})
    except (OSError, ValueError, KeyError, TypeError):
        return None

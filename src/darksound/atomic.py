"""Atomic writes by a temporary file and a rename, and locks between processes."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from darksound.errors import RunError

__all__ = ["acquire_lock", "remove_leftovers", "replacing", "write_bytes", "write_text"]

_PART = ".part"
_LOCK_POLL_S = 0.5
logger = logging.getLogger(__name__)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which replaces `path` when the block ends without an exception.

    Readers see the complete old file or the complete new file, also after a crash.

    Raises:
        RunError: the disk is full, or the folder is not writable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(
            f"Cannot write {path}: {error.strerror or error}. Free some disk space, or choose "
            "another --out."
        ) from error
    finally:
        # Removal may fail for the same reason as writing, which is reported already.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes in `folder` and below."""
    for part in list(folder.rglob(f".*{_PART}")):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically.

    Raises:
        RunError: the disk is full, or the folder is not writable.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write text atomically, as UTF-8 and with the line ends that it has.

    Raises:
        RunError: the disk is full, or the folder is not writable.
    """
    write_bytes(path, content.encode())


def acquire_lock(path: Path, before_waiting: Callable[[], None] | None = None) -> BaseFileLock:
    """Lock a file for this process until the lock is released or the process ends.

    The file stays after release, since its removal would race with processes that wait for it.

    Args:
        path: The lock file, in an existing folder.
        before_waiting: Called once where another process holds the lock, before this one waits
            for it; None: do not wait.

    Returns:
        The lock, to be released by the caller. Its `is_locked` is False on a disk without locks,
        such as some network disks; that is logged as a warning.

    Raises:
        filelock.Timeout: Another process holds the lock and `before_waiting` is None.
        OSError: the file cannot be written.
    """
    # Opened first, so that a read-only folder is not reported as a disk without locks.
    path.open("ab").close()
    lock = FileLock(path)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if before_waiting is None:
                raise
            before_waiting()
            lock.acquire(poll_interval=_LOCK_POLL_S)
    except Timeout:
        raise
    except OSError as error:
        logger.warning(
            "%s cannot be locked (%s); run one process at a time in this folder.", path, error
        )
    return lock

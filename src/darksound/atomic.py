"""Atomic writes by a temporary file and a rename, and locks between processes."""

import hashlib
import logging
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import BaseFileLock, FileLock, Timeout

from darksound.errors import DarksoundError, RunError
from darksound.system_errors import cause_by_system, writing_error

__all__ = [
    "CACHE_OPTION",
    "MACHINE",
    "acquire_lock",
    "claiming",
    "is_locked",
    "raise_if_by_system",
    "recover_folders",
    "remove_leftovers",
    "replacing",
    "replacing_folder",
    "write_bytes",
    "write_text",
]

#: The option that `replacing` names for files in the cache.
CACHE_OPTION = "--set compute.cache_dir=FOLDER"
#: Temporary files and folders have the process in their name, and this machine, since several may
#: share a disk.
MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_PART = ".part"
_LOCK_POLL_S = 0.5
logger = logging.getLogger(__name__)


@contextmanager
def replacing(path: Path, option: str = "--out") -> Iterator[Path]:
    """Yield a temporary path, which replaces `path` when the block ends without an exception.

    Readers see the complete old file or the complete new file, also after a crash.

    Args:
        path: The file to write; its folder is created.
        option: Option or setting that names another folder, for the message.

    Raises:
        RunError: the disk is full, or the folder is not writable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{MACHINE}{_PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except Exception as error:
        raise_if_by_system(path, error, option)
        raise
    finally:
        # Removal may fail for the same reason as writing, which is reported already.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def raise_if_by_system(path: Path, error: Exception, option: str = "--out") -> None:
    """Raise a `RunError` if an error in writing a file or folder is one of the system.

    Libraries report a full disk by exceptions of their own.

    Args:
        path: What was written.
        error: What was raised meanwhile.
        option: See `replacing`.

    Raises:
        RunError: the disk is full, or the folder is not writable.
    """
    if isinstance(error, DarksoundError):
        return
    cause = cause_by_system(error, path.parent)
    if cause is not None:
        raise RunError(f"Cannot write {path}: {writing_error(path, cause, option)}.") from cause


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes in `folder` and below."""
    for part in list(folder.rglob(f".*{_PART}")):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, option: str = "--out") -> None:
    """Write bytes atomically.

    Args:
        path: The file to write; its folder is created.
        content: Its bytes.
        option: See `replacing`.

    Raises:
        RunError: the disk is full, or the folder is not writable.
    """
    with replacing(path, option) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str, option: str = "--out") -> None:
    """Write text atomically, as UTF-8 and with the line ends that it has.

    Args:
        path: The file to write; its folder is created.
        content: Its text.
        option: See `replacing`.

    Raises:
        RunError: the disk is full, or the folder is not writable.
    """
    write_bytes(path, content.encode(), option)


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock; False where that cannot be found out."""
    try:
        if path.exists():
            acquire_lock(path).release()
    except Timeout:
        return True
    except OSError:  # such as a folder of another user
        pass
    return False


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


@contextmanager
def claiming(path: Path) -> Iterator[None]:
    """Reserve a file or folder that this process writes until the block ends.

    The lock beside it, `.NAME.lock`, is removed at the end.

    Raises:
        RunError: another process is writing it, or its folder cannot be written to.
    """
    lock_file = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock_until_removed(lock_file)
    except Timeout:
        raise RunError(
            f"Another process is writing {path}; wait for it, or name another file or folder."
        ) from None
    except OSError as error:
        raise RunError(f"Cannot write {path}: {writing_error(path, error)}.") from None
    try:
        yield
    finally:
        # Before the release: a process that opened this file meanwhile compares it to the path.
        with suppress(OSError):
            lock_file.unlink(missing_ok=True)
        lock.release()


def _lock_until_removed(path: Path) -> BaseFileLock:
    """Lock a file that its last owner removes when it is done."""
    while True:
        with path.open("ab") as file:
            lock = acquire_lock(path)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return lock
        # It was removed between opening and locking.
        lock.release()


_FOLDER = re.compile(rf"\.(.+)\.(\d+)-{MACHINE}(\.before)?\.darksound\{_PART}")


def _beside(path: Path, suffix: str = "") -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{MACHINE}{suffix}.darksound{_PART}")


@contextmanager
def replacing_folder(path: Path, *, keep: bool = False, option: str = "--out") -> Iterator[Path]:
    """Yield a temporary folder, which replaces `path` when the block ends without an exception.

    Args:
        path: The folder; what killed processes left beside it is cleaned up first.
        keep: Keep a folder that another process has put there meanwhile.
        option: See `replacing`.

    Raises:
        RunError: the disk is full, or the folder is not writable.
    """
    recover_folders(path.parent)
    temporary, before = _beside(path), _beside(path, ".before")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists() and not keep:
            os.replace(path, before)
        try:
            os.replace(temporary, path)
        except OSError:
            if not (keep and path.exists()):
                raise
    except Exception as error:
        raise_if_by_system(path, error, option)
        raise
    finally:
        # An exception, also an interrupt, may have come between the two.
        if before.exists() and not path.exists():
            os.replace(before, path)
        shutil.rmtree(before, ignore_errors=True)
        shutil.rmtree(temporary, ignore_errors=True)


def recover_folders(folder: Path) -> None:
    """Remove temporary folders of killed processes, and restore what they were replacing."""
    for part in sorted(folder.glob(f".*.darksound{_PART}")):
        match = _FOLDER.fullmatch(part.name)
        if match is None or _is_running(int(match[2]), part):
            continue
        replaced = folder / match[1]
        if match[3] and not replaced.exists():
            os.replace(part, replaced)
        else:
            shutil.rmtree(part, ignore_errors=True)


def _is_running(process: int, part: Path) -> bool:
    """Return whether a process exists that can have made a folder."""
    try:
        # Numbers are used again: a process that is younger than the folder is another one.
        return psutil.Process(process).create_time() <= part.stat().st_mtime + 1
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError):
        return False

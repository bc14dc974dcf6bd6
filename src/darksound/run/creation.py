"""Creation of run directories, and the lock that keeps two processes from using one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from darksound.atomic import acquire_lock
from darksound.errors import RunError
from darksound.run.manifest import MANIFEST_FILE, read_manifest
from darksound.run.resuming import SETTINGS_FILE, is_complete
from darksound.system_errors import writing_error

__all__ = ["LOCK", "SAVING_FILE", "create_directory", "is_unused", "lock_folder"]

#: The lock file of a run directory.
LOCK = ".lock"
#: File in a directory while `MecResult.save` writes it.
SAVING_FILE = ".saving"
# What a process that was killed while it wrote its first file leaves.
_FIRST_FILES = "|".join(map(re.escape, (MANIFEST_FILE, SETTINGS_FILE)))
_PART = re.compile(rf"\.({_FIRST_FILES})\.\d+-[0-9a-f]+\.part")


@contextmanager
def lock_folder(folder: Path, other: str = "give another --out") -> Iterator[None]:
    """Lock a folder for this process while the block lasts.

    Args:
        folder: the folder.
        other: how to name another folder, for the message.

    Raises:
        RunError: another process works in this folder, or it cannot be written to.
    """
    try:
        lock = acquire_lock(folder / LOCK)
    except Timeout:
        raise RunError(
            f"Another process is working in {folder}; wait for it, or {other}."
        ) from None
    except OSError as error:
        raise RunError(f"Cannot write in {folder}: {writing_error(folder, error)}.") from None
    try:
        yield
    finally:
        lock.release()


def create_directory(path: Path, other: str = "give another --out") -> None:
    """Create a directory for a run; an empty one may exist, or what a killed start left in one.

    Args:
        path: the directory.
        other: how to name another directory, for the message.

    Raises:
        RunError: it is not empty, or cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        empty = is_unused(path)
    except OSError as error:
        raise RunError(
            f"Cannot use {path} as a run directory: {writing_error(path, error)}."
        ) from None
    if empty:
        return
    manifest = read_manifest(path)
    if manifest is None:
        raise RunError(f"{path} is not empty and holds no darksound run; {other}.")
    if manifest.status == "done":
        raise RunError(f"{path} holds a finished {manifest.command} run; {other}.")
    with lock_folder(path, other):
        raise RunError(
            f"{path} holds an unfinished {manifest.command} run; resume it with --resume, or "
            f"{other}."
        )


def is_unused(path: Path) -> bool:
    """Return whether a directory holds nothing but what a killed process left before its start."""
    names = {each.name for each in path.iterdir()}
    started = {name for name in names - {LOCK} if not _PART.fullmatch(name)}
    if SAVING_FILE in names:
        return MANIFEST_FILE not in names
    if started == {SETTINGS_FILE} and LOCK in names:
        return is_complete(path / SETTINGS_FILE)
    return not started

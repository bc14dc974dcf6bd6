"""One process a run: a lock that the system lets go of when its process dies."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from darksound.errors import RunError

__all__ = ["locked", "try_lock"]

_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process alone; False where another one holds it.

    Raises:
        OSError: the disk has no locks, as some network disks.
    """
    try:
        _acquire(descriptor)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def _acquire(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


logger = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process alone.

    The file stays when the lock is let go: removing it would race with who waits for it.

    Raises:
        RunError: another process works in this folder, or it cannot be written to.
    """
    with _opened(folder) as file:
        try:
            alone = try_lock(file.fileno())
        except OSError as error:
            # Some network disks have no locks; a run there is still a run.
            logger.warning("%s cannot be locked (%s); run nothing else in it.", folder, error)
            alone = True
        if not alone:
            raise RunError(
                f"Another process is working in {folder}; wait for it, or give another --out."
            )
        yield


def _opened(folder: Path) -> IO[bytes]:
    try:
        return (folder / ".lock").open("a+b")
    except OSError as error:
        raise RunError(f"Cannot write in {folder}: {error.strerror}.") from None

"""A lock on a file, which the system lets go of when its process dies."""

import errno
import sys

__all__ = ["try_lock"]

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

"""One process a run: a lock that the system lets go of when its process dies."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from darksound.errors import RunError
from darksound.locking import try_lock

__all__ = ["locked"]

_log = logging.getLogger(__name__)


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
            _log.warning("%s cannot be locked (%s); run nothing else in it.", folder, error)
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

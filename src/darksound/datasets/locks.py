"""One process at a time, and the others wait."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from darksound.datasets.space import writing
from darksound.run.lock import try_lock

__all__ = ["lock_if_free", "waiting_lock"]

logger = logging.getLogger(__name__)
_EVERY_S = 0.5


@contextmanager
def waiting_lock(
    path: Path, what: str, sleep: Callable[[float], None] = time.sleep
) -> Iterator[bool]:
    """Hold a lock file, waiting for it where another process holds it.

    The system lets go of it when its process dies. The file stays: removing it would race with
    who waits for it.

    Args:
        path: the lock file.
        what: another process would be doing, for the message.
        sleep: waits for so many seconds.

    Yields:
        Whether it is held. On a disk without locks it is not, and what lies there may be another
        process' own.

    Raises:
        DownloadError: it cannot be written.
    """
    with _opened(path) as file:
        yield _held(file.fileno(), path, what, sleep)


@contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock file, but not where that would mean to wait.

    Yields:
        Whether it is held.

    Raises:
        DownloadError: it cannot be written.
    """
    with _opened(path) as file:
        try:
            held = try_lock(file.fileno())
        except OSError:
            held = False
        yield held


def _opened(path: Path) -> IO[bytes]:
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+b")


def _held(descriptor: int, path: Path, what: str, sleep: Callable[[float], None]) -> bool:
    told = False
    try:
        while not try_lock(descriptor):
            if not told:
                logger.info("Another process is %s; waiting for it.", what)
            told = True
            sleep(_EVERY_S)
    except OSError as error:
        logger.warning("%s cannot be locked (%s); run one download at a time.", path, error)
        return False
    return True

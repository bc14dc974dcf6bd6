"""Locks between processes that download the same archive."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from darksound.atomic import acquire_lock
from darksound.datasets.space import writing

__all__ = ["lock_if_free", "waiting_lock"]

logger = logging.getLogger(__name__)


@contextmanager
def waiting_lock(path: Path, what: str) -> Iterator[bool]:
    """Hold a lock file, waiting for it; yield whether it is held."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = acquire_lock(
            path, lambda: logger.info("Another process is %s; waiting for it.", what)
        )
    try:
        yield lock.is_locked
    finally:
        lock.release()


@contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock file, if that needs no waiting; yield whether it is held."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = acquire_lock(path)
        except Timeout:
            lock = None
    try:
        yield lock is not None and lock.is_locked
    finally:
        if lock is not None:
            lock.release()

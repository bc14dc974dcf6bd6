"""The log of a run, kept in its directory whatever the screen shows."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["kept_log"]

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@contextmanager
def kept_log(path: Path) -> Iterator[None]:
    """Append what is logged meanwhile: all of darksound's own, and others' warnings."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.addFilter(_worth_keeping)
    root, ours = logging.getLogger(), logging.getLogger("darksound")
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        ours.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def _worth_keeping(record: logging.LogRecord) -> bool:
    return record.name.startswith("darksound") or record.levelno >= logging.WARNING

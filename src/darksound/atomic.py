"""Files that are whole or not there: written beside, synced, renamed into place."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from darksound.errors import RunError

__all__ = ["remove_leftovers", "replacing", "write_bytes", "write_text"]

_PART = ".part"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes `path`'s place when the block ends well.

    Whoever reads `path` meanwhile, or after a crash, sees the old file or the new one, whole.

    Raises:
        RunError: the disk is full, or the folder cannot be written to.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise RunError(
            f"Cannot write {path}: {error.strerror or error}. Make room or give another --out."
        ) from error
    finally:
        # What hindered the writing may hinder this too, and has been told already.
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder` and below."""
    for part in list(folder.rglob(f".*{_PART}")):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes. Raises RunError, as all here do, where `replacing` does."""
    with replacing(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write text as UTF-8 with `\\n` line ends on every system."""
    write_bytes(path, content.encode())

"""Room on the disk, and what the disk says when something cannot be written."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darksound.errors import DownloadError, RunError

__all__ = ["gigabytes", "require_space", "writing"]


def gigabytes(count: float) -> str:
    """Bytes as a person says them."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"


def require_space(folder: Path, need: int, what: str) -> None:
    """See that the disk has room.

    Args:
        folder: where it is to be written.
        need: bytes.
        what: it is for.

    Raises:
        DownloadError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if need > free:
        raise DownloadError(
            f"{what} needs about {gigabytes(need)}, but the disk of {folder} has "
            f"{gigabytes(free)} free; make room, or name another folder with --root."
        )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tell of a disk that is full or read-only.

    Raises:
        DownloadError: something below `folder` cannot be written.
    """
    try:
        yield
    except (OSError, RunError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
        raise DownloadError(
            f"Cannot write in {folder}: {said}. Make room or mend its rights, or name another "
            f"folder with --root."
        ) from error

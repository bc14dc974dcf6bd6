"""What is on disk against what was put there, file by file."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from darksound.audio.files import probe
from darksound.datasets.guards import is_junk
from darksound.datasets.hashing import clip_hash_of
from darksound.datasets.layouts import is_sound
from darksound.datasets.marker import Marker
from darksound.errors import InputError
from darksound.parallel.workers import in_threads
from darksound.progress import Progress
from darksound.settings import Settings

__all__ = ["Differences", "compare", "files_below", "unreadable_below"]

T = TypeVar("T")
R = TypeVar("R")

_SHOWN = 20
_BATCH = 256


@dataclass(frozen=True)
class Differences:
    """What changed since a split was put in place; paths are relative to its folder.

    Attributes:
        missing: files that are gone.
        changed: files with other bytes.
        extra: sound files that were not there.
    """

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.extra)

    def lines(self, most: int = _SHOWN) -> list[str]:
        """One line a file, the first of each kind."""
        out = []
        for kind, paths in (
            ("missing", self.missing),
            ("changed", self.changed),
            ("extra", self.extra),
        ):
            out += [f"{kind}: {path}" for path in paths[:most]]
            if len(paths) > most:
                out.append(f"{kind}: and {len(paths) - most} more")
        return out


def compare(
    folder: Path, marker: Marker, settings: Settings, stage: str, progress: Progress
) -> Differences:
    """Read every file of a split again and hold it against its marker.

    Args:
        folder: the split's folder.
        marker: what was put there.
        settings: how many threads.
        stage: what to call it.
        progress: told of files.
    """

    def same(path: str) -> bool | None:
        """Whether a file is as it was; None where it is gone."""
        record, file = marker.files[path], folder / path
        try:
            return file.stat().st_size == record.size and clip_hash_of(file) == record.digest
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return False

    paths = list(marker.files)
    verdicts = dict(zip(paths, _in_batches(same, paths, settings, stage, progress), strict=True))
    there = {path.as_posix() for path in files_below(folder) if is_sound(path)}
    return Differences(
        missing=tuple(path for path, found in verdicts.items() if found is None),
        changed=tuple(path for path, found in verdicts.items() if found is False),
        extra=tuple(sorted(there - set(paths))),
    )


def files_below(folder: Path) -> list[PurePosixPath]:
    """All files of a folder but hidden ones and what desktops leave, sorted, relative to it."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = PurePosixPath(Path(place).relative_to(folder).as_posix())
        found += [relative / name for name in names]
    return sorted(path for path in found if not is_junk(path))


def unreadable_below(
    folder: Path,
    sounds: Sequence[PurePosixPath],
    settings: Settings,
    stage: str,
    progress: Progress,
) -> dict[str, str]:
    """Which of the sound files of a folder cannot be read, and why."""

    def cause(path: PurePosixPath) -> str | None:
        try:
            probe(folder / path)
        except InputError as error:
            return str(error).removeprefix(f"{folder / path}: ")
        return None

    causes = _in_batches(cause, sounds, settings, stage, progress)
    return {
        path.as_posix(): why for path, why in zip(sounds, causes, strict=True) if why is not None
    }


def _in_batches(
    function: Callable[[T], R],
    items: Sequence[T],
    settings: Settings,
    stage: str,
    progress: Progress,
) -> list[R]:
    """As `in_threads`, telling of progress from this thread alone."""
    done: list[R] = []
    for first in range(0, len(items), _BATCH):
        progress(stage, first, len(items))
        done += in_threads(function, items[first : first + _BATCH], settings)
    if items:
        progress(stage, len(items), len(items))
    return done

"""Verify published sets on disk: every file against the marker, and every sound file readable."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from darksound.audio.files import probe
from darksound.datasets.archives import ArchiveError
from darksound.datasets.disk import hash_file, new_clip_hash
from darksound.datasets.marker import (
    Check,
    Marker,
    SplitState,
    all_split_states,
    content_check,
    read_split_state,
)
from darksound.datasets.registry import select_splits
from darksound.datasets.unpack import clips_per_species, is_sound
from darksound.errors import DownloadError, InputError
from darksound.parallel.workers import map_in_threads
from darksound.progress import Progress, silent
from darksound.settings import ComputeSettings, Settings

__all__ = ["Differences", "Verification", "compare", "find_unreadable", "verify"]

T = TypeVar("T")
R = TypeVar("R")

_SHOWN = 20
_BATCH = 256


@dataclass(frozen=True)
class Differences:
    """Changes of a split since its installation, as paths in its folder.

    Attributes:
        missing: files that do not exist any more.
        changed: files with other bytes.
        extra: sound files that were added.
    """

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.extra)

    def by_kind(self) -> dict[str, tuple[str, ...]]:
        """Return the paths of each kind of change."""
        return {"missing": self.missing, "changed": self.changed, "extra": self.extra}

    def lines(self) -> list[str]:
        """Return one line per file, for the first files of each kind."""
        lines = []
        for kind, paths in self.by_kind().items():
            lines += [f"{kind}: {path}" for path in paths[:_SHOWN]]
            if len(paths) > _SHOWN:
                lines.append(f"{kind}: and {len(paths) - _SHOWN} more")
        return lines


@dataclass(frozen=True)
class Verification:
    """The result of verifying one split.

    Attributes:
        state: what is on disk.
        check: what was verified at its installation, or now where there is no marker.
        n_clips, n_species: the counts.
        has_marker: whether there is a marker to compare to.
        differences: changes since its installation.
        unreadable: reason for each sound file that cannot be read.
    """

    state: SplitState
    check: Check
    n_clips: int
    n_species: int
    has_marker: bool
    differences: Differences = field(default_factory=Differences)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def damaged(self) -> bool:
        """Return whether files or the marker changed since its installation."""
        return bool(self.differences) or self.state.marker_error is not None


def verify(
    *what: str, settings: Settings | None = None, progress: Progress = silent
) -> tuple[Verification, ...]:
    """Read published sets on disk again and compare every file to the marker.

    Args:
        what: sets or splits; none: all that are on disk.
        settings: the data folder and the number of threads; None: the defaults.
        progress: receives numbers of files.

    Raises:
        InputError: there is no such set or split.
        DownloadError: a named split is not on disk.
    """
    compute = (settings if settings is not None else Settings()).compute
    if what:
        states = [read_split_state(split, compute) for split in select_splits(*what)]
        for state in states:
            if not state.exists:
                raise DownloadError(
                    f"{state.split.spec} is not on disk (looked in {state.folder}); download it "
                    f"with `darksound download {state.split.spec}`."
                )
    else:
        states = [state for state in all_split_states(compute) if state.exists]
    return tuple(_verify_split(state, compute, progress) for state in states)


def _verify_split(state: SplitState, settings: ComputeSettings, progress: Progress) -> Verification:
    stage = f"Verify {state.split.spec} (files)"
    marker = state.marker
    if marker is not None:
        return Verification(
            state,
            marker.check,
            marker.n_clips,
            len(marker.species),
            has_marker=True,
            differences=compare(state.folder, marker, settings, stage, progress),
            unreadable=marker.unreadable,
        )
    sounds = _sounds_below(state.folder)
    try:
        species = clips_per_species(sounds)
    except ArchiveError as error:
        raise DownloadError(f"{state.folder}: {error}") from None
    unreadable = find_unreadable(state.folder, sounds, settings, stage, progress)
    note = state.marker_error or "it was put there by hand"
    check = content_check(state.split, species, len(unreadable), note)
    return Verification(
        state, check, len(sounds), len(species), has_marker=False, unreadable=unreadable
    )


def compare(
    folder: Path, marker: Marker, settings: ComputeSettings, stage: str, progress: Progress
) -> Differences:
    """Return the differences between the files of a split and its marker.

    Args:
        folder: the split's folder.
        marker: its marker.
        settings: the number of threads.
        stage: name of the stage for `progress`.
        progress: receives numbers of files.
    """

    def is_unchanged(path: str) -> bool | None:
        """Return whether a file is unchanged; None where it is missing."""
        record, file = marker.files[path], folder / path
        try:
            return (
                file.stat().st_size == record.size
                and hash_file(file, new_clip_hash()) == record.digest
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return False

    paths = list(marker.files)
    unchanged = _map_in_batches(is_unchanged, paths, settings, stage, progress)
    results = list(zip(paths, unchanged, strict=True))
    sounds = {path.as_posix() for path in _sounds_below(folder)}
    return Differences(
        missing=tuple(path for path, result in results if result is None),
        changed=tuple(path for path, result in results if result is False),
        extra=tuple(sorted(sounds - set(paths))),
    )


def find_unreadable(
    folder: Path,
    sounds: Sequence[PurePosixPath],
    settings: ComputeSettings,
    stage: str,
    progress: Progress,
) -> dict[str, str]:
    """Return the reason for each sound file of a folder that cannot be read."""

    def reason(path: PurePosixPath) -> str | None:
        try:
            probe(folder / path)
        except InputError as error:
            return str(error).removeprefix(f"{folder / path}: ")
        return None

    reasons = _map_in_batches(reason, sounds, settings, stage, progress)
    return {
        path.as_posix(): text
        for path, text in zip(sounds, reasons, strict=True)
        if text is not None
    }


def _sounds_below(folder: Path) -> list[PurePosixPath]:
    """Return the sound files below a folder, sorted, relative to it."""
    files: list[PurePosixPath] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = PurePosixPath(Path(parent).relative_to(folder).as_posix())
        files += [relative / name for name in names]
    return sorted(path for path in files if is_sound(path))


def _map_in_batches(
    function: Callable[[T], R],
    items: Sequence[T],
    settings: ComputeSettings,
    stage: str,
    progress: Progress,
) -> list[R]:
    """Apply a function in threads, and report progress from this thread only."""
    results: list[R] = []
    for first in range(0, len(items), _BATCH):
        progress(stage, first, len(items))
        results += map_in_threads(function, items[first : first + _BATCH], settings)
    if items:
        progress(stage, len(items), len(items))
    return results

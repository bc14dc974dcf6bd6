"""Where in an archive a split lies, whatever its packer put around it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType

from darksound.audio.files import SUFFIXES
from darksound.datasets.archives import ArchiveError
from darksound.datasets.guards import is_junk

__all__ = ["find_split", "find_splits", "inner_split", "is_inner", "is_sound", "species_of"]

#: What the folder or the inner archive of a split may be called, in lower case.
_NAMES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "train": frozenset({"train", "training"}),
        "val": frozenset({"val", "valid", "validation"}),
        "test": frozenset({"test", "testing"}),
    }
)
_PACKED = (".zip", ".tar", ".tar.gz", ".tgz")
_SHOWN = 5


def is_sound(path: PurePosixPath) -> bool:
    """Whether a file of an archive is sound by its suffix."""
    return path.suffix.lower() in SUFFIXES and not is_junk(path)


def is_inner(path: PurePosixPath) -> bool:
    """Whether a file of an archive is an archive itself by its suffix."""
    return path.name.lower().endswith(_PACKED) and not is_junk(path)


def find_splits(sounds: Sequence[PurePosixPath], splits: Sequence[str]) -> dict[str, PurePosixPath]:
    """The folder of each split that has one, wherever it lies.

    Args:
        sounds: the sound files of an archive.
        splits: what is looked for.

    Returns:
        By split, the folder that its families or species lie in.

    Raises:
        ArchiveError: there are two such folders and no telling which is meant.
    """
    found = {split: _folder_of(sounds, split) for split in splits}
    return {split: folder for split, folder in found.items() if folder is not None}


def find_split(sounds: Sequence[PurePosixPath], split: str, layout: Sequence[str]) -> PurePosixPath:
    """The folder of the one split that an archive holds.

    Args:
        sounds: its sound files.
        split: the split.
        layout: the folders that are published between the split's folder and a clip.

    Raises:
        ArchiveError: there is no sound, or the archive is of another split.
    """
    if not sounds:
        raise ArchiveError(f"The archive holds no sound files; {split} cannot be in it.")
    folder = _folder_of(sounds, split)
    if folder is not None:
        return folder
    others = find_splits(sounds, [name for name in _NAMES if name != split])
    if others:
        raise ArchiveError(
            f"The archive holds {', '.join(others)}, but no folder {split!r}; name what it is with "
            f"--as."
        )
    return _unwrapped(sounds, len(layout))


def inner_split(path: PurePosixPath, splits: Sequence[str]) -> str | None:
    """The split that an inner archive is named after, such as `darksound_test.zip`."""
    words = set(re.split(r"[^a-z]+", path.name.lower()))
    named = [split for split in splits if words & _NAMES[split]]
    return named[0] if len(named) == 1 else None


def species_of(sounds: Sequence[PurePosixPath]) -> dict[str, int]:
    """Clips of each species, which is the folder that a clip lies in.

    Args:
        sounds: relative to the split's folder.

    Raises:
        ArchiveError: a clip lies in no folder.
    """
    loose = [path.name for path in sounds if len(path.parts) < 2]
    if loose:
        raise ArchiveError(
            f"{len(loose)} sound files lie in no species' folder, such as {loose[0]!r}; published "
            f"sets have one folder a species."
        )
    return dict(sorted(Counter(path.parent.name for path in sounds).items()))


def _folder_of(sounds: Sequence[PurePosixPath], split: str) -> PurePosixPath | None:
    """The outermost folder called like the split; of nested ones the innermost."""
    names = _NAMES[split]
    candidates = {
        PurePosixPath(*path.parts[: depth + 1])
        for path in sounds
        for depth, part in enumerate(path.parts[:-1])
        if part.lower() in names
    }
    if not candidates:
        return None
    top = min(len(folder.parts) for folder in candidates)
    outermost = sorted(folder for folder in candidates if len(folder.parts) == top)
    if len(outermost) > 1:
        raise ArchiveError(
            f"The archive has several folders that may be {split}: "
            f"{', '.join(map(str, outermost[:_SHOWN]))}; unpack the right one by hand."
        )
    folder = outermost[0]
    while True:
        inside = {_below(path, folder).parts[0] for path in sounds if _is_below(path, folder)}
        only = next(iter(inside)) if len(inside) == 1 else ""
        if only.lower() not in names:
            return folder
        folder /= only


def _unwrapped(sounds: Sequence[PurePosixPath], depth: int) -> PurePosixPath:
    """The folder below which clips lie at most `depth` folders deep, if only wrappers are above."""
    folder = PurePosixPath()
    while max(len(_below(path, folder).parts) for path in sounds) - 1 > depth:
        inside = {_below(path, folder).parts[0] for path in sounds}
        if len(inside) > 1:
            break
        folder /= next(iter(inside))
    return folder


def _is_below(path: PurePosixPath, folder: PurePosixPath) -> bool:
    return path.parts[: len(folder.parts)] == folder.parts


def _below(path: PurePosixPath, folder: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*path.parts[len(folder.parts) :])

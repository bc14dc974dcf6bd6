"""Listing of the files in a folder and below, without those that systems keep there."""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from darksound.audio.files import SUFFIXES
from darksound.audio.names import composed, recording_text
from darksound.rois.roi_set import Problem
from darksound.system_errors import reading_error
from darksound.text import path_text

__all__ = ["FileList", "find_recordings", "list_files"]

logger = logging.getLogger(__name__)

# Folders in which systems, cameras' disks, network storage and synchronisation keep deleted files,
# thumbnails and old versions. Those whose name begins with a dot are hidden anyway.
_SYSTEM_FOLDERS = re.compile(
    r"\$recycle\.bin|recycler|recycled|system volume information|found\.\d{3}|lost\+found|__macosx"
    r"|@eadir|#recycle|@recycle|#snapshot|lost\.dir|network trash folder|temporary items",
    re.IGNORECASE,
)
# macOS stores the resource fork of `a.wav` as `._a.wav` on disks that have no place for it.
_HIDDEN = "."


@dataclass
class FileList:
    """The files in a folder and below.

    Attributes:
        files: text of the path relative to the root, and the path on disk; sorted by the text.
        problems: folders that cannot be opened, and files whose name reads as another one's.
        n_hidden: number of hidden files and of hidden or system folders that were skipped.
    """

    files: list[tuple[str, Path]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    n_hidden: int = 0

    def with_suffix(self, suffixes: Iterable[str]) -> "FileList":
        """Return the list of the files that have one of the suffixes, in upper or lower case."""
        wanted = frozenset(suffixes)
        files = [(text, path) for text, path in self.files if path.suffix.lower() in wanted]
        return FileList(files, self.problems, self.n_hidden)


def list_files(root: Path, below: str = "") -> FileList:
    """List the files below `root / below`.

    Hidden files and folders (`.name`) and the folders of systems, such as trash, are skipped.
    Links to folders are followed, each folder once. Names are never patterns.

    Args:
        root: folder that the paths are relative to.
        below: list only the part of `root` below this relative path.
    """
    listed = FileList()
    visited: set[str] = set()
    folders = [Path(root, below)]
    while folders:
        folder = folders.pop()
        real_path = os.path.realpath(folder)
        if real_path in visited:
            continue
        visited.add(real_path)
        try:
            with os.scandir(folder) as entries:
                found = sorted((entry.name, _is_folder(entry)) for entry in entries)
        except OSError as error:
            text = recording_text(folder.relative_to(root))
            cause = f"{path_text(folder)}: {reading_error(folder, error)}."
            listed.problems.append(Problem(text, cause))
            continue
        for name, is_folder in reversed(found):
            if name.startswith(_HIDDEN) or (is_folder and _SYSTEM_FOLDERS.fullmatch(name)):
                listed.n_hidden += 1
            elif is_folder:
                folders.append(folder / name)
            else:
                path = folder / name
                listed.files.append((recording_text(path.relative_to(root)), path))
    listed.files.sort()
    return listed


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself, which is an error as soon as it is read
        return False


def find_recordings(root: Path, below: str = "") -> tuple[list[str], list[Problem]]:
    """Find the sound files below `root / below`, see `list_files`.

    Suffixes match in upper and lower case.

    Returns:
        Sorted POSIX paths relative to `root`, and a problem for each folder that cannot be opened
        and for each recording whose name is the same as another one's in text.
    """
    every = list_files(root, below)
    sounds = every.with_suffix(SUFFIXES)
    n_others = len(every.files) - len(sounds.files)
    if n_others:
        logger.info(
            "%s: skipped %d files that have no suffix of a sound file.", path_text(root), n_others
        )
    if every.n_hidden:
        logger.info(
            "%s: skipped %d hidden files and folders, or folders of the system such as trash.",
            path_text(root),
            every.n_hidden,
        )
    recordings: dict[str, str] = {}
    problems = list(every.problems)
    for text, path in sounds.files:
        # ROIs have the same ids in both forms of a name.
        name = composed(text)
        if name in recordings:
            problems.append(Problem(text, _same_name(path, recordings[name])))
        else:
            recordings[name] = text
    return list(recordings.values()), problems


def _same_name(path: Path, other: str) -> str:
    return (
        f"{path_text(path)}: its name differs from that of {other} only in the form of accents or "
        "in bytes that are not UTF-8, so the two would have the same ROI ids; rename one of them."
    )

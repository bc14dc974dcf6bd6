"""Finding the sound files below a folder."""

import logging
import os
from pathlib import Path

from darksound.audio.files import SUFFIXES
from darksound.data.rois import Problem

__all__ = ["find_recordings"]

logger = logging.getLogger(__name__)


def find_recordings(root: Path, below: str = "") -> tuple[list[str], list[Problem]]:
    """Sound files below `root / below`, as sorted POSIX paths relative to `root`.

    Suffixes count whatever their case. Hidden files and folders are passed over. Links to
    folders are followed, each folder once.

    Returns:
        The paths, and folders that could not be looked into.
    """
    found: list[str] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    others = 0

    def blocked(error: OSError) -> None:
        where = Path(error.filename).relative_to(root).as_posix()
        problems.append(Problem(where, f"{error.filename}: cannot be opened ({error.strerror})."))

    for folder, folders, names in os.walk(root / below, onerror=blocked, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = [name for name in names if not name.startswith(".")]
        sounds = [name for name in visible if Path(name).suffix.lower() in SUFFIXES]
        others += len(visible) - len(sounds)
        place = Path(folder).relative_to(root)
        found += [(place / name).as_posix() for name in sounds]
    if others:
        logger.info("%s: %d files passed over that are no sound by their suffix.", root, others)
    return sorted(found), problems

"""A folder of sound files: any depth, the parent folder being the label."""

import logging
import os
from pathlib import Path, PurePosixPath

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.data.readers import DispatchReader
from darksound.data.rois import Problem, RoiSet
from darksound.data.source import Request, Source
from darksound.data.table import as_roi_table
from darksound.data.windows import all_left_out, untimed_rows
from darksound.errors import InputError

__all__ = ["FOLDER", "SPLITS", "find_recordings", "load_folder"]

logger = logging.getLogger(__name__)

#: A folder of one of these names directly below the root is a split.
SPLITS = ("train", "val", "test")


def load_folder(root: Path, request: Request, below: str = "") -> RoiSet:
    """ROIs of all sound files below a folder, or of one file.

    Args:
        root: what recordings are relative to.
        request: what becomes of a file.
        below: only the part of `root` below this relative path.

    Raises:
        InputError: there is no sound below the folder, or none of it can be used.
    """
    root = root.resolve()
    problems: list[Problem] = []
    if root.is_file():
        root, recordings = root.parent, [root.name]
    else:
        recordings, problems = find_recordings(root, below)
    if not recordings:
        raise InputError(
            f"{root / below}: no sound files there or in the folders below; "
            f"sound files end in {', '.join(sorted(SUFFIXES))}."
        )
    files = pd.DataFrame(
        {
            "recording": recordings,
            "label": [_label(PurePosixPath(r)) for r in recordings],
            "split": [_split(PurePosixPath(r)) for r in recordings],
        }
    )
    rows, left_out = untimed_rows(root, files, request)
    problems += left_out
    if rows.empty:
        raise all_left_out(str(root), problems)
    return RoiSet(as_roi_table(rows), DispatchReader(), tuple(problems))


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


def _label(recording: PurePosixPath) -> str | None:
    folders = recording.parts[:-1]
    if not folders or folders in {(split,) for split in SPLITS}:
        return None
    return folders[-1]


def _split(recording: PurePosixPath) -> str | None:
    first = recording.parts[0]
    return first if len(recording.parts) > 1 and first in SPLITS else None


def _matches(spec: str) -> bool:
    path = Path(spec)
    return path.is_dir() or (path.is_file() and path.suffix.lower() in SUFFIXES)


FOLDER = Source(
    written="a folder of sound files (or one sound file)",
    matches=_matches,
    identity=lambda spec: str(Path(spec).resolve()),
    load=lambda spec, request: load_folder(Path(spec), request),
)

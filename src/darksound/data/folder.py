"""A folder of sound files: any depth, the parent folder being the label."""

from pathlib import Path, PurePosixPath

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.data.annotations.loading import load_annotations
from darksound.data.finding import find_recordings
from darksound.data.readers import DispatchReader
from darksound.data.rois import Problem, RoiSet
from darksound.data.source import Request, Source
from darksound.data.table import as_roi_table
from darksound.data.untimed import all_left_out, untimed_rows
from darksound.errors import InputError

__all__ = ["FOLDER", "SPLITS", "load_folder"]

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
    if request.mode == "annotations" and root.is_dir():
        return load_annotations(root / below, request)
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
    untimed = untimed_rows(root, files, request)
    problems += untimed.problems
    if not untimed.usable:
        raise all_left_out(str(root), problems)
    return RoiSet(as_roi_table(untimed.rows), DispatchReader(), tuple(problems))


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

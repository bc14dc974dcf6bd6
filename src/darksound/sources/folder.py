"""Published sets, where they are on disk."""

from pathlib import Path, PurePosixPath

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.datasets import registry
from darksound.datasets.registry import data_folder
from darksound.errors import InputError
from darksound.rois.roi_set import Problem, RoiSet, as_roi_table
from darksound.sources.annotations.loading import load_annotations
from darksound.sources.contract import Request, Source
from darksound.sources.recordings import find_recordings
from darksound.sources.untimed import all_left_out, untimed_rows
from darksound.store.readers import DispatchReader

__all__ = ["FOLDER", "PUBLISHED", "SPLITS", "load_folder", "load_published"]

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


def load_published(spec: str, request: Request) -> RoiSet:
    """ROIs of `SET` (all splits that are there) or `SET:SPLIT`.

    Raises:
        InputError: there is no such split, or it is not on disk.
    """
    name, _, split = spec.partition(":")
    published = registry.REGISTRY[name]
    if split and split not in published.splits:
        has = ", ".join(each.spec for each in published.splits.values())
        raise InputError(f"There is no {spec}; there are {has}.")
    root = data_folder(request.settings.compute) / name
    wanted = [split] if split else list(published.splits)
    if not any((root / each).is_dir() for each in wanted):
        raise InputError(
            f"{spec} is not on disk (looked in {root / split}). `darksound download {spec}` "
            f"fetches it from {published.home}; where it is elsewhere, say so with DARKSOUND_DATA. "
            f"`--data demo` needs nothing."
        )
    return load_folder(root, request, below=split)


def _written() -> str:
    return " or ".join(
        f"{name}[:{'|'.join(published.splits)}]" for name, published in registry.REGISTRY.items()
    )


PUBLISHED = Source(
    written=_written(),
    matches=lambda spec: spec.partition(":")[0] in registry.REGISTRY,
    identity=lambda spec: spec,
    load=load_published,
)

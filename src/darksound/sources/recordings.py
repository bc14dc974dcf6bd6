"""Where recordings are from, asked of many at once."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.audio.origin import Origin, origin_of
from darksound.parallel.workers import in_threads
from darksound.rois.roi_set import Problem
from darksound.settings import Settings
from darksound.synthesis.demo import is_demo

__all__ = ["find_recordings", "origins_of", "told_by", "with_origins"]

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


_COLUMNS = ("recorded_at", "recorder", "gain")


def told_by(origin: Origin) -> dict[str, str | None]:
    """What an origin tells, as columns of the ROI table."""
    return {name: getattr(origin, name) for name in _COLUMNS}


def origins_of(root: Path, recordings: Sequence[str], settings: Settings) -> dict[str, Origin]:
    """Where each recording below `root` is from."""
    found = in_threads(lambda recording: origin_of(root / recording), recordings, settings)
    return dict(zip(recordings, found, strict=True))


def with_origins(rows: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Rows with what their recordings tell of their origin, unless they have such columns.

    Args:
        rows: with `root` and `recording`.
        settings: how many threads ask.
    """
    if any(name in rows.columns for name in _COLUMNS):
        return rows
    parts = []
    for root, own in rows.groupby("root", sort=False):
        names = own["recording"].unique().tolist()
        asked = {} if is_demo(str(root)) else origins_of(Path(str(root)), names, settings)
        told = [told_by(asked.get(name, Origin())) for name in own["recording"]]
        parts.append(pd.concat([own, pd.DataFrame(told, own.index)], axis=1))
    return pd.concat(parts).loc[rows.index] if parts else rows

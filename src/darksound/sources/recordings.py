"""Find recordings in folders, and read when and by which recorder they were made."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.audio.recording_metadata import RecordingMetadata, read_recording_metadata
from darksound.parallel.workers import map_in_threads
from darksound.rois.roi_set import Problem
from darksound.settings import ComputeSettings
from darksound.synthesis.demo import is_demo

__all__ = ["find_recordings", "origin_columns", "origins_of", "with_origins"]

logger = logging.getLogger(__name__)

_ORIGIN_COLUMNS = ("recorded_at", "recorder", "gain")


def find_recordings(root: Path, below: str = "") -> tuple[list[str], list[Problem]]:
    """Find the sound files below `root / below`.

    Suffixes match in upper and lower case. Hidden files and folders are skipped. Links to folders
    are followed, each folder once.

    Returns:
        Sorted POSIX paths relative to `root`, and a problem for each folder that cannot be opened.
    """
    recordings: list[str] = []
    problems: list[Problem] = []
    visited: set[str] = set()
    skipped = 0

    def note_error(error: OSError) -> None:
        folder = Path(error.filename).relative_to(root).as_posix()
        problems.append(Problem(folder, f"{error.filename}: cannot be opened ({error.strerror})."))

    for folder, subfolders, names in os.walk(root / below, onerror=note_error, followlinks=True):
        real_path = os.path.realpath(folder)
        if real_path in visited:
            subfolders.clear()
            continue
        visited.add(real_path)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        visible = [name for name in names if not name.startswith(".")]
        sounds = [name for name in visible if Path(name).suffix.lower() in SUFFIXES]
        skipped += len(visible) - len(sounds)
        relative = Path(folder).relative_to(root)
        recordings += [(relative / name).as_posix() for name in sounds]
    if skipped:
        logger.info("%s: skipped %d files that have no suffix of a sound file.", root, skipped)
    return sorted(recordings), problems


def origin_columns(origin: RecordingMetadata) -> dict[str, str | None]:
    """Return the columns of the ROI table that an origin fills."""
    return {name: getattr(origin, name) for name in _ORIGIN_COLUMNS}


def origins_of(
    root: Path, recordings: Sequence[str], compute: ComputeSettings
) -> dict[str, RecordingMetadata]:
    """Return the origin (time, recorder, gain) of each recording below `root`."""
    origins = map_in_threads(
        lambda recording: read_recording_metadata(root / recording), recordings, compute
    )
    return dict(zip(recordings, origins, strict=True))


def with_origins(rows: pd.DataFrame, compute: ComputeSettings) -> pd.DataFrame:
    """Add the columns `recorded_at`, `recorder` and `gain`, unless the rows have one of them.

    Args:
        rows: with `root` and `recording`.
        compute: number of threads that read the recordings' headers.
    """
    if any(name in rows.columns for name in _ORIGIN_COLUMNS):
        return rows
    parts = []
    for root, rows_of_root in rows.groupby("root", sort=False):
        names = rows_of_root["recording"].unique().tolist()
        origins = {} if is_demo(str(root)) else origins_of(Path(str(root)), names, compute)
        columns = pd.DataFrame(
            [
                origin_columns(origins.get(name, RecordingMetadata()))
                for name in rows_of_root["recording"]
            ],
            rows_of_root.index,
        )
        parts.append(pd.concat([rows_of_root, columns], axis=1))
    return pd.concat(parts).loc[rows.index] if parts else rows

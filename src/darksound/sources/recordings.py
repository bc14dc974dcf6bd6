"""Read when and by which recorder recordings were made."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from darksound.audio.names import recording_path
from darksound.audio.recording_metadata import RecordingMetadata, read_recording_metadata
from darksound.errors import failure_cause
from darksound.parallel.workers import map_in_threads
from darksound.settings import ComputeSettings
from darksound.synthesis.demo_splits import is_demo

__all__ = ["log_missing_times", "origin_columns", "origins_of", "with_origins"]

logger = logging.getLogger(__name__)

_ORIGIN_COLUMNS = ("recorded_at", "recorder", "gain")
_MAX_LISTED = 3


def origin_columns(origin: RecordingMetadata) -> dict[str, str | None]:
    """Return the columns of the ROI table that an origin fills."""
    return {name: getattr(origin, name) for name in _ORIGIN_COLUMNS}


def origins_of(
    root: Path | str, recordings: Sequence[str], compute: ComputeSettings
) -> dict[str, RecordingMetadata]:
    """Return the origin (time, recorder, gain) of each recording below a root or its text."""
    origins = map_in_threads(
        lambda recording: _origin(recording_path(root, recording)),
        recordings,
        compute,
    )
    return dict(zip(recordings, origins, strict=True))


def _origin(path: Path) -> RecordingMetadata:
    try:
        return read_recording_metadata(path)
    except Exception as error:
        # The sound does not depend on it.
        logger.warning("No time and recorder were read: %s", failure_cause(path, error))
        return RecordingMetadata()


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
        origins = {} if is_demo(str(root)) else origins_of(str(root), names, compute)
        columns = pd.DataFrame(
            [
                origin_columns(origins.get(name, RecordingMetadata()))
                for name in rows_of_root["recording"]
            ],
            rows_of_root.index,
        )
        parts.append(pd.concat([rows_of_root, columns], axis=1))
    return pd.concat(parts).loc[rows.index] if parts else rows


def log_missing_times(times: Mapping[str, str | None], even_if_all: bool = False) -> None:
    """Log how many recordings give no time, if others do.

    Args:
        times: when each recording was made, by its name.
        even_if_all: also log if no recording gives a time, which is usual for clips.
    """
    missing = [name for name, recorded_at in times.items() if pd.isna(recorded_at)]
    if not missing or (len(missing) == len(times) and not even_if_all):
        return
    names = ", ".join(missing[:_MAX_LISTED]) + (", ..." if len(missing) > _MAX_LISTED else "")
    effect = "plots by hour of the day leave them out"
    if len(missing) == len(times):
        effect = "plots by hour count the hours of the recording"
    logger.info(
        "%d of %d recordings give no time of recording (%s): %s.",
        len(missing),
        len(times),
        names,
        effect,
    )

"""Read when and by which recorder recordings were made."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darksound.audio.names import recording_path
from darksound.audio.recording_metadata import RecordingMetadata, read_recording_metadata
from darksound.parallel.workers import map_in_threads
from darksound.settings import ComputeSettings
from darksound.synthesis.demo import is_demo

__all__ = ["origin_columns", "origins_of", "with_origins"]

_ORIGIN_COLUMNS = ("recorded_at", "recorder", "gain")


def origin_columns(origin: RecordingMetadata) -> dict[str, str | None]:
    """Return the columns of the ROI table that an origin fills."""
    return {name: getattr(origin, name) for name in _ORIGIN_COLUMNS}


def origins_of(
    root: Path | str, recordings: Sequence[str], compute: ComputeSettings
) -> dict[str, RecordingMetadata]:
    """Return the origin (time, recorder, gain) of each recording below a root or its text."""
    origins = map_in_threads(
        lambda recording: read_recording_metadata(recording_path(root, recording)),
        recordings,
        compute,
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

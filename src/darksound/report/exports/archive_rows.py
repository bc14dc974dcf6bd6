"""Recordings as exports for archives name them: without folders of this machine."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.report.exports.base import ExportContent
from darksound.report.exports.targets import distinct, root_names
from darksound.rois.effort import as_effort_table

__all__ = ["archive_recordings", "iso_times", "names_of_recordings", "stable_uuid"]

_KEYS = ["root", "recording"]
# Any fixed one; the same recording and ROI get the same identifier in every export.
_NAMESPACE = uuid.UUID("5d1c31e7-3a0c-5b59-9b1d-6e0a3b8f4c11")


def archive_recordings(content: ExportContent) -> pd.DataFrame:
    """Return one row a recording that was looked at: columns of effort, and a unique `name`.

    The name is its path, below the name of its root if there are several roots.
    Recordings of ROIs that the table of effort lacks, as all do in runs without it, are rows too,
    with missing `used_s` and `lost_s`.
    """
    effort = content.result.effort
    columns = [*_KEYS, "site", "recorder", "recorded_at"]
    of_rois = content.table[columns].drop_duplicates(_KEYS)
    if effort is None:
        unknown = of_rois
        known = as_effort_table(of_rois.iloc[:0])
    else:
        known = effort
        keys = pd.MultiIndex.from_frame(of_rois[_KEYS].astype(object))
        unknown = of_rois[~keys.isin(pd.MultiIndex.from_frame(effort[_KEYS].astype(object)))]
    added = as_effort_table(unknown).assign(used_s=float("nan"), lost_s=float("nan"))
    table = pd.concat([known, added], ignore_index=True) if len(known) else added
    table = table.sort_values(_KEYS, kind="stable", ignore_index=True)
    return table.assign(name=_names(table))


def names_of_recordings(rois: pd.DataFrame, recordings: pd.DataFrame) -> "pd.Series[str]":
    """Return the name of the recording of each ROI, with the index of the ROIs.

    Args:
        rois: with `root` and `recording`.
        recordings: what `archive_recordings` returned.
    """
    of_pair = recordings.set_index(_KEYS)["name"]
    pairs = pd.MultiIndex.from_frame(rois[_KEYS].astype(object))
    return pd.Series(of_pair.reindex(pairs).to_numpy(), index=rois.index)


def _names(recordings: pd.DataFrame) -> list[str]:
    """Return the path of each recording, below the name of its root if there are several."""
    folders = root_names(recordings["root"])
    several = len(folders) > 1
    pairs = recordings[_KEYS].itertuples(index=False, name=None)
    return distinct(f"{folders[root]}/{path}" if several else path for root, path in pairs)


def stable_uuid(*parts: str) -> str:
    """Return a UUID that depends on the parts alone."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))


def iso_times(recorded_at: Iterable[object], seconds: npt.NDArray[np.float64]) -> list[str]:
    """Return times so many seconds after the starts of recordings, ISO 8601, in whole seconds.

    Args:
        recorded_at: `n` starts, ISO 8601, with or without an offset; or missing.
        seconds: `(n,)`, after the start.

    Returns:
        `n` texts, empty where the start or the seconds are not known.
    """
    return [_later(start, each) for start, each in zip(recorded_at, seconds.tolist(), strict=True)]


def _later(start: object, seconds: float) -> str:
    try:
        time = datetime.fromisoformat(str(start)) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return ""
    return time.isoformat(timespec="seconds")

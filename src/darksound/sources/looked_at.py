"""Which recordings were looked at, for how long, and in which weather."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darksound.audio.files import AudioInfo
from darksound.audio.recording_metadata import RecordingMetadata
from darksound.errors import InputError
from darksound.parallel.workers import probe_recordings
from darksound.rois.effort import as_effort_table, counted_effort
from darksound.rois.roi_set import RoiSet
from darksound.settings import ComputeSettings
from darksound.sources.recordings import origin_columns, origins_of
from darksound.text import path_text

__all__ = ["LookedAt", "ProbedFiles", "effort_rows", "probe_files", "with_effort"]

# Quality flags whose share of the time is in the table of effort.
_WEATHER = ("rain", "wind")
# Differences in length below this are rounding to frames.
_FRAMES_S = 0.1
_UNKNOWN = RecordingMetadata()


@dataclass(frozen=True)
class ProbedFiles:
    """What headers and names of recordings show.

    Attributes:
        headers: length, rate and channels of each recording, or why it cannot be used.
        origins: time and recorder of each recording.
    """

    headers: Mapping[str, AudioInfo | InputError]
    origins: Mapping[str, RecordingMetadata]

    @property
    def infos(self) -> dict[str, AudioInfo]:
        """Return length, rate and channels of the recordings that can be used."""
        return {k: info for k, info in self.headers.items() if isinstance(info, AudioInfo)}

    @property
    def errors(self) -> dict[str, InputError]:
        """Return the errors of the recordings that cannot be used."""
        return {k: error for k, error in self.headers.items() if isinstance(error, InputError)}


@dataclass(frozen=True)
class LookedAt:
    """What of a recording was searched for ROIs.

    Attributes:
        used_s: seconds that were searched.
        chunks: its chunks, `start_s`, `end_s` and `quality_flags`; None without segmentation.
    """

    used_s: float
    chunks: pd.DataFrame | None = None


def probe_files(root: Path, recordings: Sequence[str], compute: ComputeSettings) -> ProbedFiles:
    """Return what headers and names of recordings below a root show."""
    return ProbedFiles(
        probe_recordings(root, recordings, compute), origins_of(root, recordings, compute)
    )


def effort_rows(
    root: Path, files: pd.DataFrame, probed: ProbedFiles, searched: Mapping[str, LookedAt]
) -> pd.DataFrame:
    """Return the effort of recordings, a row a recording.

    Args:
        root: folder of the recordings.
        files: `recording`, and `site`, `recorder` and `recorded_at` where they are known otherwise.
        probed: headers and origins of the recordings.
        searched: what of each recording was searched; a recording that is missing was not.
    """
    files = files.drop_duplicates("recording").reset_index(drop=True)
    names = files["recording"].tolist()
    headers = [probed.headers.get(name) for name in names]
    lengths = [each.duration_s if isinstance(each, AudioInfo) else np.nan for each in headers]
    gaps = [each.missing_s if isinstance(each, AudioInfo) else np.nan for each in headers]
    length, gap = np.array(lengths), np.array(gaps)
    seen = [searched.get(name, LookedAt(0.0)) for name in names]
    used = np.array([each.used_s for each in seen])
    # Lengths of chunks are sums of frames.
    used = np.where(length - used < _FRAMES_S, length, used)
    table = pd.DataFrame(
        [origin_columns(probed.origins.get(name, _UNKNOWN)) for name in names],
        columns=list(origin_columns(_UNKNOWN)),
    )
    for column in ("recorder", "recorded_at"):
        if column in files:
            table[column] = files[column]
    return as_effort_table(
        pd.DataFrame(
            {
                "root": path_text(root),
                "recording": names,
                "site": files.get("site", pd.Series(np.nan, files.index)),
                "recorder": table["recorder"],
                "recorded_at": table["recorded_at"],
                "duration_s": length + gap,
                "used_s": used,
                "lost_s": np.round(length + gap - used, 6),
                **_weather([each.chunks for each in seen]),
            }
        )
    )


def _weather(chunks: Sequence[pd.DataFrame | None]) -> dict[str, list[object]]:
    """Return the flags of recordings, and the share of the time of those of weather."""
    columns: dict[str, list[object]] = {"quality_flags": []}
    columns |= {f"{name}_share": [] for name in _WEATHER}
    for table in chunks:
        if table is None or table.empty:
            columns["quality_flags"].append(None)
            for name in _WEATHER:
                columns[f"{name}_share"].append(np.nan)
            continue
        seconds = (table["end_s"] - table["start_s"]).to_numpy(np.float64)
        flags = [set(text.split()) for text in table["quality_flags"]]
        columns["quality_flags"].append(" ".join(sorted(set().union(*flags))) or None)
        for name in _WEATHER:
            with_flag = np.array([name in each for each in flags])
            share = seconds[with_flag].sum() / max(seconds.sum(), np.finfo(float).tiny)
            columns[f"{name}_share"].append(float(share))
    return columns


def with_effort(rois: RoiSet) -> RoiSet:
    """Return the set with its effort counted; without any, that of the recordings of its ROIs.

    Such recordings count as searched whole. Where their length is not known, it is that up to the
    end of the last ROI.
    """
    if rois.effort is not None:
        return rois.replace(effort=counted_effort(rois.effort, rois.table))
    first = rois.table.drop_duplicates(["root", "recording"])
    ends = rois.table.groupby(["root", "recording"])["end_s"].max()
    lengths = [
        _length(rois, root, name)
        for root, name in zip(first["root"], first["recording"], strict=True)
    ]
    last = ends.loc[list(zip(first["root"], first["recording"], strict=True))].to_numpy()
    length = np.array(lengths, dtype=np.float64)
    columns = ["root", "recording", "site", "recorder", "recorded_at"]
    effort = first[columns].reset_index(drop=True)
    effort["duration_s"] = length
    effort["used_s"] = np.where(np.isnan(length), last, length)
    effort["lost_s"] = np.where(np.isnan(length), np.nan, 0.0)
    return rois.replace(effort=counted_effort(as_effort_table(effort), rois.table))


def _length(rois: RoiSet, root: str, recording: str) -> float:
    try:
        return rois.reader.info(root, recording).duration_s
    except InputError:
        return float("nan")

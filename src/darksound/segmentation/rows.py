"""The ROIs and the chunks of a segmented recording as rows of tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.audio.files import AudioInfo
from darksound.segmentation.block import Chunk, Segmentation
from darksound.segmentation.boxes import BOX
from darksound.segmentation.events import Events, find_events
from darksound.segmentation.grid import Grid
from darksound.segmentation.hints import recording_hint
from darksound.settings import SegmentationSettings

__all__ = ["RecordingRois", "concatenate_blocks", "empty_chunk_table", "recording_rois"]

_CHUNK_COLUMNS = {
    "root": "str",
    "recording": "str",
    "start_s": "float64",
    "end_s": "float64",
    "level_db": "float64",
    "quality_flags": "str",
    "below_share": "float64",
    "above_share": "float64",
    "hint": "str",
}


@dataclass(frozen=True)
class RecordingRois:
    """The ROIs and chunks of a recording.

    Attributes:
        rows: one for each ROI: `start_s`, `end_s`, `low_hz`, `high_hz`, `snr_db`, `quality_flags`,
            `peak_hz`, `chorus`, `call_score`, and `units`, the `start-end` of each unit of a ROI
            of several.
        chunks: one for each chunk: `root` and `recording` (both empty), `start_s`, `end_s`,
            `level_db`, `quality_flags`, `below_share` and `above_share` of its energy outside the
            searched band, `hint`.
        cause: why part or all of the recording was left out; None if nothing was.
        hint: the likely cause of no ROI, or of far fewer than there are sounds; else empty.
    """

    rows: pd.DataFrame
    chunks: pd.DataFrame
    cause: str | None = None
    hint: str = ""

    @classmethod
    def unusable(cls, cause: str) -> "RecordingRois":
        """Return those of a recording that is left out."""
        nothing = Events(np.empty(0, BOX), ())
        rows = _roi_rows(nothing, (), AudioInfo(0, 0, 0, 0.0), SegmentationSettings())
        return cls(rows, empty_chunk_table(), cause)


def concatenate_blocks(blocks: Sequence[Segmentation]) -> Segmentation:
    """Return the segmentation of a recording from those of all its blocks, in order."""
    boxes = np.concatenate([block.boxes for block in blocks])
    cause = next((block.cause for block in blocks if block.cause is not None), None)
    chunks = tuple(chunk for block in blocks for chunk in block.chunks)
    n_regions = sum(block.n_regions for block in blocks)
    return Segmentation(np.sort(boxes, order=list(BOX.names or ())), chunks, cause, n_regions)


def recording_rois(
    path: Path,
    blocks: Sequence[Segmentation | str],
    info: AudioInfo,
    grid: Grid,
    settings: SegmentationSettings,
) -> RecordingRois:
    """Return the ROIs and chunks of a recording.

    Args:
        path: of the recording, for messages.
        blocks: the segmentation of each of its blocks, in order, or why there is none.
        info: its header.
        grid: its frames and bands.
        settings: margins, grouping, and the band and thresholds that were searched with.
    """
    cause = next((block for block in blocks if isinstance(block, str)), None)
    if cause is not None:
        return RecordingRois.unusable(cause)
    whole = concatenate_blocks([block for block in blocks if isinstance(block, Segmentation)])
    cause, hint = whole.cause, ""
    if any(np.isfinite(chunk.level_db) for chunk in whole.chunks):
        hint = recording_hint(whole, grid, info.duration_s, settings) or ""
    elif cause is None:
        cause = f"{path}: silent, every sample is zero; leave it out."
    events = find_events(whole.boxes, grid, settings)
    rows = _roi_rows(events, whole.chunks, info, settings)
    return RecordingRois(rows, _chunk_rows(whole, hint), cause, hint)


def empty_chunk_table() -> pd.DataFrame:
    """Return a table of chunks without rows, with the types of its columns."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _CHUNK_COLUMNS.items()})


def _chunk_rows(whole: Segmentation, hint: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "root": "",
            "recording": "",
            "start_s": [chunk.start_s for chunk in whole.chunks],
            "end_s": [chunk.end_s for chunk in whole.chunks],
            "level_db": [chunk.level_db for chunk in whole.chunks],
            "quality_flags": [" ".join(chunk.quality_flags) for chunk in whole.chunks],
            "below_share": [chunk.bands.shares[0] for chunk in whole.chunks],
            "above_share": [chunk.bands.shares[2] for chunk in whole.chunks],
            "hint": hint,
        },
        columns=list(_CHUNK_COLUMNS),
    )


def _roi_rows(
    events: Events, chunks: Sequence[Chunk], info: AudioInfo, settings: SegmentationSettings
) -> pd.DataFrame:
    """Return the ROIs with their margins, and the flags of the chunk of each ROI's middle."""
    boxes = events.boxes
    middle = (boxes["start_s"] + boxes["end_s"]) / 2
    chunk_ends = np.array([chunk.end_s for chunk in chunks])
    chunk_of_roi = np.minimum(np.searchsorted(chunk_ends, middle), max(len(chunk_ends) - 1, 0))
    flags = [" ".join(chunk.quality_flags) or None for chunk in chunks]
    rows = pd.DataFrame(
        {
            # Rounded to 0.1 ms, far below the length of a frame.
            "start_s": np.round(np.maximum(boxes["start_s"] - settings.pad_s, 0), 4),
            "end_s": np.round(np.minimum(boxes["end_s"] + settings.pad_s, info.duration_s), 4),
            "low_hz": np.maximum(boxes["low_hz"] - settings.pad_hz, 0),
            "high_hz": np.minimum(boxes["high_hz"] + settings.pad_hz, info.rate / 2),
            "snr_db": boxes["snr_db"],
            "quality_flags": pd.Series([flags[i] for i in chunk_of_roi], dtype="str"),
            "peak_hz": boxes["peak_hz"].astype(np.float32),
            "chorus": boxes["chorus"] > 0,
            "call_score": boxes["call_score"].astype(np.float32),
            "units": pd.Series(
                [_units_text(units, info.duration_s) for units in events.units], dtype="str"
            ),
        }
    )
    # A ROI in the padding of the last frame has no length.
    return rows[rows["end_s"] > rows["start_s"]].reset_index(drop=True)


def _units_text(units: npt.NDArray[np.float64], duration_s: float) -> str | None:
    """Return the `start-end` of each unit in seconds, without margins; None for a single one."""
    if len(units) == 1:
        return None
    return " ".join(f"{start:.2f}-{end:.2f}" for start, end in np.minimum(units, duration_s))

"""Windows of ROIs that are longer than the ROI length, whose embeddings are averaged."""

from typing import Final

import numpy as np
import numpy.typing as npt

from darksound.audio.waveform import LONG_ROI_RATIO
from darksound.rois.roi_set import RoiSet
from darksound.settings import FrontEndSettings
from darksound.store.contract import Pieces, Store

__all__ = ["count_windows", "join_windows", "window_rois"]

# The windows of a longer ROI have gaps between them, so that the time for it is bounded.
_MAX_WINDOWS: Final = 10


def count_windows(
    durations: npt.NDArray[np.float64], roi_s: float, front_end: FrontEndSettings
) -> npt.NDArray[np.int64]:
    """Return by how many windows each ROI is embedded; 0 where its own image is embedded.

    Args:
        durations: of the ROIs in seconds, `(n,)`.
        roi_s: the ROI length in seconds.
        front_end: only with `long_rois` of `mean` have ROIs windows.
    """
    # Times in seconds have rounding errors; a microsecond more needs no further window.
    counts = np.ceil((durations - 1e-6) / roi_s).clip(max=_MAX_WINDOWS).astype(np.int64)
    is_long = durations > LONG_ROI_RATIO * roi_s
    return np.where(is_long & (front_end.long_rois == "mean"), counts, 0)


def window_rois(rois: RoiSet, roi_s: float, counts: npt.NDArray[np.int64]) -> RoiSet:
    """Return windows of ROIs as ROIs, in the order of the ROIs and of time.

    The first window begins with its ROI, the last one ends with it, and steps are equal. Apart
    from its times, a window has the values of its ROI.

    Args:
        rois: `n` ROIs.
        roi_s: length of a window in seconds.
        counts: number of windows of each ROI, `(n,)`, 0 or at least 2.
    """
    rows = np.repeat(np.arange(len(rois)), counts)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    windows = rois.take(rows)
    table = windows.table
    table["start_s"] += number / (counts[rows] - 1) * (rois.durations[rows] - roi_s)
    table["end_s"] = table["start_s"] + roi_s
    names = zip(table["roi_id"], number.tolist(), strict=True)
    table["roi_id"] = [f"{roi_id}/{number}" for roi_id, number in names]
    return RoiSet(table, windows.reader)


def join_windows(rois: RoiSet, windows: Store) -> Pieces:
    """Return the pieces of ROIs: the windows of `window_rois` that could be read.

    Args:
        rois: `n` ROIs.
        windows: the store of their windows, in order.
    """
    row_of = {roi_id: row for row, roi_id in enumerate(rois.table["roi_id"])}
    owners = [row_of[name.rpartition("/")[0]] for name in windows.rois.table["roi_id"]]
    return Pieces(windows, np.array(owners, dtype=np.int64))

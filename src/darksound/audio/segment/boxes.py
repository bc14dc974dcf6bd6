"""From the points of units to boxes in time and frequency."""

import numpy as np
import numpy.typing as npt

from darksound.audio.segment.blocks import Block
from darksound.audio.segment.cutting import cut
from darksound.audio.segment.grid import Grid
from darksound.audio.segment.kinship import inside_others, join_overtones
from darksound.audio.segment.units import Points
from darksound.settings import SegmentationSettings

__all__ = ["BOX", "Boxes", "boxes_of"]

#: A unit: where it is in seconds and Hz, and how far it stands above the background in decibels.
BOX = np.dtype([(name, np.float64) for name in ("start_s", "end_s", "low_hz", "high_hz", "snr_db")])
Boxes = npt.NDArray[np.void]


def boxes_of(
    points: Points, block: Block, grid: Grid, roi_s: float, settings: SegmentationSettings
) -> Boxes:
    """The boxes of the units that a block answers for, sorted by time.

    Args:
        points: of all units that the block sees; frames count from the block's first.
        block: that saw them.
        grid: what a frame and a band are.
        roi_s: longest unit in seconds; longer ones are cut at their quietest points.
        settings: `min_s` and `max_ratio` are used.

    Returns:
        An array of `BOX`. SNR is the mean power of a unit's points over the background.
    """
    if len(points.unit) == 0:
        return np.empty(0, BOX)
    placed = Points(points.unit, points.frame + block.edges[0], points.band, points.ratio)
    longest = max(int(roi_s / grid.frame_s), 2)
    pieces, anchor = cut(placed, block, longest)
    out, pieces, anchor = _in_order(_boxes(pieces, grid), pieces, anchor)
    width = np.round((out["end_s"] - out["start_s"]) / grid.frame_s)
    height = np.round((out["high_hz"] - out["low_hz"]) / grid.band_hz)
    keep = width * grid.frame_s >= settings.min_s
    if settings.max_ratio != "any":
        keep &= height < settings.max_ratio * width
    if settings.overtones == "join":
        keep &= ~join_overtones(out, pieces, grid)
    keep[keep] = ~inside_others(out[keep]) if settings.nested == "drop" else True
    own: Boxes = out[keep & (block.start <= anchor) & (anchor < block.stop)]
    return own


def _boxes(points: Points, grid: Grid) -> Boxes:
    starts = points.starts
    lasts = np.append(starts[1:], len(points.unit)) - 1
    low = np.minimum.reduceat(points.band, starts)
    high = np.maximum.reduceat(points.band, starts) + 1
    mean = np.add.reduceat(points.ratio, starts, dtype=np.float64) / (lasts - starts + 1)
    out = np.empty(len(starts), BOX)
    out["start_s"] = grid.edges_s(points.frame[starts])
    out["end_s"] = grid.edges_s(points.frame[lasts] + 1)
    out["low_hz"], out["high_hz"] = grid.edges_hz(low), grid.edges_hz(high)
    out["snr_db"] = 10 * np.log10(mean)
    return out


def _in_order(
    boxes: Boxes, points: Points, anchor: npt.NDArray[np.int64]
) -> tuple[Boxes, Points, npt.NDArray[np.int64]]:
    """Boxes sorted by time, and their points and anchors with them."""
    order = np.argsort(boxes, order=list(BOX.names or ()))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    unit = rank[points.unit]
    by_unit = np.argsort(unit, kind="stable")
    moved = Points(
        unit[by_unit], points.frame[by_unit], points.band[by_unit], points.ratio[by_unit]
    )
    return boxes[order], moved, anchor[order]

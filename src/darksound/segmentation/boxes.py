"""From the points of units to boxes in time and frequency."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from darksound.segmentation.grid import Block, Grid
from darksound.segmentation.units import Points, inside_others, join_overtones
from darksound.settings import SegmentationSettings

__all__ = ["BOX", "Boxes", "border_cuts", "boxes_of", "cut", "quietest_cuts"]

Ints = npt.NDArray[np.int64]


def quietest_cuts(profile: npt.NDArray[np.floating], longest: int) -> list[int]:
    """Where a unit is cut so that no piece is longer than `longest`, each at its quietest.

    Pieces are at least half as long, and as few as the length allows.

    Args:
        profile: how loud the unit is in each frame, `(frames,)`.
        longest: frames of a piece at most, at least 2.
    """
    cuts: list[int] = []
    start, frames = 0, len(profile)
    while frames - start > longest:
        left = frames - start
        after = (math.ceil(left / longest) - 1) * longest
        first = max(start + longest // 2, frames - after)
        last = min(start + longest, frames - longest // 2)
        start = first + int(np.argmin(profile[first : max(last, first) + 1]))
        cuts.append(start)
    return cuts


def border_cuts(first: int, profile: npt.NDArray[np.floating], block: Block, reach: int) -> Ints:
    """Where a unit is cut that reaches a whole chunk or more across a border of its block.

    Such a unit cannot be seen whole; both blocks at the border cut it at the same frame.

    Args:
        first: the unit's first frame.
        profile: how loud it is in each frame from there, `(frames,)`.
        block: that sees it.
        reach: frames from the border that it may be cut at, at most.

    Returns:
        For the block's left and right border the frame of the cut, -1 where there is none.
    """
    stop = first + len(profile)
    cuts = np.array([-1, -1])
    for side, border in enumerate((block.start, block.stop)):
        if not block.edges[0] < border < block.edges[-1] or not first < border < stop:
            continue
        place = block.edges.index(border)
        before, after = block.edges[place - 1], block.edges[place + 1]
        if first <= before or stop >= after:
            near = slice(
                max(border - reach, before, first + 1), min(border + reach, after, stop - 1) + 1
            )
            quietest = np.argmin(profile[near.start - first : near.stop - first])
            cuts[side] = near.start + int(quietest)
    return cuts


def cut(points: Points, block: Block, longest: int) -> tuple[Points, Ints]:
    """Units cut where they are too long, and which block each piece belongs to.

    Args:
        points: of units.
        block: that saw them.
        longest: frames of a piece at most.

    Returns:
        The points with pieces as units, and for each piece the frame that says which block it
        belongs to, `(pieces,)`.
    """
    starts = points.starts
    bounds = np.append(starts, len(points.unit))
    piece = np.zeros(len(points.unit), np.int64)
    anchor = np.repeat(points.frame[starts], np.diff(bounds))
    long_ones = points.frame[bounds[1:] - 1] - points.frame[starts] >= longest
    for unit in np.flatnonzero(long_ones):
        own = slice(bounds[unit], bounds[unit + 1])
        piece[own], anchor[own] = _pieces(points.frame[own], points.ratio[own], block, longest)
    changes = (np.diff(points.unit, prepend=-1) != 0) | (np.diff(piece, prepend=0) != 0)
    numbers = np.cumsum(changes) - 1
    pieces = Points(numbers, points.frame, points.band, points.ratio)
    return pieces, anchor[pieces.starts]


def _pieces(
    frame: Ints, ratio: npt.NDArray[np.float32], block: Block, longest: int
) -> tuple[Ints, Ints]:
    """Number of the piece, and the frame that says whose it is, of each point of a unit."""
    first = int(frame[0])
    profile = np.bincount(frame - first, weights=ratio).astype(np.float64)
    left, right = border_cuts(first, profile, block, longest // 2)
    borders = [int(c) for c in (left, right) if c >= 0]
    edges = [first, *borders, first + len(profile)]
    cuts = list(borders)
    for start, stop in pairwise(edges):
        within = profile[start - first : stop - first]
        cuts += [start + c for c in quietest_cuts(within, longest)]
    anchor = np.full(len(frame), first)
    if left >= 0:
        anchor[frame >= left] = block.start
    if right >= 0:
        anchor[frame >= right] = block.stop
    return np.searchsorted(sorted(cuts), frame, side="right"), anchor


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

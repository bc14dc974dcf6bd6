"""Where long units are cut: at their quietest points."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from darksound.audio.segment.blocks import Block
from darksound.audio.segment.units import Points

__all__ = ["border_cuts", "cut", "quietest_cuts"]

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

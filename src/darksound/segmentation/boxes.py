"""From regions of a spectrogram to boxes in time and frequency."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from darksound.segmentation.grid import Block, Grid
from darksound.segmentation.parts import find_nested, merge_overtones
from darksound.segmentation.regions import RegionPoints
from darksound.settings import SegmentationSettings

__all__ = [
    "BOX",
    "Boxes",
    "border_cuts",
    "join_boxes",
    "quietest_cuts",
    "region_boxes",
    "split_long_regions",
]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

#: Bounds in seconds and Hz, the mean power over the background in decibels, the frequency of the
#: band with the most power over the background in Hz, whether it is chorus (0 or 1), the
#: probability that it is an animal's call (NaN: not scored), and whether it is a piece that
#: continues the homogeneous sound of the piece before (0 or 1).
BOX = np.dtype(
    [
        (name, np.float64)
        for name in (
            "start_s",
            "end_s",
            "low_hz",
            "high_hz",
            "snr_db",
            "peak_hz",
            "chorus",
            "call_score",
            "continues",
        )
    ]
)
Boxes = npt.NDArray[np.void]

# A sound is homogeneous if its spectra in windows of this length are so similar to the most similar
# ones around them: the mean cosine of amplitudes with the two nearest. Of the cuts of churrs, with
# one pitch or two, it joins 80 of 80, of those of mixtures 1 of 73 (`benchmarks/events.py joins`).
_WINDOW_S = 0.5
_MIN_SIMILARITY = 0.95
_N_NEAREST = 2


def quietest_cuts(profile: npt.NDArray[np.floating], max_frames: int) -> list[int]:
    """Return the frames where a region is cut so that no piece is longer than `max_frames`.

    Each cut is at the quietest frame in its range. There are as few pieces as possible, and each
    has at least half of `max_frames`.

    Args:
        profile: level of the region in each frame, `(frames,)`.
        max_frames: longest piece, at least 2.
    """
    cuts: list[int] = []
    start, n_frames = 0, len(profile)
    while n_frames - start > max_frames:
        remaining = n_frames - start
        after = (math.ceil(remaining / max_frames) - 1) * max_frames
        first = max(start + max_frames // 2, n_frames - after)
        last = min(start + max_frames, n_frames - max_frames // 2)
        start = first + int(np.argmin(profile[first : max(last, first) + 1]))
        cuts.append(start)
    return cuts


def border_cuts(
    first: int, profile: npt.NDArray[np.floating], block: Block, max_distance: int
) -> Ints:
    """Return where a region is cut that crosses a border of its block by a chunk or more.

    The block does not contain all of such a region; both blocks at the border cut it at the same
    frame.

    Args:
        first: the region's first frame.
        profile: level of the region in each frame from `first`, `(frames,)`.
        block: that contains part of the region.
        max_distance: largest distance of the cut from the border, in frames.

    Returns:
        The frames of the cuts at the left and the right border; -1 means no cut.
    """
    stop = first + len(profile)
    cuts = np.array([-1, -1])
    for side, border in enumerate((block.start, block.stop)):
        if not block.edges[0] < border < block.edges[-1] or not first < border < stop:
            continue
        chunk = block.edges.index(border)
        before, after = block.edges[chunk - 1], block.edges[chunk + 1]
        if first <= before or stop >= after:
            search_start = max(border - max_distance, before, first + 1)
            search_stop = min(border + max_distance, after, stop - 1) + 1
            quietest = np.argmin(profile[search_start - first : search_stop - first])
            cuts[side] = search_start + int(quietest)
    return cuts


def split_long_regions(
    points: RegionPoints, block: Block, max_frames: int, window_frames: int
) -> tuple[RegionPoints, Ints, npt.NDArray[np.bool_]]:
    """Split regions that are too long into pieces.

    Args:
        points: of regions.
        block: that contains them.
        max_frames: longest piece.
        window_frames: whose spectra are compared to find homogeneous sounds.

    Returns:
        The points with pieces as regions; the anchor of each piece, `(pieces,)`: the frame whose
        block reports the piece; and whether the sound around its start is homogeneous and was cut
        there, `(pieces,)`.
    """
    bounds = points.bounds
    starts = bounds[:-1]
    piece = np.zeros(len(points.region), np.int64)
    anchor = np.repeat(points.frame[starts], np.diff(bounds))
    continues = np.zeros(len(points.region), bool)
    is_long = points.frame[bounds[1:] - 1] - points.frame[starts] >= max_frames
    for region in np.flatnonzero(is_long):
        rows = slice(bounds[region], bounds[region + 1])
        frame = points.frame[rows]
        cuts, anchor[rows] = _split(frame, points.ratio[rows], block, max_frames)
        piece[rows] = np.searchsorted(cuts, frame, side="right")
        for number, cut in enumerate(cuts, start=1):
            first, stop = np.searchsorted(frame, [cut - max_frames, cut + max_frames])
            around = slice(rows.start + first, rows.start + stop)
            continues[rows][piece[rows] == number] = _is_homogeneous(points, around, window_frames)
    changes = (np.diff(points.region, prepend=-1) != 0) | (np.diff(piece, prepend=0) != 0)
    numbers = np.cumsum(changes) - 1
    pieces = RegionPoints(numbers, points.frame, points.band, points.ratio)
    return pieces, anchor[pieces.starts], continues[pieces.starts]


def _is_homogeneous(points: RegionPoints, rows: slice, window_frames: int) -> bool:
    """Return whether every part of a region is similar to others of it.

    Args:
        points: of regions.
        rows: of the points of the region that are compared.
        window_frames: whose spectra are compared.
    """
    window = (points.frame[rows] - points.frame[rows.start]) // window_frames
    band = points.band[rows] - points.band[rows].min()
    bands, n_windows = int(band.max()) + 1, int(window[-1]) + 1
    amplitude = np.sqrt(points.ratio[rows], dtype=np.float64)
    sums = np.bincount(window * bands + band, amplitude, n_windows * bands)
    spectra = sums.reshape(n_windows, bands)
    # Neighbouring bands are one, as pitches vary by less than a band.
    spectra = np.apply_along_axis(np.convolve, 1, spectra, np.ones(3))
    norms = np.linalg.norm(spectra, axis=1)
    spectra = spectra[norms > 0] / norms[norms > 0, None]
    if len(spectra) <= _N_NEAREST:
        return False
    cosines = spectra @ spectra.T
    np.fill_diagonal(cosines, 0)
    nearest = np.sort(cosines, axis=1)[:, -_N_NEAREST:]
    return bool(nearest.mean() >= _MIN_SIMILARITY)


def _split(
    frame: Ints, ratio: npt.NDArray[np.float32], block: Block, max_frames: int
) -> tuple[list[int], Ints]:
    """Return the frames at which a region is cut, and the anchor of each of its points."""
    first = int(frame[0])
    profile = np.bincount(frame - first, weights=ratio).astype(np.float64)
    left, right = border_cuts(first, profile, block, max_frames // 2)
    at_borders = [int(cut) for cut in (left, right) if cut >= 0]
    edges = [first, *at_borders, first + len(profile)]
    cuts = list(at_borders)
    for start, stop in pairwise(edges):
        between = profile[start - first : stop - first]
        cuts += [start + cut for cut in quietest_cuts(between, max_frames)]
    anchor = np.full(len(frame), first)
    if left >= 0:
        anchor[frame >= left] = block.start
    if right >= 0:
        anchor[frame >= right] = block.stop
    return sorted(cuts), anchor


def region_boxes(
    points: RegionPoints, block: Block, grid: Grid, max_roi_s: float, settings: SegmentationSettings
) -> tuple[Boxes, RegionPoints]:
    """Return the boxes of the regions that a block reports, sorted by time, and their points.

    Args:
        points: of all regions in the block; frames are relative to the block's first.
        block: that contains them.
        grid: frames and bands.
        max_roi_s: longest ROI in seconds; longer regions are cut at their quietest frames.
        settings: `min_s`, `max_ratio`, `overtones` and `nested` are used.

    Returns:
        An array of `BOX`, in which SNR is the mean power of a region's points over the background;
        and the points of each of its boxes, without those of joined overtones.
    """
    if len(points.region) == 0:
        return np.empty(0, BOX), points
    in_recording = RegionPoints(
        points.region, points.frame + block.edges[0], points.band, points.ratio
    )
    max_frames = max(int(max_roi_s / grid.frame_s), 2)
    window_frames = max(round(_WINDOW_S / grid.frame_s), 1)
    pieces, anchor, continues = split_long_regions(in_recording, block, max_frames, window_frames)
    boxes = _bounding_boxes(pieces, grid)
    boxes["continues"] = continues
    boxes, pieces, order = _sort_by_time(boxes, pieces)
    anchor = anchor[order]
    width = np.round((boxes["end_s"] - boxes["start_s"]) / grid.frame_s)
    height = np.round((boxes["high_hz"] - boxes["low_hz"]) / grid.band_hz)
    keep = width * grid.frame_s >= settings.min_s
    if settings.max_ratio != "any":
        keep &= height < settings.max_ratio * width
    if settings.overtones == "join":
        keep &= ~merge_overtones(boxes, pieces, grid)
    keep[keep] = ~find_nested(boxes[keep]) if settings.nested == "drop" else True
    keep &= (block.start <= anchor) & (anchor < block.stop)
    boxes, pieces = _select(boxes, pieces, keep)
    return boxes, replace(pieces, frame=pieces.frame - block.edges[0])


def _select(boxes: Boxes, points: RegionPoints, keep: Bools) -> tuple[Boxes, RegionPoints]:
    """Return some of the boxes, `keep` `(n,)`, and their points."""
    kept = keep[points.region]
    number = np.cumsum(keep) - 1
    of_boxes = RegionPoints(
        number[points.region[kept]], points.frame[kept], points.band[kept], points.ratio[kept]
    )
    return boxes[keep], of_boxes


def _bounding_boxes(points: RegionPoints, grid: Grid) -> Boxes:
    starts = points.starts
    lasts = np.append(starts[1:], len(points.region)) - 1
    low = np.minimum.reduceat(points.band, starts)
    high = np.maximum.reduceat(points.band, starts) + 1
    mean = np.add.reduceat(points.ratio, starts, dtype=np.float64) / (lasts - starts + 1)
    boxes = np.empty(len(starts), BOX)
    boxes["start_s"] = grid.edges_s(points.frame[starts])
    boxes["end_s"] = grid.edges_s(points.frame[lasts] + 1)
    boxes["low_hz"], boxes["high_hz"] = grid.edges_hz(low), grid.edges_hz(high)
    boxes["snr_db"] = 10 * np.log10(mean)
    boxes["peak_hz"] = (grid.first_bin + _peak_bands(points, grid)) * grid.band_hz
    boxes["chorus"], boxes["call_score"], boxes["continues"] = 0.0, np.nan, 0.0
    return boxes


def _peak_bands(points: RegionPoints, grid: Grid) -> Ints:
    """Return the band of each region with the most power over the background, the lowest first."""
    cells = points.region * grid.bands + points.band
    n_regions = int(points.region[-1]) + 1
    sums = np.bincount(cells, weights=points.ratio, minlength=n_regions * grid.bands)
    peaks: Ints = sums.reshape(n_regions, grid.bands).argmax(axis=1).astype(np.int64)
    return peaks


def join_boxes(
    first: tuple[Boxes, RegionPoints], second: tuple[Boxes, RegionPoints]
) -> tuple[Boxes, RegionPoints]:
    """Return the boxes of two results of `region_boxes` and their points, sorted by time.

    What the second found at the same place is left out: a sound that stands out of a churr may be
    found as part of it, too.
    """
    n = len(first[0])
    bounds = ["start_s", "end_s", "low_hz", "high_hz"]
    places = {tuple(box) for box in first[0][bounds].tolist()}
    is_new = np.array([tuple(box) not in places for box in second[0][bounds].tolist()], bool)
    boxes, points = _select(*second, is_new)
    joined = RegionPoints(
        np.concatenate([first[1].region, points.region + n]),
        np.concatenate([first[1].frame, points.frame]),
        np.concatenate([first[1].band, points.band]),
        np.concatenate([first[1].ratio, points.ratio]),
    )
    return _sort_by_time(np.concatenate([first[0], boxes]), joined)[:2]


def _sort_by_time(boxes: Boxes, points: RegionPoints) -> tuple[Boxes, RegionPoints, Ints]:
    """Sort boxes by time, and their points with them; also return the old number of each box."""
    order = np.argsort(boxes, order=list(BOX.names or ()))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    region = rank[points.region]
    rows = np.argsort(region, kind="stable")
    renumbered = RegionPoints(
        region[rows], points.frame[rows], points.band[rows], points.ratio[rows]
    )
    return boxes[order], renumbered, order

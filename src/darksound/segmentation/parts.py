"""Which regions of a spectrogram are parts of others: nested boxes, and overtones."""

import numpy as np
import numpy.typing as npt

from darksound.segmentation.grid import Grid
from darksound.segmentation.regions import RegionPoints

__all__ = ["find_nested", "merge_overtones"]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Boxes = npt.NDArray[np.void]
# Frames of a region, and its loudest frequency in Hz and level in decibels in each, `(n,)`.
PitchTrack = tuple[npt.NDArray[np.int64], Floats, Floats]

# A box is nested in a larger one that covers this share of it.
_MIN_NESTED_SHARE = 0.8
# An overtone is simultaneous with its fundamental, for this share of the shorter one.
_MIN_SIMULTANEOUS_SHARE = 0.8
# The ratio of the pitches is this near to a whole number in this share of the frames. For the first
# overtones, of which other tones are seldom so near by chance, half a band of both is added.
_MAX_RATIO_ERROR = 0.03
_MIN_AGREEING_SHARE = 0.6
_MAX_OVERTONE, _LAST_FIRST_OVERTONE = 8, 3
# Two steady tones can be at a whole multiple by chance. The pitch of an overtone varies, by at
# least this many bands, or it begins and ends with its fundamental, to so many frames, or the
# levels of both go up and down together, if it is one of the first overtones.
_MIN_VARIATION_BANDS = 3
_MAX_COINCIDENT_FRAMES = 3.5
_MIN_LEVEL_CORRELATION, _MIN_LEVEL_FRAMES = 0.6, 6
# Of the two, the stronger is kept, or the longer if it is longer by this factor.
_MUCH_LONGER = 1.5


def find_nested(boxes: Boxes) -> Bools:
    """Return which boxes lie mostly, by area, inside a larger one, `(n,)`.

    Args:
        boxes: an array of `BOX`, sorted by `start_s`.
    """
    nested = np.zeros(len(boxes), bool)
    width, height = boxes["end_s"] - boxes["start_s"], boxes["high_hz"] - boxes["low_hz"]
    area = width * height
    for i, j in _simultaneous_pairs(boxes):
        smaller = i if area[i] < area[j] else j
        shared = _overlap(boxes, i, j, "start_s", "end_s") * _overlap(
            boxes, i, j, "low_hz", "high_hz"
        )
        nested[smaller] |= shared >= _MIN_NESTED_SHARE * area[smaller]
    return nested


def merge_overtones(boxes: Boxes, points: RegionPoints, grid: Grid) -> Bools:
    """Merge overtones and their fundamentals: extend the main box of the two, in place.

    Of two simultaneous regions, the higher is an overtone of the lower if its pitch is a whole
    multiple of the lower's and varies with it, or if both begin and end together. Other steady
    tones are not overtones.

    Args:
        boxes: an array of `BOX`, one for each region of `points`, sorted by `start_s`.
        points: of the regions.
        grid: frames and bands.

    Returns:
        Which boxes were merged into another, `(n,)`.
    """
    merged = np.zeros(len(boxes), bool)
    tracks: dict[int, PitchTrack] = {}
    bounds = points.bounds

    def pitch(region: int) -> PitchTrack:
        if region not in tracks:
            tracks[region] = _pitch_track(points, slice(bounds[region], bounds[region + 1]), grid)
        return tracks[region]

    length = boxes["end_s"] - boxes["start_s"]
    low = boxes["low_hz"].copy()
    # From the lowest up, so that a fundamental is not merged into a lower region first.
    pairs = [(i, j) if low[i] <= low[j] else (j, i) for i, j in _simultaneous_pairs(boxes)]
    for base, over in sorted(pairs, key=lambda pair: (low[pair[0]], pair)):
        shared_s = _overlap(boxes, base, over, "start_s", "end_s")
        min_shared_s = _MIN_SIMULTANEOUS_SHARE * min(length[base], length[over])
        if merged[base] or merged[over] or shared_s < min_shared_s:
            continue
        apart_s = max(abs(boxes[name][base] - boxes[name][over]) for name in ("start_s", "end_s"))
        coincides = apart_s <= _MAX_COINCIDENT_FRAMES * grid.frame_s
        if _is_overtone(pitch(over), pitch(base), coincides, grid):
            kept, joined = (base, over) if _is_main(boxes[base], boxes[over]) else (over, base)
            merged[joined] = True
            boxes["low_hz"][kept] = min(boxes["low_hz"][[base, over]])
            boxes["high_hz"][kept] = max(boxes["high_hz"][[base, over]])
    return merged


def _is_main(one: np.void, other: np.void) -> bool:
    """Return whether the first of two boxes is much longer, or stronger and not much shorter."""
    lengths = [float(box["end_s"] - box["start_s"]) for box in (one, other)]
    if max(lengths) >= _MUCH_LONGER * min(lengths):
        return lengths[0] > lengths[1]
    return bool(one["snr_db"] >= other["snr_db"])


def _simultaneous_pairs(boxes: Boxes) -> list[tuple[int, int]]:
    """Return pairs of boxes that overlap in time, the earlier one first."""
    after = np.searchsorted(boxes["start_s"], boxes["end_s"], side="left")
    return [(i, j) for i in range(len(boxes)) for j in range(i + 1, after[i])]


def _overlap(boxes: Boxes, i: int, j: int, low: str, high: str) -> float:
    shared = min(boxes[high][i], boxes[high][j]) - max(boxes[low][i], boxes[low][j])
    return max(float(shared), 0.0)


def _pitch_track(points: RegionPoints, rows: slice, grid: Grid) -> PitchTrack:
    """Return the frames of a region, and its loudest frequency and level in each."""
    frame, band, ratio = points.frame[rows], points.band[rows], points.ratio[rows]
    starts = np.flatnonzero(np.diff(frame, prepend=-1))
    number = np.cumsum(np.diff(frame, prepend=frame[:1]) > 0)
    at_peak = np.flatnonzero(ratio == np.maximum.reduceat(ratio, starts)[number])
    # The lowest of several bands alike.
    loudest = at_peak[np.diff(number[at_peak], prepend=-1) > 0]
    pitch: Floats = ((grid.first_bin + band[loudest]) * grid.band_hz).astype(np.float64)
    level: Floats = 10 * np.log10(ratio[loudest]).astype(np.float64)
    return frame[starts], pitch, level


def _is_overtone(over: PitchTrack, base: PitchTrack, coincides: bool, grid: Grid) -> bool:
    _, i, j = np.intersect1d(over[0], base[0], assume_unique=True, return_indices=True)
    if len(i) == 0:
        return False
    high, low = over[1][i], base[1][j]
    multiple = np.round(np.median(high / low))
    if not 2 <= multiple <= _MAX_OVERTONE:
        return False
    tolerance = _MAX_RATIO_ERROR * multiple * low
    if multiple <= _LAST_FIRST_OVERTONE:
        tolerance += (multiple + 1) / 2 * grid.band_hz
    if np.mean(np.abs(high - multiple * low) <= tolerance) < _MIN_AGREEING_SHARE:
        return False
    if coincides or np.ptp(np.percentile(high, (10, 90))) >= _MIN_VARIATION_BANDS * grid.band_hz:
        return True
    levels = over[2][i], base[2][j]
    if (
        multiple > _LAST_FIRST_OVERTONE
        or len(i) < _MIN_LEVEL_FRAMES
        or min(map(np.std, levels)) == 0
    ):
        return False
    return bool(np.corrcoef(*levels)[0, 1] >= _MIN_LEVEL_CORRELATION)

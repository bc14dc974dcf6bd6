"""Which units are parts of others: those inside another's box, and overtones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from darksound.segmentation.grid import Grid
from darksound.settings import SegmentationSettings

__all__ = ["Points", "find_points", "inside_others", "join_overtones"]

Ratio = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Points:
    """Points of a spectrogram that belong to units, sorted by unit, then frame, then band.

    Attributes:
        unit: number of the unit, from 0 without gaps, `(n,)`.
        frame: `(n,)`.
        band: `(n,)`.
        ratio: power over the background, `(n,)`.
    """

    unit: Ints
    frame: Ints
    band: Ints
    ratio: Ratio

    @property
    def starts(self) -> Ints:
        """First point of each unit."""
        return np.flatnonzero(np.diff(self.unit, prepend=-1))


def find_points(ratio: Ratio, grid: Grid, settings: SegmentationSettings) -> Points:
    """The points that stand out, by hysteresis, and which unit each belongs to.

    Points over `low_db` that touch form a part, which counts if it has a point over `high_db`;
    of a part, what lies more than `range_db` below its loudest point is dropped. Parts whose
    margins (`merge_s`, `merge_hz`) touch are one unit.

    Args:
        ratio: power over background, `(frames, bands)`.
        grid: what a frame and a band are.
        settings: thresholds and margins.
    """
    parts, count = scipy.ndimage.label(ratio >= _power(settings.low_db), _EIGHT_NEIGHBOURS)
    at = np.flatnonzero(parts)
    part, height = parts.ravel()[at], ratio.ravel()[at]
    del parts
    peak = np.zeros(count + 1, np.float32)
    np.maximum.at(peak, part, height)
    least = np.where(peak >= _power(settings.high_db), 0.0, np.inf)
    if settings.range_db != "all":
        least = np.maximum(least, peak * _power(-settings.range_db))
    stays = height >= least[part]
    at, height = at[stays], height[stays]
    unit = _joined(at, ratio.shape, grid, settings)
    # Sorting is several times faster over 16 bits.
    small = unit.astype(np.uint16) if unit.max(initial=0) < 2**16 else unit
    order = np.argsort(small, kind="stable")
    frame, band = np.divmod(at[order], ratio.shape[1])
    return Points(unit[order], frame, band, height[order])


def _joined(at: Ints, shape: tuple[int, int], grid: Grid, settings: SegmentationSettings) -> Ints:
    """Number from 0 of the unit that each point is of, points within each other's margins being
    of one."""
    mask = np.zeros(shape, np.uint8)
    mask.ravel()[at] = 1
    for axis, reach in (
        (0, round(settings.merge_s / grid.frame_s)),
        (1, round(settings.merge_hz / grid.band_hz)),
    ):
        if reach:
            mask = scipy.ndimage.maximum_filter1d(mask, 2 * reach + 1, axis=axis, mode="constant")
    units, _ = scipy.ndimage.label(mask, _EIGHT_NEIGHBOURS)
    # Every widened unit has a point, so that no number is left out.
    unit: Ints = units.ravel()[at].astype(np.int64) - 1
    return unit


def _power(decibels: float) -> float:
    return float(10 ** (decibels / 10))


Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Boxes = npt.NDArray[np.void]
# Frames of a unit, and its loudest frequency in each, `(n,)`.
Pitch = tuple[npt.NDArray[np.int64], Floats]

# A box of which this share lies within a larger one is part of it.
_INSIDE = 0.8
# Overtone and fundamental sound at once: for this share of the shorter one.
_TOGETHER = 0.8
# Ratios of pitches this near to a whole number, in this share of the frames, are an overtone's.
_NEAR_WHOLE = 0.06
_AGREEING = 0.6
_HIGHEST_OVERTONE = 8
# Steady tones may stand at a whole multiple by chance; an overtone moves, by so many bands, as its
# fundamental does.
_MOVES = 3


def inside_others(boxes: Boxes) -> Bools:
    """Which boxes lie, by most of their area, within a larger one, `(n,)`.

    Args:
        boxes: an array of `BOX`, sorted by `start_s`.
    """
    lost = np.zeros(len(boxes), bool)
    width, height = boxes["end_s"] - boxes["start_s"], boxes["high_hz"] - boxes["low_hz"]
    area = width * height
    for i, j in _overlapping(boxes):
        small = i if area[i] < area[j] else j
        shared = _shared(boxes, i, j, "start_s", "end_s") * _shared(
            boxes, i, j, "low_hz", "high_hz"
        )
        lost[small] |= shared >= _INSIDE * area[small]
    return lost


def join_overtones(boxes: Boxes, points: Points, grid: Grid) -> Bools:
    """Extend boxes in place by the bands of their overtones; which boxes were joined to another.

    Of two units at once, the higher is an overtone of the lower if it keeps to a whole multiple of
    its pitch as that moves; steady tones are nobody's overtones. The stronger of the two stays.

    Args:
        boxes: an array of `BOX`, one a unit of `points`, sorted by `start_s`.
        points: of the units.
        grid: what a band is.

    Returns:
        `(n,)`.
    """
    joined = np.zeros(len(boxes), bool)
    pitches: dict[int, Pitch] = {}
    bounds = np.append(points.starts, len(points.unit))

    def pitch(unit: int) -> Pitch:
        if unit not in pitches:
            pitches[unit] = _pitch(points, slice(bounds[unit], bounds[unit + 1]), grid)
        return pitches[unit]

    length = boxes["end_s"] - boxes["start_s"]
    low = boxes["low_hz"].copy()
    # From the lowest up, so that a fundamental is not taken for what stands below it.
    pairs = [(i, j) if low[i] <= low[j] else (j, i) for i, j in _overlapping(boxes)]
    for base, over in sorted(pairs, key=lambda pair: (low[pair[0]], pair)):
        together = _shared(boxes, base, over, "start_s", "end_s")
        if joined[base] or joined[over] or together < _TOGETHER * min(length[base], length[over]):
            continue
        if _follows(pitch(over), pitch(base), _MOVES * grid.band_hz):
            base_stays = boxes["snr_db"][base] >= boxes["snr_db"][over]
            stays, goes = (base, over) if base_stays else (over, base)
            joined[goes] = True
            boxes["low_hz"][stays] = min(boxes["low_hz"][[base, over]])
            boxes["high_hz"][stays] = max(boxes["high_hz"][[base, over]])
    return joined


def _overlapping(boxes: Boxes) -> list[tuple[int, int]]:
    """Pairs of boxes that overlap in time, the earlier one first."""
    after = np.searchsorted(boxes["start_s"], boxes["end_s"], side="left")
    return [(i, j) for i in range(len(boxes)) for j in range(i + 1, after[i])]


def _shared(boxes: Boxes, i: int, j: int, low: str, high: str) -> float:
    shared = min(boxes[high][i], boxes[high][j]) - max(boxes[low][i], boxes[low][j])
    return max(float(shared), 0.0)


def _pitch(points: Points, own: slice, grid: Grid) -> Pitch:
    """Frames of a unit, and its loudest frequency in each."""
    frame, band, ratio = points.frame[own], points.band[own], points.ratio[own]
    order = np.lexsort((-ratio, frame))
    frames, first = np.unique(frame[order], return_index=True)
    pitch: Floats = ((grid.first_bin + band[order][first]) * grid.band_hz).astype(np.float64)
    return frames, pitch


def _follows(
    over: Pitch,
    base: Pitch,
    moves_hz: float,
) -> bool:
    _, i, j = np.intersect1d(over[0], base[0], assume_unique=True, return_indices=True)
    if len(i) == 0 or np.ptp(np.percentile(over[1][i], (10, 90))) < moves_hz:
        return False
    ratio = over[1][i] / base[1][j]
    whole = np.round(np.median(ratio))
    near = np.abs(ratio - whole) <= _NEAR_WHOLE * whole / 2
    return bool(2 <= whole <= _HIGHEST_OVERTONE and near.mean() >= _AGREEING)

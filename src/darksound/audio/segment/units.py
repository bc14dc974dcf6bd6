"""Units: connected parts of a spectrogram that stand out from the background."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from darksound.audio.segment.grid import Grid
from darksound.settings import SegmentationSettings

__all__ = ["Points", "find_points"]

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

"""Regions of a spectrogram that stand out of the background."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from darksound.segmentation.grid import Grid
from darksound.settings import SegmentationSettings

__all__ = ["Ratio", "RegionPoints", "find_regions", "remove_points"]

Ratio = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
# Flat positions, power over background, and number of the region of points, `(n,)` each.
_Points = tuple[Ints, Ratio, Ints]

# Sounds that last so long are found at a lower level (`sustained_db`), and so are tones, which are
# narrow, if they are as long as a whistle, or below a frequency as a hoot. Whistles as short as
# this are found half as much lower, and hoots a fifth more.
_SUSTAINED_S, _WHISTLE_S, _SHORT_WHISTLE_S, _HOOT_S = 1.0, 0.25, 0.1, 0.08
_WHISTLE_HZ, _HOOT_HZ, _MAX_TONE_WIDTH_HZ = 3000.0, 1000.0, 300.0
_SHORT_WHISTLE_SHARE, _HOOT_SHARE = 0.5, 1.2
# A region that is longer and wider than the song of one bird is a mixture, such as calls among
# frogs. It is split by thresholds raised in steps, up to so many decibels.
_DENSE_S, _DENSE_OCTAVES = 6.0, 1.4
_DENSE_STEP_DB, _MAX_RAISED_DB = 5.0, 35.0
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class RegionPoints:
    """The time-frequency points of regions, sorted by region, then frame, then band.

    Attributes:
        region: number of the region, from 0 without gaps, `(n,)`.
        frame: `(n,)`.
        band: `(n,)`.
        ratio: power over background, `(n,)`.
    """

    region: Ints
    frame: Ints
    band: Ints
    ratio: Ratio

    @property
    def starts(self) -> Ints:
        """Return the position of the first point of each region."""
        return np.flatnonzero(np.diff(self.region, prepend=-1))

    @property
    def bounds(self) -> Ints:
        """Return the position of the first point of each region, and the number of points."""
        return np.append(self.starts, len(self.region))


@dataclass(frozen=True)
class _Where:
    """The spectrogram that points are of: frames and bands, and the thresholds.

    Attributes:
        shape: `(frames, bands)`.
        grid: frames and bands.
        settings: thresholds and margins.
    """

    shape: tuple[int, int]
    grid: Grid
    settings: SegmentationSettings


def find_regions(ratio: Ratio, grid: Grid, settings: SegmentationSettings) -> RegionPoints:
    """Find the regions of a spectrogram by hysteresis thresholding.

    Connected points above `low_db` are a component, which is kept if one of its points is above
    `high_db`, or `sustained_db` less if it lasts: noise is never above `low_db` for so long.
    Points more than `range_db` below the maximum of their component are removed.
    Components whose margins (`merge_s`, `merge_hz`) overlap are one region.

    Args:
        ratio: power over background, `(frames, bands)`.
        grid: frames and bands.
        settings: thresholds and margins.
    """
    components, n_components = scipy.ndimage.label(
        ratio >= _ratio_of(settings.low_db), _EIGHT_NEIGHBOURS
    )
    points = np.flatnonzero(components)
    component, value = components.ravel()[points], ratio.ravel()[points]
    del components
    where = _Where(ratio.shape, grid, settings)
    peak, stands_out = _stands_out(points, value, component, n_components + 1, where)
    threshold = np.where(stands_out, 0.0, np.inf)
    if settings.range_db != "all":
        threshold = np.maximum(threshold, peak * _ratio_of(-settings.range_db))
    kept = value >= threshold[component]
    points, value = points[kept], value[kept]
    region = _merge_components(points, where)
    points, value, region = _split_dense(points, value, region, where)
    return _sorted(points, value, region, ratio.shape)


def remove_points(
    regions: RegionPoints,
    removed: Bools,
    shape: tuple[int, int],
    grid: Grid,
    settings: SegmentationSettings,
) -> RegionPoints:
    """Return regions without some of their points.

    Of a region that loses points, what is left is divided where it is no longer connected, and
    remains where it stands out by itself.

    Args:
        regions: of a spectrogram.
        removed: which of the points are removed, `(n,)`.
        shape: of the spectrogram, `(frames, bands)`.
        grid: frames and bands.
        settings: thresholds and margins, as of `find_regions`.
    """
    if not removed.any():
        return regions
    where = _Where(shape, grid, settings)
    loses = np.bincount(regions.region, removed) > 0
    flat = regions.frame * shape[1] + regions.band
    whole = ~loses[regions.region]
    parts = [(flat[whole], regions.ratio[whole], regions.region[whole])]
    n_regions = len(loses)
    bounds = regions.bounds
    for changed in np.flatnonzero(loses).tolist():
        rows = slice(bounds[changed], bounds[changed + 1])
        left = ~removed[rows]
        points, value = flat[rows][left], regions.ratio[rows][left]
        if len(points):
            region = _merge_components(points, where)
            _, stands_out = _stands_out(points, value, region, int(region.max()) + 1, where)
            kept = stands_out[region]
            parts.append((points[kept], value[kept], region[kept] + n_regions))
            n_regions += int(region.max()) + 1
    points, value, region = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    _, region = np.unique(region, return_inverse=True)
    return _sorted(points, value, region.astype(np.int64), shape)


def _sorted(points: Ints, value: Ratio, region: Ints, shape: tuple[int, ...]) -> RegionPoints:
    """Return flat points, which are in order within each region, sorted by region."""
    # Sorting 16-bit numbers is several times faster.
    sort_key = region.astype(np.uint16) if region.max(initial=0) < 2**16 else region
    order = np.argsort(sort_key, kind="stable")
    frame, band = np.divmod(points[order], shape[1])
    return RegionPoints(region[order], frame, band, value[order])


def _split_dense(points: Ints, value: Ratio, region: Ints, where: _Where) -> _Points:
    """Split mixtures into what stands out of them.

    Args:
        points: flat positions in a spectrogram, `(n,)`.
        value: power over background of each, `(n,)`.
        region: number of the region of each, `(n,)`.
        where: of the spectrogram.

    Returns:
        The points that are left, their values and regions.
    """
    done: list[_Points] = []
    n_regions, raised_db = 0, 0.0
    # Each mixture is split by itself, as its box is much smaller than the spectrogram.
    mixtures: list[tuple[Ints, Ratio, Ints]] = [(points, value, region)]
    while mixtures:
        raised_db += _DENSE_STEP_DB
        denser: list[tuple[Ints, Ratio, Ints]] = []
        for points, value, region in mixtures:
            dense = _dense(points, region, where)
            if raised_db > _MAX_RAISED_DB:
                dense[:] = False
            number = np.cumsum(~dense) - 1 + n_regions
            n_regions += int(np.count_nonzero(~dense))
            kept = ~dense[region]
            done.append((points[kept], value[kept], number[region[kept]]))
            order = np.argsort(region, kind="stable")
            bounds = np.searchsorted(region[order], np.arange(len(dense) + 1))
            for mixture in np.flatnonzero(dense):
                rows = order[bounds[mixture] : bounds[mixture + 1]]
                denser.append(_raise(points[rows], value[rows], raised_db, where))
        mixtures = denser
    left, values, regions = (np.concatenate(arrays) for arrays in zip(*done, strict=True))
    return left, values, regions


def _raise(points: Ints, value: Ratio, raised_db: float, where: _Where) -> _Points:
    """Return what is left of a mixture above a raised threshold."""
    loud = value >= _ratio_of(where.settings.low_db + raised_db)
    points, value = points[loud], value[loud]
    component, n = _label(points, where.shape)
    _, stands_out = _stands_out(points, value, component, n, where)
    kept = stands_out[component]
    points, value = points[kept], value[kept]
    return points, value, _merge_components(points, where)


def _dense(points: Ints, region: Ints, where: _Where) -> Bools:
    """Return which regions are longer and wider than the song of one bird, by number."""
    grid = where.grid
    (first, last), (lowest, highest) = _extents(
        points, region, int(region.max(initial=-1)) + 1, where
    )
    octaves = np.log2((grid.first_bin + highest + 1) / (grid.first_bin + lowest))
    seconds = (last - first + 1) * grid.frame_s
    dense: Bools = (seconds >= _DENSE_S) & (octaves >= _DENSE_OCTAVES)
    return dense


def _label(points: Ints, shape: tuple[int, int]) -> tuple[Ints, int]:
    """Return the connected component of each point, from 1, and one more than their number."""
    inside, mask = _box(points, shape)
    components, n = scipy.ndimage.label(mask, _EIGHT_NEIGHBOURS)
    return components[inside], n + 1


def _box(points: Ints, shape: tuple[int, int]) -> tuple[tuple[Ints, Ints], Bools]:
    """Return the positions of points in the smallest box with all of them, and its mask."""
    if len(points) == 0:
        return (points, points), np.zeros((1, 1), bool)
    frame, band = np.divmod(points, shape[1])
    frame, band = frame - frame.min(), band - band.min()
    mask = np.zeros((frame.max() + 1, band.max() + 1), bool)
    mask[frame, band] = True
    return (frame, band), mask


def _stands_out(
    points: Ints, value: Ratio, component: Ints, n: int, where: _Where
) -> tuple[Ratio, Bools]:
    """Return the highest value of each of `n` components, and which are above the upper threshold.

    Args:
        points: flat positions, `(m,)`.
        value: power over background, `(m,)`.
        component: number of the component of each point, `(m,)`.
        n: number of components.
        where: of the spectrogram.
    """
    settings = where.settings
    peak = np.zeros(n, np.float32)
    np.maximum.at(peak, component, value)
    stands_out = peak >= _ratio_of(settings.high_db)
    for share, *least_s in (
        (_SHORT_WHISTLE_SHARE, _HOOT_S, _SHORT_WHISTLE_S, _SUSTAINED_S),
        (1.0, _HOOT_S, _WHISTLE_S, _SUSTAINED_S),
        (_HOOT_SHARE, _HOOT_S, np.inf, np.inf),
    ):
        lower_db = max(settings.high_db - share * settings.sustained_db, settings.low_db)
        candidate = ((peak >= _ratio_of(lower_db)) & ~stands_out)[component]
        stands_out |= _lasting(points[candidate], component[candidate], n, least_s, where)
    return peak, stands_out


def _lasting(
    points: Ints, component: Ints, n: int, least_s: Sequence[float], where: _Where
) -> Bools:
    """Return which of `n` components last long enough, `(n,)`.

    Args:
        points: flat positions, `(m,)`.
        component: number of the component of each point, `(m,)`.
        n: number of components.
        least_s: seconds that hoots, whistles and everything else have to last.
        where: of the spectrogram.
    """
    grid = where.grid
    (first, last), (lowest, highest) = _extents(points, component, n, where)
    hertz = (grid.first_bin + highest) * grid.band_hz
    is_tone = (highest - lowest + 1) * grid.band_hz <= _MAX_TONE_WIDTH_HZ
    kinds = [is_tone & (hertz < _HOOT_HZ), is_tone & (hertz < _WHISTLE_HZ)]
    hoot_s, whistle_s, other_s = least_s
    seconds = (last - first + 1) * grid.frame_s
    lasting: Bools = seconds >= np.select(kinds, [hoot_s, whistle_s], other_s)
    return lasting


def _extents(
    points: Ints, group: Ints, n: int, where: _Where
) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Return the first and last frame, and the lowest and highest band, of each of `n` groups.

    A group without points ends before it begins.
    """
    frame, band = np.divmod(points, where.shape[1])
    first, lowest = np.full((2, n), np.iinfo(np.int64).max)
    last, highest = np.full((2, n), -1)
    for values, low, high in ((frame, first, last), (band, lowest, highest)):
        np.minimum.at(low, group, values)
        np.maximum.at(high, group, values)
    return (first, last), (lowest, highest)


def _merge_components(points: Ints, where: _Where) -> Ints:
    """Return the region number of each point, from 0; points with overlapping margins share it.

    Args:
        points: flat positions in a spectrogram, `(n,)`.
        where: of the spectrogram; `merge_s` and `merge_hz` are used.
    """
    grid, settings = where.grid, where.settings
    inside, mask = _box(points, where.shape)
    mask = _widen(mask, round(settings.merge_s / grid.frame_s))
    mask = _widen(mask.T, round(settings.merge_hz / grid.band_hz)).T
    regions, _ = scipy.ndimage.label(mask, _EIGHT_NEIGHBOURS)
    # Every dilated region contains a point, so there are no gaps in the numbers.
    region: Ints = regions[inside].astype(np.int64) - 1
    return region


def _widen(mask: Bools, margin: int) -> Bools:
    """Return a mask whose true values extend by a margin to both sides along the first axis."""
    length, width = len(mask), 2 * margin + 1
    # A run that is widened by its own length is twice as long.
    widened = np.pad(mask, ((margin, margin), (0, 0)))
    done = 1
    while done < width:
        step = min(done, width - done)
        widened = widened[:-step] | widened[step:]
        done += step
    return widened[:length]


def _ratio_of(decibels: float) -> float:
    return float(10 ** (decibels / 10))

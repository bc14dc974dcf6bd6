"""Chorus: insects, frogs and other sounds that never pause, as background over several chunks.

The background of one chunk is wrong in two cases. A nightjar that churrs through a whole chunk is
part of it, and a chorus that pulses is not, because the pauses between the pulses are the
background. Both are seen over the chunks of a block: a churr by its level, which is far above that
of other chunks or of the neighbouring bands, and its steady rate of pulses; a chorus because it
pauses in no second.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from darksound.segmentation.activity import CELL_S, MIN_PULSE_DB, ChunkActivity
from darksound.segmentation.churrs import churr_gains, churr_levels, runs
from darksound.segmentation.grid import Grid
from darksound.segmentation.hoots import separate_hoots
from darksound.segmentation.regions import Ratio, RegionPoints, find_regions
from darksound.settings import SegmentationSettings

__all__ = ["BlockRegions", "find_block_regions"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Power = npt.NDArray[np.float32]

# A chorus lasts at least this long, and this share of its seconds are busy. Sparrows and
# oystercatchers in front of a microphone are busy for half a minute.
_MIN_CHORUS_S = 45.0
_MIN_BUSY_SECONDS = 0.9
# Below this frequency owls and tinamous call twice a second for minutes. There, this share of the
# cells are busy, in no regular rhythm: many callers at once.
_DENSE_BELOW_HZ = 2200.0
_MIN_BUSY_CELLS = 0.55
_RHYTHM_S = (0.3, 1.3)
_MIN_RHYTHM_CORRELATION = 0.5
# The loudest points of the seconds of a chorus have about the same level: the median is at most
# so many dB above the tenth percentile. Songs that sweep over the bands vary by much more.
_MAX_SPREAD_DB = 7.0
_MIN_SPREAD_DB = 2.0
# A chorus extends over bands near it that are busy in this share of the seconds, and farther over
# those whose level also goes up and down with its own, on average over so many chunks.
_NEAR_SKIRT_HZ, _FAR_SKIRT_HZ = 250.0, 2000.0
_MIN_BUSY_SKIRT = 0.4
_MIN_SKIRT_CORRELATION = 0.2
_SKIRT_CHUNKS = 7
_GAP_BANDS = 2
# A call in a chorus or churr has a point so many dB over its loudest points.
_STAND_OUT_DB = 6.0
# A churr is not louder than its level by more than this, or than this over the background.
_MAX_OVER_CHURR_DB, _MIN_CHURR_DB = 3.0, 16.0


@dataclass(frozen=True)
class BlockRegions:
    """The regions of a block.

    Attributes:
        calls: regions that stand out of the background, and of a chorus or churr where there is
            one.
        hoots: low tones in the regions of other sounds; None if there is none.
        churrs: churrs that last for a chunk or more; None if there is none.
        chorus: what else is above the thresholds where there is a chorus; None if there is none.
    """

    calls: RegionPoints
    hoots: RegionPoints | None = None
    churrs: RegionPoints | None = None
    chorus: RegionPoints | None = None


def find_block_regions(
    ratio: Ratio,
    lengths: Sequence[int],
    activities: Sequence[ChunkActivity],
    grid: Grid,
    settings: SegmentationSettings,
) -> BlockRegions:
    """Find the regions of a block, with churrs and choruses apart from its background.

    Args:
        ratio: power over the background of each chunk, `(frames, bands)`. Where a churr is part of
            the background, it is raised in place.
        lengths: frames of each chunk.
        activities: of each chunk; empty to compare with the background of each chunk only.
        grid: frames and bands.
        settings: thresholds and margins.
    """
    if not activities:
        return BlockRegions(find_regions(ratio, grid, settings))
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    gains_db = churr_gains(activities, grid)
    for (start, stop), gain_db in zip(pairwise(bounds), gains_db, strict=True):
        if gain_db.any():
            ratio[start:stop] *= _ratio_of(gain_db)
    churr_db = churr_levels(activities, gains_db, grid, settings)
    chorus_db = _chorus_levels(activities, gains_db > 0, grid, settings)
    chorus_db[churr_db > 0] = 0
    layers = _Layers(ratio, bounds, grid, settings)
    if not churr_db.any() and not chorus_db.any():
        found = find_regions(ratio, grid, settings)
        return BlockRegions(*separate_hoots(ratio, found, grid, settings))
    calls, hoots = layers.standing_out(churr_db + chorus_db)
    standing_out = [calls] if hoots is None else [calls, hoots]
    chorus = layers.chorus(chorus_db, standing_out)
    return BlockRegions(calls, hoots, layers.churrs(churr_db), chorus)


def _chorus_levels(
    activities: Sequence[ChunkActivity],
    is_churr: Bools,
    grid: Grid,
    settings: SegmentationSettings,
) -> Floats:
    """Return the level of the chorus over the background in dB, `(chunks, bands)`; 0: no chorus."""
    hz = (grid.first_bin + np.arange(grid.bands)) * grid.band_hz
    is_low = hz < _DENSE_BELOW_HZ
    seconds = np.array([each.seconds for each in activities])
    busy_seconds = np.array([each.busy_seconds for each in activities])
    busy_cells = np.array([each.busy_cells for each in activities])
    median = np.array([each.median_db for each in activities])
    spread = median - np.array([each.tenth_db for each in activities])
    pulses = np.array([each.pulse_db for each in activities])
    single = is_churr | (pulses >= MIN_PULSE_DB)
    busy = np.where(is_low, busy_cells / _MIN_BUSY_CELLS, busy_seconds / _MIN_BUSY_SECONDS)
    cells = [_standardize(each.cells_db) for each in activities]
    single |= is_low & np.array([_has_rhythm(each) for each in cells])
    seeds = _lasting((busy >= 1) & (spread <= _MAX_SPREAD_DB) & ~single, seconds)
    if not seeds.any():
        return np.zeros(seeds.shape)
    may_be = (busy_seconds >= _MIN_BUSY_SKIRT) & ~single
    chorus = _with_skirts(cells, seeds, may_be, grid)
    level = median + np.maximum(spread, _MIN_SPREAD_DB)
    ninetieth = np.array([each.ninetieth_db for each in activities])
    level = np.where(seeds, level, np.minimum(level, ninetieth))
    # One chunk full of calls does not change the level.
    level = scipy.ndimage.median_filter(level, (min(3, len(level)), 1), mode="nearest")
    levels: Floats = np.where(chorus, np.maximum(level, settings.low_db), 0.0)
    return levels


def _standardize(cells_db: Power) -> Power:
    """Return cells `(cells, bands)` with a mean of 0 and a variance of 1 in each band."""
    varying: Power = cells_db - cells_db.mean(axis=0)
    varying /= np.maximum(np.sqrt((varying**2).mean(axis=0)), np.finfo(np.float32).tiny)
    return varying


def _has_rhythm(cells: Power) -> Bools:
    """Return which bands of standardized cells repeat themselves, as one caller does."""
    lags = [lag for lag in range(*(round(s / CELL_S) for s in _RHYTHM_S)) if lag < len(cells) // 2]
    repeats = [(cells[lag:] * cells[:-lag]).mean(axis=0) for lag in lags]
    rhythm: Bools = np.max(repeats, axis=0, initial=-1) >= _MIN_RHYTHM_CORRELATION
    return rhythm


def _with_skirts(cells: Sequence[Power], seeds: Bools, may_be: Bools, grid: Grid) -> Bools:
    """Return the bands of choruses, and those near them that go up and down with them."""
    near, far = (round(hz / grid.band_hz) for hz in (_NEAR_SKIRT_HZ, _FAR_SKIRT_HZ))
    correlation = np.zeros(seeds.shape)
    for chunk in np.flatnonzero(seeds.any(axis=1)).tolist():
        for first, stop in runs(seeds[chunk]):
            own = _standardize(cells[chunk][:, first:stop].mean(axis=1, keepdims=True))[:, 0]
            bands = slice(max(first - far, 0), stop + far)
            together = own @ cells[chunk][:, bands] / len(own)
            correlation[chunk, bands] = np.maximum(correlation[chunk, bands], together)
    size = min(_SKIRT_CHUNKS, len(correlation))
    correlation = scipy.ndimage.uniform_filter1d(correlation, size, axis=0, mode="nearest")
    chorus = seeds.copy()
    for chunk in np.flatnonzero(seeds.any(axis=1)).tolist():
        for first, stop in runs(seeds[chunk]):
            inside = correlation[chunk] >= _MIN_SKIRT_CORRELATION
            inside[max(first - near, 0) : stop + near] = True
            inside = scipy.ndimage.binary_closing(inside & may_be[chunk], np.ones(_GAP_BANDS + 1))
            inside[first:stop] = True
            low, high = next(run for run in runs(inside) if run[0] <= first < run[1])
            chorus[chunk, max(low, first - far) : min(high, stop + far)] = True
    # The skirts of most chunks are those of all of them.
    mostly = scipy.ndimage.uniform_filter1d(chorus.astype(float), size, axis=0, mode="nearest")
    together = (mostly >= 0.5) & (correlation >= _MIN_SKIRT_CORRELATION)
    together &= may_be & seeds.any(axis=1, keepdims=True)
    chorus |= together
    return chorus


def _lasting(busy: Bools, seconds: Floats) -> Bools:
    """Return which chunks are busy for long enough, alone or with the next ones."""
    n_chunks = int(np.ceil(_MIN_CHORUS_S / max(float(seconds.max()), 1e-9)))
    lasting: Bools = scipy.ndimage.binary_opening(busy, np.ones((n_chunks, 1), bool))
    return lasting


@dataclass(frozen=True)
class _Layers:
    """The ratio of a block, from which churrs and choruses are separated.

    Attributes:
        ratio: power over background, `(frames, bands)`.
        bounds: first frame of each chunk, and the number of frames.
        grid: frames and bands.
        settings: thresholds and margins.
    """

    ratio: Ratio
    bounds: npt.NDArray[np.int64]
    grid: Grid
    settings: SegmentationSettings

    def standing_out(self, levels_db: Floats) -> tuple[RegionPoints, RegionPoints | None]:
        """Return the regions that stand out of levels `(chunks, bands)`, and hoots in them.

        Levels of 0 are the background.
        """
        settings = self.settings
        low_ratio = float(10 ** (settings.low_db / 10))
        # The level lies at `low_db`, and that of a call so that it reaches `high_db`.
        power = max((settings.high_db - settings.low_db) / _STAND_OUT_DB, 1.0)
        effective = self.ratio.copy()
        for frames, bands, level in self._cells(levels_db):
            effective[frames, bands] = low_ratio * (self.ratio[frames, bands] / level) ** power
        found = find_regions(effective, self.grid, settings)
        calls, hoots = separate_hoots(effective, found, self.grid, settings)
        over_levels = self._over_levels(calls, levels_db)
        return over_levels, None if hoots is None else self._over_levels(hoots, levels_db)

    def _over_levels(self, points: RegionPoints, levels_db: Floats) -> RegionPoints:
        """Return points with their power over levels `(chunks, bands)`, which are at `low_db`."""
        low_ratio = float(10 ** (self.settings.low_db / 10))
        chunk = np.searchsorted(self.bounds, points.frame, side="right") - 1
        level_db = levels_db[chunk, points.band]
        over = self.ratio[points.frame, points.band] * low_ratio / _ratio_of(level_db)
        return replace(points, ratio=np.where(level_db > 0, over, points.ratio))

    def churrs(self, levels_db: Floats) -> RegionPoints | None:
        """Return the regions of churrs with levels `(chunks, bands)`."""

        def limited(part: Ratio, level: Ratio) -> Ratio:
            limit = np.maximum(level * 10 ** (_MAX_OVER_CHURR_DB / 10), 10 ** (_MIN_CHURR_DB / 10))
            smaller: Ratio = np.minimum(part, limit)
            return smaller

        return self._inside(levels_db, limited)

    def chorus(
        self, levels_db: Floats, standing_out: Sequence[RegionPoints]
    ) -> RegionPoints | None:
        """Return the regions of choruses with levels `(chunks, bands)`, without what stands out."""
        frame = np.concatenate([points.frame for points in standing_out])
        band = np.concatenate([points.band for points in standing_out])
        chunk = np.searchsorted(self.bounds, frame, side="right") - 1
        inside = levels_db[chunk, band] > 0
        taken = frame[inside], band[inside]
        return self._inside(levels_db, lambda part, _: part, taken)

    def _inside(
        self,
        levels_db: Floats,
        change: Callable[[Ratio, Ratio], Ratio],
        taken: tuple[Ints, Ints] | None = None,
    ) -> RegionPoints | None:
        """Return the regions where there is a level, of a changed ratio, without taken points."""
        if not levels_db.any():
            return None
        used = np.flatnonzero(levels_db.any(axis=0))
        first, stop = int(used[0]), int(used[-1]) + 1
        rest = np.zeros((len(self.ratio), stop - first), np.float32)
        for frames, bands, level in self._cells(levels_db):
            part = change(self.ratio[frames, bands], level)
            rest[frames, bands.start - first : bands.stop - first] = part
        if taken is not None:
            rest[taken[0], taken[1] - first] = 0
        bands_grid = replace(self.grid, first_bin=self.grid.first_bin + first, bands=stop - first)
        regions = find_regions(rest, bands_grid, self.settings)
        return replace(regions, band=regions.band + first)

    def _cells(self, levels_db: Floats) -> Iterator[tuple[slice, slice, Ratio]]:
        """Yield the frames and bands of each run of levels in a chunk, and their ratios."""
        for (start, stop), level_db in zip(pairwise(self.bounds), levels_db, strict=True):
            for first, end in runs(level_db > 0):
                yield slice(start, stop), slice(first, end), _ratio_of(level_db[first:end])


def _ratio_of(decibels: Floats) -> Power:
    return (10 ** (decibels / 10)).astype(np.float32)

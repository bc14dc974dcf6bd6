"""Chorus: insects, frogs and other sounds that never pause, as background over several chunks.

The background of one chunk is wrong in two cases. A nightjar that churrs through a whole chunk is
part of it, and a chorus that pulses is not, because the pauses between the pulses are the
background. Both are seen over the chunks of a block: a churr by its level, which is far above that
of other chunks or of the neighbouring bands, and its steady rate of pulses; a chorus because it
pauses in no second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from darksound.segmentation.grid import Grid
from darksound.segmentation.regions import Ratio, RegionPoints, find_regions
from darksound.settings import SegmentationSettings

__all__ = ["BlockRegions", "ChunkActivity", "find_block_regions", "measure_activity"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Power = npt.NDArray[np.float32]

# Maxima are taken in cells of this length; a second is a few cells.
_CELL_S = 0.125
_CELLS_OF_SECOND = 8
# A cell or a second is busy if it has a point so many dB over `low_db`: softer sounds are rarely
# part of a ROI.
_BUSY_DB = 4.0
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
# A call in a chorus has a point so many dB over the chorus's own loudest points.
_STAND_OUT_DB = 6.0
# A churr: pulses at a steady rate, in a band of limited width, without an insect's frequency.
_CHURR_HZ = (400.0, 2800.0)
_MAX_CHURR_WIDTH_HZ, _CHURR_WIDTH_DB = 1500.0, 12.0
_PULSES_HZ = (8.0, 45.0)
# The line of the rate in the spectrum of the envelope stands so many dB out of its neighbours.
# That of noise, of frogs in chorus and of days in a forest does by at most 7 dB, that of churrs by
# 17 to 30.
_MIN_PULSE_DB = 10.0
_MIN_SKIRT_PULSE_DB = 5.0
_ENVELOPE_S = 2.73
# Harmonics of mains beat at these rates, which frames at a lower rate show at others.
_MAINS_HZ = (60.0, 100.0, 120.0, 180.0, 200.0, 240.0)
_MAINS_WIDTH_HZ = 0.75
_LINE_NEIGHBOURS_HZ = 7.7
# A churr that fills a chunk has a background so many dB over that of the lowest chunks of the
# block, or over the median of an octave.
_MIN_EXCESS_DB = 8.0
_MIN_SKIRT_EXCESS_DB = 3.0
# A churr whose pulses are certain is found this much below the thresholds, unless it is as wide as
# hum, whose harmonics beat.
_PULSE_GAIN_DB, _MAX_GAIN_WIDTH_HZ = 6.0, 700.0
_QUIET_CHUNKS = 0.1
_BANDS_PER_OCTAVE = 24


@dataclass(frozen=True)
class ChunkActivity:
    """How often and how loud each band of a chunk is above its background.

    All but the first attribute have the shape `(bands,)`, or are numbers.

    Attributes:
        cells_db: loudest point of each cell over the background, `(cells, bands)`.
        background_db: background of the chunk.
        busy_cells: share of the cells that are busy.
        busy_seconds: share of the seconds that are.
        median_db: median of the loudest points of the seconds, over the background.
        tenth_db: their tenth percentile.
        ninetieth_db: their ninetieth percentile.
        pulse_db: how far a rate of pulses stands out in the envelope; 0 above the churrs' bands.
        seconds: length of the chunk.
    """

    cells_db: Power
    background_db: Floats
    busy_cells: Floats
    busy_seconds: Floats
    median_db: Floats
    tenth_db: Floats
    ninetieth_db: Floats
    pulse_db: Floats
    seconds: float


def measure_activity(
    power: Power, ratio: Ratio, background: Power, grid: Grid, settings: SegmentationSettings
) -> ChunkActivity:
    """Measure the activity of each band of a chunk.

    Args:
        power: of all bins, not smoothed, `(frames, bins)`.
        ratio: smoothed power over background, `(frames, bands)`.
        background: `(bands,)`.
        grid: frames and bands.
        settings: `low_db` is used.
    """
    seconds = len(ratio) * grid.frame_s
    n_cells = max(min(round(seconds / _CELL_S), len(ratio)), 1)
    first = np.arange(n_cells) * len(ratio) // n_cells
    cells = _decibels(np.maximum.reduceat(ratio, first, axis=0))
    in_second = scipy.ndimage.maximum_filter1d(cells, _CELLS_OF_SECOND, axis=0, mode="nearest")
    busy_db = settings.low_db + _BUSY_DB
    tenth, median, ninetieth = np.percentile(in_second, (10, 50, 90), axis=0)
    return ChunkActivity(
        cells_db=cells.astype(np.float32),
        background_db=_decibels(background),
        busy_cells=(cells >= busy_db).mean(axis=0),
        busy_seconds=(in_second >= busy_db).mean(axis=0),
        median_db=median,
        tenth_db=tenth,
        ninetieth_db=ninetieth,
        pulse_db=_pulse_prominence(power, grid),
        seconds=seconds,
    )


def _pulse_prominence(power: Power, grid: Grid) -> Floats:
    """Return by how many dB a rate of pulses stands out in the envelope of each band."""
    prominence = np.zeros(grid.bands)
    length = round(_ENVELOPE_S / grid.frame_s)
    low, high = (round(hz / grid.band_hz) for hz in _CHURR_HZ)
    first, stop = max(low, grid.first_bin), min(high + 1, grid.first_bin + grid.bands)
    if len(power) < length or stop - first < 3:
        return prominence
    envelope = np.sqrt(power[:, first:stop].T)
    parts = np.lib.stride_tricks.sliding_window_view(envelope, length, axis=1)[:, :: length // 2]
    mean = np.maximum(parts.mean(axis=2, keepdims=True), np.finfo(np.float32).tiny)
    window = np.hanning(length).astype(np.float32)
    spectrum = np.abs(scipy.fft.rfft((parts / mean - 1) * window, axis=2)) ** 2
    lines = scipy.ndimage.uniform_filter1d(spectrum.sum(axis=1), 3, axis=0)
    rate_step = 1 / (length * grid.frame_s)
    levels = _decibels(lines)
    width = 2 * round(_LINE_NEIGHBOURS_HZ / 2 / rate_step) + 1
    neighbours = scipy.ndimage.uniform_filter1d(levels, width, axis=1, mode="nearest")
    rates = np.arange(levels.shape[1]) * rate_step
    mains = [abs(hz - round(hz * grid.frame_s) / grid.frame_s) for hz in _MAINS_HZ]
    is_pulse = (_PULSES_HZ[0] <= rates) & (rates <= _PULSES_HZ[1])
    is_pulse &= (np.abs(rates[:, None] - mains) > _MAINS_WIDTH_HZ).all(axis=1)
    highest = (levels - neighbours)[:, is_pulse].max(axis=1, initial=0)
    prominence[first - grid.first_bin : stop - grid.first_bin] = highest
    return prominence


@dataclass(frozen=True)
class BlockRegions:
    """The regions of a block.

    Attributes:
        calls: regions that stand out of the background, and of a chorus where there is one.
        chorus: what else is above the thresholds where there is a chorus; None if there is none.
    """

    calls: RegionPoints
    chorus: RegionPoints | None


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
        return BlockRegions(find_regions(ratio, grid, settings), None)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    churr_db = _churr_levels(activities, grid)
    for (start, stop), level_db in zip(pairwise(bounds), churr_db, strict=True):
        if level_db.any():
            ratio[start:stop] *= _ratio_of(level_db)
    chorus_db = _chorus_levels(activities, churr_db > 0, grid, settings)
    if not chorus_db.any():
        return BlockRegions(find_regions(ratio, grid, settings), None)
    return _regions_in_chorus(ratio, bounds, chorus_db, grid, settings)


def _churr_levels(activities: Sequence[ChunkActivity], grid: Grid) -> Floats:
    """Return by how many dB to raise churrs over the background, `(chunks, bands)`; 0: none."""
    background = np.array([each.background_db for each in activities])
    pulses = np.array([each.pulse_db for each in activities])
    quiet = np.sort(background, axis=0)[int(_QUIET_CHUNKS * (len(background) - 1))]
    over_quiet = background - quiet
    over_neighbours = background - _octave_medians(background, grid)
    # The level of quiet chunks is the better one where it is known.
    excess = np.where(over_quiet >= _MIN_EXCESS_DB, over_quiet, over_neighbours)
    excess = np.maximum(excess, over_quiet)
    seeds = (excess >= _MIN_EXCESS_DB) & (pulses >= _MIN_PULSE_DB)
    may_be = (excess >= _MIN_SKIRT_EXCESS_DB) & (pulses >= _MIN_SKIRT_PULSE_DB)
    max_bands = _MAX_CHURR_WIDTH_HZ / grid.band_hz
    top = round(_CHURR_HZ[1] / grid.band_hz) - grid.first_bin
    levels: Floats = np.zeros_like(excess)
    for chunk in np.flatnonzero(seeds.any(axis=1)).tolist():
        for first, stop in _runs(may_be[chunk]):
            bands = slice(first, stop)
            loud = excess[chunk, bands] >= excess[chunk, bands].max() - _CHURR_WIDTH_DB
            if seeds[chunk, bands].any() and loud.sum() <= max_bands and stop <= top:
                levels[chunk, bands] = excess[chunk, bands]
    for chunk, certain in enumerate((pulses >= _MIN_PULSE_DB) & (np.arange(grid.bands) < top)):
        for first, stop in _runs(certain):
            if stop - first <= _MAX_GAIN_WIDTH_HZ / grid.band_hz:
                bands = slice(first, stop)
                levels[chunk, bands] = np.maximum(levels[chunk, bands], _PULSE_GAIN_DB)
    return levels


def _octave_medians(background: Floats, grid: Grid) -> Floats:
    """Return the median over an octave around each band, of decibels `(chunks, bands)`."""
    hz = (grid.first_bin + np.arange(grid.bands)) * grid.band_hz
    octaves = np.log2(hz)
    points = np.arange(octaves[0], octaves[-1] + 1 / _BANDS_PER_OCTAVE, 1 / _BANDS_PER_OCTAVE)
    medians = np.empty_like(background)
    for chunk, profile in enumerate(background):
        spread = np.interp(points, octaves, profile)
        middle = scipy.ndimage.median_filter(spread, _BANDS_PER_OCTAVE + 1, mode="nearest")
        medians[chunk] = np.interp(octaves, points, middle)
    return medians


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
    single = is_churr | (pulses >= _MIN_PULSE_DB)
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
    lags = [lag for lag in range(*(round(s / _CELL_S) for s in _RHYTHM_S)) if lag < len(cells) // 2]
    repeats = [(cells[lag:] * cells[:-lag]).mean(axis=0) for lag in lags]
    rhythm: Bools = np.max(repeats, axis=0, initial=-1) >= _MIN_RHYTHM_CORRELATION
    return rhythm


def _with_skirts(cells: Sequence[Power], seeds: Bools, may_be: Bools, grid: Grid) -> Bools:
    """Return the bands of choruses, and those near them that go up and down with them."""
    near, far = (round(hz / grid.band_hz) for hz in (_NEAR_SKIRT_HZ, _FAR_SKIRT_HZ))
    correlation = np.zeros(seeds.shape)
    for chunk in np.flatnonzero(seeds.any(axis=1)).tolist():
        for first, stop in _runs(seeds[chunk]):
            own = _standardize(cells[chunk][:, first:stop].mean(axis=1, keepdims=True))[:, 0]
            bands = slice(max(first - far, 0), stop + far)
            together = own @ cells[chunk][:, bands] / len(own)
            correlation[chunk, bands] = np.maximum(correlation[chunk, bands], together)
    size = min(_SKIRT_CHUNKS, len(correlation))
    correlation = scipy.ndimage.uniform_filter1d(correlation, size, axis=0, mode="nearest")
    chorus = seeds.copy()
    for chunk in np.flatnonzero(seeds.any(axis=1)).tolist():
        for first, stop in _runs(seeds[chunk]):
            inside = correlation[chunk] >= _MIN_SKIRT_CORRELATION
            inside[max(first - near, 0) : stop + near] = True
            inside = scipy.ndimage.binary_closing(inside & may_be[chunk], np.ones(_GAP_BANDS + 1))
            inside[first:stop] = True
            low, high = next(run for run in _runs(inside) if run[0] <= first < run[1])
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


def _regions_in_chorus(
    ratio: Ratio,
    bounds: npt.NDArray[np.int64],
    chorus_db: Floats,
    grid: Grid,
    settings: SegmentationSettings,
) -> BlockRegions:
    low_ratio = float(10 ** (settings.low_db / 10))
    # The chorus's level lies at `low_db`, and a call's so that it reaches `high_db`.
    power = max((settings.high_db - settings.low_db) / _STAND_OUT_DB, 1.0)
    bands = np.flatnonzero(chorus_db.any(axis=0))
    effective, rest = ratio.copy(), np.zeros((len(ratio), bands[-1] + 1 - bands[0]), np.float32)
    for (start, stop), level_db in zip(pairwise(bounds), chorus_db, strict=True):
        for first, end in _runs(level_db > 0):
            level = _ratio_of(level_db[first:end])
            part = ratio[start:stop, first:end]
            rest[start:stop, first - bands[0] : end - bands[0]] = part
            effective[start:stop, first:end] = low_ratio * (part / level) ** power
    calls = find_regions(effective, grid, settings)
    chunk = np.searchsorted(bounds, calls.frame, side="right") - 1
    level_db = chorus_db[chunk, calls.band]
    plain = ratio[calls.frame, calls.band] * low_ratio / _ratio_of(level_db)
    calls = replace(calls, ratio=np.where(level_db > 0, plain, calls.ratio))
    inside = level_db > 0
    rest[calls.frame[inside], calls.band[inside] - bands[0]] = 0
    chorus = find_regions(rest, grid, settings)
    return BlockRegions(calls, replace(chorus, band=chorus.band + bands[0]))


def _runs(mask: Bools) -> list[tuple[int, int]]:
    """Return the first position of each run of true values, and the one after its last."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _ratio_of(decibels: Floats) -> Power:
    return (10 ** (decibels / 10)).astype(np.float32)


def _decibels(ratio: npt.NDArray[np.floating]) -> Floats:
    decibels: Floats = 10 * np.log10(np.maximum(ratio, np.finfo(np.float32).tiny)).astype(
        np.float64
    )
    return decibels

"""Churrs and long trills: sounds with one steady rate of pulses, however long."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from darksound.segmentation.activity import CHURR_HZ, MIN_PULSE_DB, ChunkActivity
from darksound.segmentation.grid import Grid
from darksound.settings import SegmentationSettings

__all__ = ["churr_gains", "churr_levels", "runs"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# A churr is in a band of limited width.
_MAX_CHURR_WIDTH_HZ, _CHURR_WIDTH_DB = 1500.0, 12.0
_MIN_SKIRT_PULSE_DB = 5.0
# A churr that fills a chunk has a background so many dB over that of the lowest chunks of the
# block, or over the median of an octave.
_MIN_EXCESS_DB = 8.0
_MIN_SKIRT_EXCESS_DB = 3.0
# A churr whose pulses are certain is found this much below the thresholds, unless it is as wide as
# hum, whose harmonics beat.
_PULSE_GAIN_DB, _MAX_GAIN_WIDTH_HZ = 6.0, 700.0
_QUIET_CHUNKS = 0.1
_BANDS_PER_OCTAVE = 24
# The seconds of a chunk that a churr fills are at about the same level: the median of their loudest
# points is at most so many dB above the tenth percentile, or that is so far above `low_db`. Songs
# with trills pause.
_MAX_STEADY_DB, _MIN_LOUD_DB = 4.0, 4.0
# The loudest points of a second of a churr are at most so many dB above the tenth percentile.
_VARIATION_DB = 2.0
# Bands beside a churr that pulse with it belong to it, and those over which the window spreads it.
_SKIRT_HZ, _SPREAD_BANDS = 250.0, 2


def churr_gains(activities: Sequence[ChunkActivity], grid: Grid) -> Floats:
    """Return by how many dB to raise churrs over the background, `(chunks, bands)`; 0: none."""
    background = np.array([each.background_db for each in activities])
    pulses = np.array([each.pulse_db for each in activities])
    quiet = np.sort(background, axis=0)[int(_QUIET_CHUNKS * (len(background) - 1))]
    over_quiet = background - quiet
    over_neighbours = background - _octave_medians(background, grid)
    # The level of quiet chunks is the better one where it is known.
    excess = np.where(over_quiet >= _MIN_EXCESS_DB, over_quiet, over_neighbours)
    excess = np.maximum(excess, over_quiet)
    seeds = (excess >= _MIN_EXCESS_DB) & (pulses >= MIN_PULSE_DB)
    may_be = (excess >= _MIN_SKIRT_EXCESS_DB) & (pulses >= _MIN_SKIRT_PULSE_DB)
    max_bands = _MAX_CHURR_WIDTH_HZ / grid.band_hz
    top = round(CHURR_HZ[1] / grid.band_hz) - grid.first_bin
    levels: Floats = np.zeros_like(excess)
    for chunk in np.flatnonzero(seeds.any(axis=1)).tolist():
        for first, stop in runs(may_be[chunk]):
            bands = slice(first, stop)
            loud = excess[chunk, bands] >= excess[chunk, bands].max() - _CHURR_WIDTH_DB
            if seeds[chunk, bands].any() and loud.sum() <= max_bands and stop <= top:
                levels[chunk, bands] = excess[chunk, bands]
    for chunk, certain in enumerate((pulses >= MIN_PULSE_DB) & (np.arange(grid.bands) < top)):
        for first, stop in runs(certain):
            if stop - first <= _MAX_GAIN_WIDTH_HZ / grid.band_hz:
                bands = slice(first, stop)
                levels[chunk, bands] = np.maximum(levels[chunk, bands], _PULSE_GAIN_DB)
    return levels


def churr_levels(
    activities: Sequence[ChunkActivity],
    gains_db: Floats,
    grid: Grid,
    settings: SegmentationSettings,
) -> Floats:
    """Return the level of churrs that last for a chunk or more, `(chunks, bands)`; 0: none.

    The level is that of the loudest points of the seconds, in decibels over the background from
    which churrs were raised. The chunks in which such a churr begins and ends belong to it.

    Args:
        activities: of each chunk.
        gains_db: by how many decibels churrs were raised, of `churr_gains`.
        grid: frames and bands.
        settings: `low_db` is used.
    """
    background = np.array([each.background_db for each in activities])
    pulses = np.array([each.pulse_db for each in activities])
    tenth = np.array([each.tenth_db for each in activities])
    lowest_db = tenth + gains_db - settings.low_db
    steady = (lowest_db >= 0) & (
        np.array([each.median_db for each in activities]) - tenth <= _MAX_STEADY_DB
    )
    # Others may sing with a loud one for most of the chunk.
    steady |= lowest_db >= _MIN_LOUD_DB
    certain = pulses >= MIN_PULSE_DB
    lasting = certain & steady
    if not lasting.any():
        return np.zeros(pulses.shape)
    # The level of a chunk that is not full is that of the nearest full one.
    sound_db = np.where(lasting, tenth + background + _VARIATION_DB, -np.inf)
    beside = np.full_like(sound_db, -np.inf)
    beside[1:], beside[:-1] = sound_db[:-1], np.maximum(sound_db[1:], beside[:-1])
    sound_db = np.where(lasting, sound_db, np.where(certain, beside, -np.inf))
    # A skirt has the level of its own points where it is steady, too.
    near = round(_SKIRT_HZ / grid.band_hz)
    found = np.isfinite(sound_db)
    skirt = scipy.ndimage.maximum_filter1d(found, 2 * near + 1, axis=1)
    skirt &= pulses >= _MIN_SKIRT_PULSE_DB
    skirt = (skirt | scipy.ndimage.maximum_filter1d(found, 2 * _SPREAD_BANDS + 1, axis=1)) & ~found
    sound_db = np.where(skirt, tenth + background + 2 * _VARIATION_DB, sound_db)
    levels: Floats = np.where(
        np.isfinite(sound_db), np.maximum(sound_db - background + gains_db, settings.low_db), 0.0
    )
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


def runs(mask: Bools) -> list[tuple[int, int]]:
    """Return the first position of each run of true values, and the one after its last."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))

"""How often and how loud each band of a chunk is above its background, and how it pulses."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from darksound.segmentation.grid import Grid
from darksound.settings import SegmentationSettings

__all__ = ["CELL_S", "CHURR_HZ", "MIN_PULSE_DB", "ChunkActivity", "measure_activity"]

Floats = npt.NDArray[np.float64]
Power = npt.NDArray[np.float32]

#: Maxima are taken in cells of this length; a second is a few cells.
CELL_S = 0.125
_CELLS_OF_SECOND = 8
# A cell or a second is busy if it has a point so many dB over `low_db`: softer sounds are rarely
# part of a ROI.
_BUSY_DB = 4.0
#: Churrs are looked for between these frequencies.
CHURR_HZ = (400.0, 2800.0)
_PULSES_HZ = (8.0, 45.0)
#: The line of the rate in the spectrum of the envelope stands so many dB out of its neighbours.
#: That of noise, of frogs in chorus and of days in a forest does by at most 7 dB, that of churrs by
#: 17 to 30.
MIN_PULSE_DB = 10.0
_ENVELOPE_S = 2.73
# Harmonics of mains beat at these rates, which frames at a lower rate show at others.
_MAINS_HZ = (60.0, 100.0, 120.0, 180.0, 200.0, 240.0)
_MAINS_WIDTH_HZ = 0.75
_LINE_NEIGHBOURS_HZ = 7.7


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
    power: Power, ratio: Power, background: Power, grid: Grid, settings: SegmentationSettings
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
    n_cells = max(min(round(seconds / CELL_S), len(ratio)), 1)
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
    low, high = (round(hz / grid.band_hz) for hz in CHURR_HZ)
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


def _decibels(ratio: npt.NDArray[np.floating]) -> Floats:
    decibels: Floats = 10 * np.log10(np.maximum(ratio, np.finfo(np.float32).tiny)).astype(
        np.float64
    )
    return decibels

"""Power spectrograms, and the background of each band over a chunk."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from darksound.segmentation.grid import Grid
from darksound.settings import SegmentationSettings

__all__ = [
    "BACKGROUNDS",
    "BandLevels",
    "estimate_background",
    "floor_power",
    "measure_bands",
    "power_spectrum",
    "smooth",
]

Power = npt.NDArray[np.float32]

# Frames per batch; more would not fit the cache of a CPU.
_BATCH_SIZE = 64
# Every band is assumed to be without sounds for this share of a chunk.
_QUIET_SHARE = 0.3
# Smallest background relative to the loudest point: lossy codecs leave empty bands, above which
# everything would stand out.
_MIN_RELATIVE_POWER = 1e-8
# Rounding noise of 24 bits, for digital silence.
_MIN_POWER = (2.0**-23) ** 2 / 12
# A constant offset leaks into the lowest bins.
_OFFSET_BINS = 2
# In fewer frames the floor is no estimate of the background.
_MIN_FLOOR_FRAMES = 40


def power_spectrum(waveform: npt.NDArray[np.float32], n_fft: int, hop: int) -> Power:
    """Return the squared magnitude of the STFT, Hann window, frames not centred.

    Args:
        waveform: samples `(n,)`; one shorter than a frame is padded with zeros.
        n_fft: samples of a frame.
        hop: samples from frame to frame.

    Returns:
        `(frames, n_fft // 2 + 1)`.
    """
    if len(waveform) < n_fft:
        waveform = np.pad(waveform, (0, n_fft - len(waveform)))
    frames = np.lib.stride_tricks.sliding_window_view(waveform, n_fft)[::hop]
    power = np.empty((len(frames), n_fft // 2 + 1), np.float32)
    window = _hann(n_fft)
    for first in range(0, len(frames), _BATCH_SIZE):
        spectrum = scipy.fft.rfft(frames[first : first + _BATCH_SIZE] * window, axis=1)
        out = power[first : first + _BATCH_SIZE]
        np.square(spectrum.real, out=out)
        out += np.square(spectrum.imag)
    return power


def smooth(power: Power, size: tuple[int, int]) -> Power:
    """Return the running mean over `size` frames and bands; values at the edges are repeated."""
    for axis, length in enumerate(size):
        if length > 1:
            power = scipy.ndimage.uniform_filter1d(power, length, axis=axis, mode="nearest")
    return power


@lru_cache(maxsize=8)
def _hann(n_fft: int) -> npt.NDArray[np.float32]:
    phase = 2 * np.pi * np.arange(n_fft) / n_fft
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def floor_power(power: Power) -> Power:
    """Return the 30th percentile over time of each band, `(bands,)`, of power `(frames, bands)`."""
    rank = int(_QUIET_SHARE * (len(power) - 1))
    floor: Power = np.partition(power, rank, axis=0)[rank]
    return floor


def _median_power(power: Power) -> Power:
    return np.median(power, axis=0)


def _log_mean_power(power: Power) -> Power:
    tiny = np.finfo(np.float32).tiny
    mean: Power = np.exp(np.log(np.maximum(power, tiny)).mean(axis=0))
    return mean


#: Functions from power `(frames, bands)` to a background `(bands,)`, by the name in
#: `segmentation.background`; `median` and `mean` are those of decibels.
BACKGROUNDS: dict[str, Callable[[Power], Power]] = {
    "floor": floor_power,
    "median": _median_power,
    "mean": _log_mean_power,
}


def estimate_background(power: Power, settings: SegmentationSettings) -> Power:
    """Estimate the background of each band, its decibels smoothed over neighbouring bands.

    Args:
        power: of a chunk, `(frames, bands)`.
        settings: `background` and `background_bands` are used.

    Returns:
        Power `(bands,)`, above zero everywhere.
    """
    min_power = max(float(power.max(initial=0)) * _MIN_RELATIVE_POWER, _MIN_POWER)
    profile = np.log(np.maximum(BACKGROUNDS[settings.background](power), min_power))
    width = min(settings.background_bands, len(profile))
    background: Power = np.exp(scipy.ndimage.uniform_filter1d(profile, width, mode="nearest"))
    return background.astype(np.float32)


@dataclass(frozen=True)
class BandLevels:
    """What a chunk has below, within and above the frequencies that are searched.

    Attributes:
        shares: of the energy, a constant offset excluded; all 0 if there is nothing else.
        peaks_db: the loudest point over the background in decibels, within by the smoothed power
            that is compared with the thresholds, below and above by the power over its floor; 0
            where the recording has no such frequencies, or is too short to have a floor.
    """

    shares: tuple[float, float, float]
    peaks_db: tuple[float, float, float]


def measure_bands(power: Power, floor: Power, peak_ratio: float, grid: Grid) -> BandLevels:
    """Measure what is below, within and above the searched frequencies.

    Args:
        power: of all bins, `(frames, bins)`.
        floor: of each bin, `(bins,)`.
        peak_ratio: the highest power over background within.
        grid: frames and bands.
    """
    edges = (_OFFSET_BINS, max(grid.first_bin, _OFFSET_BINS), grid.first_bin + grid.bands)
    bands = [slice(*edges[:2]), slice(*edges[1:]), slice(edges[2], None)]
    mean, peak = power.mean(axis=0), power.max(axis=0)
    energies = [float(mean[band].sum(dtype=np.float64)) for band in bands]
    total = sum(energies)
    # Rounding noise is no sound, neither that of the samples nor that of a large offset.
    if total <= max(float(mean.max(initial=0)) * _MIN_RELATIVE_POWER, _MIN_POWER):
        return BandLevels((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    min_power = max(float(peak.max()) * _MIN_RELATIVE_POWER, _MIN_POWER)
    contrast = peak / np.maximum(floor, min_power)
    has_floor = len(power) >= _MIN_FLOOR_FRAMES
    below, above = (
        float(contrast[band].max(initial=1)) if has_floor else 1.0 for band in (bands[0], bands[2])
    )
    below_db, within_db, above_db = (
        float(10 * np.log10(max(ratio, 1.0))) for ratio in (below, peak_ratio, above)
    )
    shares = [energy / total for energy in energies]
    return BandLevels((shares[0], shares[1], shares[2]), (below_db, within_db, above_db))

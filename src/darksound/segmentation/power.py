"""Power spectrograms, and the background of each band over a chunk."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from darksound.settings import SegmentationSettings

__all__ = ["BACKGROUNDS", "estimate_background", "floor_power", "power_spectrum", "smooth"]

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

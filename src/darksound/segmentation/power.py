"""The background of each band over a chunk."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from darksound.settings import SegmentationSettings

__all__ = ["BACKGROUNDS", "background", "power_spectrum", "quiet_power", "smoothed"]

Power = npt.NDArray[np.float32]

# As many frames at once as stay within a processor's cache.
_BATCH = 64


def power_spectrum(wave: npt.NDArray[np.float32], n_fft: int, hop: int) -> Power:
    """Squared magnitude of the short-time Fourier transform, Hann window, not centred.

    Args:
        wave: samples `(n,)`; a wave shorter than a frame is padded with zeros.
        n_fft: samples of a frame.
        hop: samples from frame to frame.

    Returns:
        `(frames, n_fft // 2 + 1)`.
    """
    if len(wave) < n_fft:
        wave = np.pad(wave, (0, n_fft - len(wave)))
    frames = np.lib.stride_tricks.sliding_window_view(wave, n_fft)[::hop]
    power = np.empty((len(frames), n_fft // 2 + 1), np.float32)
    window = _hann(n_fft)
    for first in range(0, len(frames), _BATCH):
        spectrum = scipy.fft.rfft(frames[first : first + _BATCH] * window, axis=1)
        out = power[first : first + _BATCH]
        np.square(spectrum.real, out=out)
        out += np.square(spectrum.imag)
    return power


def smoothed(power: Power, size: tuple[int, int]) -> Power:
    """Mean over so many frames and bands around each point; at the edges, over what is there."""
    for axis, length in enumerate(size):
        if length > 1:
            power = scipy.ndimage.uniform_filter1d(power, length, axis=axis, mode="nearest")
    return power


@lru_cache(maxsize=8)
def _hann(n_fft: int) -> npt.NDArray[np.float32]:
    phase = 2 * np.pi * np.arange(n_fft) / n_fft
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


# The share of a chunk that any band is taken to be free of sounds.
_FREE_SHARE = 0.3
# No band lies farther than this below the loudest point: lossy codecs leave holes that everything
# would stand out from.
_DEEPEST = 1e-8
# Rounding noise of 24 bits, for digital silence.
_LEAST = (2.0**-23) ** 2 / 12


def quiet_power(power: Power) -> Power:
    """What each band's power seldom falls below, `(bands,)`, of power `(frames, bands)`."""
    rank = int(_FREE_SHARE * (len(power) - 1))
    quiet: Power = np.partition(power, rank, axis=0)[rank]
    return quiet


def _median(power: Power) -> Power:
    return np.median(power, axis=0)


def _mean(power: Power) -> Power:
    tiny = np.finfo(np.float32).tiny
    mean: Power = np.exp(np.log(np.maximum(power, tiny)).mean(axis=0))
    return mean


#: The background `(bands,)` of power `(frames, bands)`. `median` and `mean` are those of decibels.
BACKGROUNDS: Mapping[str, Callable[[Power], Power]] = MappingProxyType(
    {"floor": quiet_power, "median": _median, "mean": _mean}
)


def background(power: Power, settings: SegmentationSettings) -> Power:
    """The background of each band, its decibels smoothed over neighbouring bands.

    Args:
        power: of a chunk, `(frames, bands)`.
        settings: `background` and `background_bands` are used.

    Returns:
        Power `(bands,)`, everywhere above zero.
    """
    least = max(float(power.max(initial=0)) * _DEEPEST, _LEAST)
    profile = np.log(np.maximum(BACKGROUNDS[settings.background](power), least))
    width = min(settings.background_bands, len(profile))
    smooth: Power = np.exp(scipy.ndimage.uniform_filter1d(profile, width, mode="nearest"))
    return smooth.astype(np.float32)

"""Waveforms of ROIs: band limits, fades, and one length for all."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft

from darksound.settings import FrontEndSettings

__all__ = [
    "FADE_EXPONENTS",
    "LONG_ROI_RATIO",
    "fade",
    "fit_length",
    "limit_band",
    "prepare_waveform",
    "split_into_windows",
]

Waveform = npt.NDArray[np.float32]

#: A waveform longer than this many windows is split into several; a smaller excess is cut off.
LONG_ROI_RATIO = 1.05

#: Gains of a fade by the names of torchaudio: powers of sin(pi/2 x), for x from 0 to 1. Its square
#: is sin(pi x - pi/2)/2 + 1/2.
FADE_EXPONENTS = {"quarter_sine": 1, "half_sine": 2}

# Width of the transition on either side of the band.
_TRANSITION_HZ = 250.0
# Silence after the waveform, so that its end does not wrap around to its start.
_PADDING_S = 0.02


def limit_band(
    waveform: Waveform, rate: int, low_hz: float, high_hz: float, attenuation_db: float
) -> Waveform:
    """Attenuate a waveform outside a frequency band, with zero phase.

    The band itself is unchanged. The transition on either side is 250 Hz wide, a raised cosine in
    amplitude.

    Args:
        waveform: samples `(n,)`.
        rate: in Hz.
        low_hz: lower edge of the band.
        high_hz: upper edge of the band.
        attenuation_db: outside the band.

    Returns:
        Samples `(n,)`.
    """
    n = len(waveform)
    size = scipy.fft.next_fast_len(n + round(_PADDING_S * rate), real=True)
    hz = scipy.fft.rfftfreq(size, 1 / rate)
    distance = np.maximum(np.maximum(low_hz - hz, hz - high_hz), 0) / _TRANSITION_HZ
    min_gain = 10 ** (-attenuation_db / 20)
    gain = min_gain + (1 - min_gain) * (0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, 1)))
    spectrum = scipy.fft.rfft(waveform, size) * gain.astype(np.float32)
    limited: Waveform = scipy.fft.irfft(spectrum, size)
    return np.ascontiguousarray(limited[:n], dtype=np.float32)


def prepare_waveform(
    waveform: Waveform, rate: int, length: int, settings: FrontEndSettings
) -> tuple[Waveform, int]:
    """Fade a ROI in and out, and cut or pad it to `length` samples.

    Args:
        waveform: samples `(n,)`.
        rate: in Hz.
        length: number of samples.
        settings: `fade_shape`, `fade_s`, `fade_share` and `long_rois` are used.

    Returns:
        Samples `(length,)`, and how many of them are the ROI; the others are zeros around it.
    """
    samples = min(int(settings.fade_s * rate), int(settings.fade_share * len(waveform)))
    faded = fade(waveform, samples, settings.fade_shape)
    return fit_length(faded, length, settings.long_rois), min(len(waveform), length)


def fade(waveform: Waveform, samples: int, shape: str) -> Waveform:
    """Fade a waveform in and out, as `torchaudio.transforms.Fade`.

    Where both fades overlap, their gains multiply.

    Args:
        waveform: samples `(n,)`.
        samples: length of each fade, at most n.
        shape: a key of `FADE_EXPONENTS`.
    """
    if samples == 0:
        return waveform
    ramp = _ramp(samples, shape)
    faded = waveform.copy()
    faded[:samples] *= ramp
    faded[-samples:] *= ramp[::-1]
    return faded


@lru_cache(maxsize=16)
def _ramp(samples: int, shape: str) -> Waveform:
    sine = np.sin(np.linspace(0, math.pi / 2, samples))
    return (sine ** FADE_EXPONENTS[shape]).astype(np.float32)


def fit_length(waveform: Waveform, length: int, long_rois: str) -> Waveform:
    """Cut a waveform, or pad it with zeros on both sides; an odd zero goes to the left.

    Args:
        waveform: samples `(n,)`.
        length: number of samples.
        long_rois: `start` keeps the first `length` samples of a longer waveform, other values
            those with most energy.

    Returns:
        Samples `(length,)`.
    """
    excess = len(waveform) - length
    if excess > 0:
        start = 0 if long_rois == "start" else _loudest_start(waveform, length)
        return waveform[start : start + length]
    left = (1 - excess) // 2
    padded = np.zeros(length, waveform.dtype)
    padded[left : left + len(waveform)] = waveform
    return padded


def split_into_windows(waveform: Waveform, length: int, long_rois: str) -> npt.NDArray[np.float32]:
    """Return the windows of a waveform for a model that takes windows of fixed length.

    Args:
        waveform: samples `(n,)`.
        length: samples of a window.
        long_rois: `mean` returns windows over all of a longer waveform, at equal steps of at most
            half a window; otherwise one window is returned, chosen as by `fit_length`.

    Returns:
        `(n_windows, length)`; one window if the waveform has at most `LONG_ROI_RATIO` windows.
    """
    if long_rois != "mean" or len(waveform) <= LONG_ROI_RATIO * length:
        return fit_length(waveform, length, long_rois)[None]
    n_windows = math.ceil(2 * (len(waveform) - length) / length) + 1
    starts = np.linspace(0, len(waveform) - length, n_windows).round().astype(np.int64)
    return np.stack([waveform[start : start + length] for start in starts])


def _loudest_start(waveform: Waveform, length: int) -> int:
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    return int(np.argmax(energy[length:] - energy[:-length]))

"""Augmentation of waveforms, so that a learner does not rely on the recording conditions."""

import math
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import scipy.fft

from darksound.settings import AugmentationSettings

__all__ = ["augment_waveform", "waveform_settings_key"]

Waveform = npt.NDArray[np.float32]
Sample = TypeVar("Sample", np.float32, np.complex64)

# Settings that augmented waveforms depend on; the others concern images.
_WAVEFORM_SETTINGS = frozenset(
    {"noise_snr_db", "gain_db", "tilt_db", "neighbour_db", "neighbour_share", "time_shift"}
)
# Spectral slopes of natural noise: white (0) to brown (2) in power.
_MAX_NOISE_SLOPE = 2.0
_MIN_NOISE_HZ = 50.0
_LOG_PER_DB = math.log(10) / 20


def waveform_settings_key(settings: AugmentationSettings) -> str:
    """Return the settings that augmented waveforms depend on, as part of a cache key."""
    return settings.model_dump_json(include=set(_WAVEFORM_SETTINGS))


def augment_waveform(
    waveform: Waveform,
    rate: int,
    rng: np.random.Generator,
    settings: AugmentationSettings,
    neighbour: Waveform | None = None,
) -> Waveform:
    """Return one augmented version of the waveform of a ROI.

    The steps are a shift in time by at most `time_shift` of the ROI, a mixed-in neighbour, a tilt
    of the spectrum, coloured noise at a signal-to-noise ratio, and gain.

    Args:
        waveform: samples `(n,)`.
        rate: in Hz.
        rng: draws all values; the same generator state gives the same waveform.
        settings: ranges of the values.
        neighbour: another waveform of any length at the same rate to mix in, or None.

    Returns:
        Samples `(n,)`.
    """
    n = len(waveform)
    mixed = _shift(waveform, round(rng.uniform(-settings.time_shift, settings.time_shift) * n))
    level_db, position = rng.uniform(*settings.neighbour_db), rng.random()
    if neighbour is not None:
        placed = _place(neighbour, n, position)
        mixed = mixed + _scale_to_level(placed, _power(waveform), level_db)
    size = scipy.fft.next_fast_len(n, real=True)
    hz, log_hz = _bins(size, rate)
    spectrum = scipy.fft.rfft(mixed, size)
    tilt = rng.uniform(-settings.tilt_db, settings.tilt_db) * _LOG_PER_DB
    spectrum *= np.exp(np.float32(2 * tilt / rate) * hz - np.float32(tilt / 2))
    slope = rng.uniform(0, _MAX_NOISE_SLOPE)
    noise = rng.standard_normal((2, len(hz)), dtype=np.float32)
    noise *= np.exp(np.float32(-slope / 2) * log_hz)
    snr_db = rng.uniform(*settings.noise_snr_db)
    spectrum += _scale_to_level(noise[0] + 1j * noise[1], _power(spectrum), -snr_db)
    gain = 10 ** (rng.uniform(*settings.gain_db) / 20)
    augmented: Waveform = scipy.fft.irfft(spectrum, size)[:n]
    return augmented * np.float32(gain)


@lru_cache(maxsize=16)
def _bins(size: int, rate: int) -> tuple[Waveform, Waveform]:
    """Return the frequencies of a spectrum in Hz, and the logarithms that noise is coloured by."""
    hz = np.fft.rfftfreq(size, 1 / rate).astype(np.float32)
    return hz, np.log(np.maximum(hz, np.float32(_MIN_NOISE_HZ)))


def _shift(waveform: Waveform, samples: int) -> Waveform:
    """Shift a waveform to later times, or to earlier ones if `samples` is negative."""
    shifted = np.zeros_like(waveform)
    if samples >= 0:
        shifted[samples:] = waveform[: len(waveform) - samples]
    else:
        shifted[:samples] = waveform[-samples:]
    return shifted


def _place(waveform: Waveform, length: int, position: float) -> Waveform:
    """Cut a waveform, or pad it with zeros, to `length` at a relative position in [0, 1]."""
    if len(waveform) >= length:
        start = round(position * (len(waveform) - length))
        return waveform[start : start + length].copy()
    start = round(position * (length - len(waveform)))
    return np.pad(waveform, (start, length - len(waveform) - start))


def _power(x: npt.NDArray[Sample]) -> float:
    return float(np.mean(np.square(x.real) + np.square(x.imag), dtype=np.float64))


def _scale_to_level(
    x: npt.NDArray[Sample], reference_power: float, level_db: float
) -> npt.NDArray[Sample]:
    """Scale `x` in place to a level in dB relative to a power; zeros stay zeros."""
    power = _power(x)
    if power == 0:
        return x
    x *= np.float32(np.sqrt(reference_power / power * 10 ** (level_db / 10)))
    return x

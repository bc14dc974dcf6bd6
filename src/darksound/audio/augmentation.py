"""Altered versions of a ROI's sound, so that a learner hears past the recording."""

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import scipy.fft

from darksound.settings import AugmentationSettings

__all__ = ["alter", "sound_key"]

Wave = npt.NDArray[np.float32]
Sample = TypeVar("Sample", np.float32, np.complex64)

#: Settings that the altered sound depends on.
_SOUND_SETTINGS = frozenset(
    {"noise_snr_db", "gain_db", "tilt_db", "neighbour_db", "neighbour_share", "time_shift"}
)
# Spectral slopes of natural noise: white (0) to brown (2) in power.
_STEEPEST_NOISE = 2.0
_LOWEST_HZ = 50.0
_LOG_PER_DB = math.log(10) / 20


def sound_key(settings: AugmentationSettings) -> str:
    """What altered sound depends on, as text; part of the key of cached images."""
    return settings.model_dump_json(include=set(_SOUND_SETTINGS))


def alter(
    wave: Wave,
    rate: int,
    rng: np.random.Generator,
    settings: AugmentationSettings,
    neighbour: Wave | None = None,
) -> Wave:
    """One altered version of a ROI's sound.

    A shift in time by at most `time_shift` of the ROI, a quiet neighbour, a tilt of the spectrum,
    coloured noise at a signal-to-noise ratio, and gain; all drawn from `rng`.

    Args:
        wave: samples `(n,)`.
        rate: in Hz.
        rng: draws the alteration; the same generator state gives the same sound.
        settings: ranges that are drawn from.
        neighbour: sound to mix in quietly, of any length at the same rate, or None.

    Returns:
        Samples `(n,)`.
    """
    out = _shift(wave, round(rng.uniform(-settings.time_shift, settings.time_shift) * len(wave)))
    level_db, place = rng.uniform(*settings.neighbour_db), rng.random()
    if neighbour is not None:
        out = out + _at_level(_place(neighbour, len(wave), place), _power(wave), level_db)
    size = scipy.fft.next_fast_len(len(wave), real=True)
    hz = np.fft.rfftfreq(size, 1 / rate).astype(np.float32)
    spectrum = scipy.fft.rfft(out, size)
    tilt = rng.uniform(-settings.tilt_db, settings.tilt_db) * _LOG_PER_DB
    spectrum *= np.exp(np.float32(2 * tilt / rate) * hz - np.float32(tilt / 2))
    colour = rng.uniform(0, _STEEPEST_NOISE)
    noise = rng.standard_normal((2, len(hz)), dtype=np.float32)
    noise *= np.exp(np.float32(-colour / 2) * np.log(np.maximum(hz, np.float32(_LOWEST_HZ))))
    snr_db = rng.uniform(*settings.noise_snr_db)
    spectrum += _at_level(noise[0] + 1j * noise[1], _power(spectrum), -snr_db)
    gain = 10 ** (rng.uniform(*settings.gain_db) / 20)
    altered: Wave = scipy.fft.irfft(spectrum, size)[: len(wave)]
    return altered * np.float32(gain)


def _shift(wave: Wave, samples: int) -> Wave:
    out = np.zeros_like(wave)
    if samples >= 0:
        out[samples:] = wave[: len(wave) - samples]
    else:
        out[:samples] = wave[-samples:]
    return out


def _place(wave: Wave, length: int, place: float) -> Wave:
    """A stretch of a longer wave, or a shorter one among zeros, at a place from 0 to 1."""
    if len(wave) >= length:
        start = round(place * (len(wave) - length))
        return wave[start : start + length].copy()
    start = round(place * (length - len(wave)))
    return np.pad(wave, (start, length - len(wave) - start))


def _power(x: npt.NDArray[Sample]) -> float:
    return float(np.mean(np.square(x.real) + np.square(x.imag), dtype=np.float64))


def _at_level(x: npt.NDArray[Sample], power: float, level_db: float) -> npt.NDArray[Sample]:
    """`x` scaled in place to a power so many decibels above `power`; silence stays as it is."""
    own = _power(x)
    if own == 0:
        return x
    x *= np.float32(np.sqrt(power / own * 10 ** (level_db / 10)))
    return x

"""A ROI's waveform before its image: faded at both ends and brought to one length."""

import math

import numpy as np
import numpy.typing as npt
import scipy.fft

from darksound.settings import FrontEndSettings

__all__ = ["MUCH_LONGER", "bring_to_length", "fade", "limit_band", "prepare", "windows_of"]

Wave = npt.NDArray[np.float32]

# Over which the attenuation sets in on either side of the band.
_SLOPE_HZ = 250.0
# Silence behind the sound, so that its end does not ring into its start.
_REST_S = 0.02


def limit_band(wave: Wave, rate: int, low_hz: float, high_hz: float, attenuation_db: float) -> Wave:
    """A wave with all that lies outside a band attenuated, in no phase but its own.

    The band itself is left as it is; the attenuation sets in over 250 Hz on either side, as a
    raised cosine in amplitude.

    Args:
        wave: samples `(n,)`.
        rate: in Hz.
        low_hz: lower edge of the band.
        high_hz: upper edge of the band.
        attenuation_db: outside it.

    Returns:
        Samples `(n,)`.
    """
    size = scipy.fft.next_fast_len(len(wave) + round(_REST_S * rate), real=True)
    hz = scipy.fft.rfftfreq(size, 1 / rate)
    outside = np.maximum(np.maximum(low_hz - hz, hz - high_hz), 0) / _SLOPE_HZ
    least = 10 ** (-attenuation_db / 20)
    gain = least + (1 - least) * (0.5 + 0.5 * np.cos(np.pi * np.minimum(outside, 1)))
    limited: Wave = scipy.fft.irfft(scipy.fft.rfft(wave, size) * gain.astype(np.float32), size)
    return np.ascontiguousarray(limited[: len(wave)], dtype=np.float32)


#: A wave up to this many windows long is heard in one; the rest of it is too little to matter.
MUCH_LONGER = 1.05


def prepare(wave: Wave, rate: int, length: int, settings: FrontEndSettings) -> tuple[Wave, int]:
    """Fade a ROI and bring it to `length` samples.

    Args:
        wave: samples `(n,)`.
        rate: in Hz.
        length: wanted number of samples.
        settings: of the front end; `fade_s`, `fade_share` and `long_rois` are used.

    Returns:
        Samples `(length,)`, and how many of them are the ROI; the others are zeros around it.
    """
    faded = fade(wave, int(settings.fade_s * rate), settings.fade_share)
    return bring_to_length(faded, length, settings.long_rois), min(len(wave), length)


def fade(wave: Wave, samples: int, share: float) -> Wave:
    """Half-sine fade in and out.

    Args:
        wave: samples `(n,)`.
        samples: length of each fade.
        share: of the ROI that a fade lasts at most.
    """
    samples = min(samples, int(share * len(wave)))
    if samples == 0:
        return wave
    ramp = np.sin(np.linspace(0, math.pi / 2, samples)).astype(np.float32)
    out = wave.copy()
    out[:samples] *= ramp
    out[-samples:] *= ramp[::-1]
    return out


def bring_to_length(wave: Wave, length: int, long_rois: str) -> Wave:
    """Cut a wave, or pad it with zeros around it, the odd one on the left.

    Args:
        wave: samples `(n,)`.
        length: wanted number of samples.
        long_rois: `start` keeps the first `length` samples of a longer wave, `loudest` those
            with most energy.
    """
    extra = len(wave) - length
    if extra > 0:
        start = 0 if long_rois == "start" else _loudest(wave, length)
        return wave[start : start + length]
    right = -extra // 2
    return np.pad(wave, (-extra - right, right))


def windows_of(wave: Wave, length: int, long_rois: str) -> npt.NDArray[np.float32]:
    """What a model with a window of fixed length hears of a wave.

    Args:
        wave: samples `(n,)`.
        length: of the window.
        long_rois: `mean` for windows over all of a longer wave, at even steps of half a window at
            most; otherwise one window, as `bring_to_length` chooses it.

    Returns:
        `(k, length)`; k is 1 where the wave is not longer, but for a twentieth.
    """
    if long_rois != "mean" or len(wave) <= MUCH_LONGER * length:
        return bring_to_length(wave, length, long_rois)[None]
    count = math.ceil(2 * (len(wave) - length) / length) + 1
    starts = np.linspace(0, len(wave) - length, count).round().astype(np.int64)
    return np.stack([wave[start : start + length] for start in starts])


def _loudest(wave: Wave, length: int) -> int:
    energy = np.concatenate([[0.0], np.cumsum(np.square(wave, dtype=np.float64))])
    return int(np.argmax(energy[length:] - energy[:-length]))

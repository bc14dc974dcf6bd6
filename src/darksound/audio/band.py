"""A ROI's own band: what lies outside it is attenuated, so that each of two birds is seen alone."""

import numpy as np
import numpy.typing as npt
import scipy.fft

__all__ = ["limit_band"]

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

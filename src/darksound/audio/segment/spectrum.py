"""Power by frame and band."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

__all__ = ["power_spectrum", "smoothed"]

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

"""The grid of frames and bands that units are found on."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.settings import SegmentationSettings

__all__ = ["Grid", "make_grid"]

Floats = npt.NDArray[np.float64]

_REFERENCE_RATE = 48_000


@dataclass(frozen=True)
class Grid:
    """Frames in time, half overlapping, and the bands of the Fourier transform within the limits.

    Attributes:
        rate: sampling rate in Hz.
        n_fft: samples of a frame; even.
        first_bin: the lowest band's bin of the transform.
        bands: number of bands.
    """

    rate: int
    n_fft: int
    first_bin: int
    bands: int

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""
        return self.n_fft // 2

    @property
    def frame_s(self) -> float:
        """Seconds from frame to frame."""
        return self.hop / self.rate

    @property
    def band_hz(self) -> float:
        """Hertz from band to band."""
        return self.rate / self.n_fft

    def frames(self, samples: int) -> int:
        """Frames of so many samples, the last ones that fill none being left out; at least 1."""
        return max(1 + (samples - self.n_fft) // self.hop, 1)

    def samples(self, first: int, stop: int) -> tuple[int, int]:
        """The samples that frames `first` to `stop` look at, the last one exclusive."""
        return first * self.hop, (stop - 1) * self.hop + self.n_fft

    def edges_s(self, frames: npt.NDArray[np.int64]) -> Floats:
        """Where the part of the recording that belongs to each frame begins, in seconds."""
        # A frame stands for the hop around its centre.
        edges: Floats = np.asarray(frames + 0.5, np.float64) * self.frame_s
        return edges

    def edges_hz(self, bands: npt.NDArray[np.int64]) -> Floats:
        """The lower edge of each band in Hz."""
        edges: Floats = np.asarray(self.first_bin + bands - 0.5, np.float64) * self.band_hz
        return edges


def make_grid(rate: int, settings: SegmentationSettings) -> Grid:
    """The grid that the settings ask for at a rate in Hz.

    Raises:
        InputError: the rate is too low for the band.
    """
    n_fft = max(2 * round(settings.n_fft * rate / _REFERENCE_RATE / 2), 16)
    band_hz = rate / n_fft
    first = max(math.ceil(settings.low_hz / band_hz), 1)
    last = min(math.floor(settings.high_hz / band_hz), n_fft // 2 - 1)
    if last <= first:
        raise InputError(
            f"sound at {rate} Hz has nothing between {settings.low_hz:g} and "
            f"{settings.high_hz:g} Hz; lower segmentation.low_hz or leave it out."
        )
    return Grid(rate, n_fft, first, last - first + 1)

"""How a recording is cut into blocks that are worked on apart, without cutting a unit."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.settings import SegmentationSettings

__all__ = ["Block", "Grid", "make_grid", "plan_blocks"]

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


# Points of the spectrogram that a block holds at most; with all that is made of them some 150 MB.
_POINTS = 6_000_000


@dataclass(frozen=True)
class Block:
    """Consecutive chunks of a recording: those that it answers for, and one on either side.

    Attributes:
        edges: first frame of each chunk, and the one after the last.
        start: first frame that the block answers for; one of `edges`.
        stop: the frame after the last that it answers for; one of `edges`.
    """

    edges: tuple[int, ...]
    start: int
    stop: int

    @property
    def has_left(self) -> bool:
        """Whether a chunk before those it answers for is read too."""
        return self.edges[0] < self.start

    @property
    def has_right(self) -> bool:
        """Whether a chunk after those it answers for is read too."""
        return self.stop < self.edges[-1]


def plan_blocks(samples: int, grid: Grid, chunk_s: float) -> list[Block]:
    """The blocks of a recording; they depend on its length and the settings alone.

    Chunks are of one length, as near to `chunk_s` as the recording's length allows.

    Args:
        samples: length of the recording.
        grid: its frames and bands.
        chunk_s: wanted length of a chunk in seconds.
    """
    frames = grid.frames(samples)
    chunks = max(round(frames * grid.frame_s / chunk_s), 1)
    edges = [round(i * frames / chunks) for i in range(chunks + 1)]
    own = max(_POINTS * chunks // (frames * grid.bands), 1)
    return [
        Block(
            tuple(edges[max(first - 1, 0) : min(first + own + 1, chunks) + 1]),
            edges[first],
            edges[min(first + own, chunks)],
        )
        for first in range(0, chunks, own)
    ]

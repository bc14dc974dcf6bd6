"""Frames and bands of a recording, and its division into blocks."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.errors import InputError
from darksound.settings import SegmentationSettings

__all__ = ["Block", "Grid", "make_grid", "plan_blocks"]

Floats = npt.NDArray[np.float64]

_REFERENCE_RATE = 48_000
# Time-frequency points of a block; with everything computed from them about 150 MB.
_MAX_BLOCK_POINTS = 6_000_000


@dataclass(frozen=True)
class Grid:
    """Frames in time with half overlap, and the bins of the STFT within the frequency limits.

    Attributes:
        rate: sampling rate in Hz.
        n_fft: samples of a frame; even.
        first_bin: bin of the transform of the lowest band.
        bands: number of bands.
    """

    rate: int
    n_fft: int
    first_bin: int
    bands: int

    @property
    def hop(self) -> int:
        """Return the samples from frame to frame."""
        return self.n_fft // 2

    @property
    def frame_s(self) -> float:
        """Return the seconds from frame to frame."""
        return self.hop / self.rate

    @property
    def band_hz(self) -> float:
        """Return the Hz from band to band."""
        return self.rate / self.n_fft

    def frames(self, samples: int) -> int:
        """Return the number of complete frames of so many samples, at least 1."""
        return max(1 + (samples - self.n_fft) // self.hop, 1)

    def samples(self, first: int, stop: int) -> tuple[int, int]:
        """Return the first sample of frames `first` to `stop - 1`, and the one after the last."""
        return first * self.hop, (stop - 1) * self.hop + self.n_fft

    def edges_s(self, frames: npt.NDArray[np.int64]) -> Floats:
        """Return the start of the hop around the centre of each frame, in seconds."""
        edges: Floats = np.asarray(frames + 0.5, np.float64) * self.frame_s
        return edges

    def edges_hz(self, bands: npt.NDArray[np.int64]) -> Floats:
        """Return the lower edge of each band in Hz."""
        edges: Floats = np.asarray(self.first_bin + bands - 0.5, np.float64) * self.band_hz
        return edges


def make_grid(rate: int, settings: SegmentationSettings) -> Grid:
    """Return the grid at a sampling rate in Hz.

    Raises:
        InputError: the rate is too low for the frequency limits.
    """
    n_fft = max(2 * round(settings.n_fft * rate / _REFERENCE_RATE / 2), 16)
    band_hz = rate / n_fft
    first = max(math.ceil(settings.low_hz / band_hz), 1)
    last = min(math.floor(settings.high_hz / band_hz), n_fft // 2 - 1)
    if last <= first:
        raise InputError(
            f"audio at {rate} Hz has nothing between {settings.low_hz:g} and "
            f"{settings.high_hz:g} Hz; lower segmentation.low_hz or leave it out."
        )
    return Grid(rate, n_fft, first, last - first + 1)


@dataclass(frozen=True)
class Block:
    """Consecutive chunks of a recording: a core, and one chunk of context on either side.

    A block reports the ROIs and chunks of its core. The context lets it see ROIs at the borders
    of the core whole.

    Attributes:
        edges: first frame of each chunk, and the one after the last.
        start: first frame of the core; one of `edges`.
        stop: the frame after the last of the core; one of `edges`.
    """

    edges: tuple[int, ...]
    start: int
    stop: int


def plan_blocks(samples: int, grid: Grid, chunk_s: float) -> list[Block]:
    """Divide a recording into blocks; the result depends on its length and the settings only.

    All chunks have the same length, as near to `chunk_s` as the recording's length allows.

    Args:
        samples: length of the recording.
        grid: its frames and bands.
        chunk_s: preferred length of a chunk in seconds.
    """
    frames = grid.frames(samples)
    chunks = max(round(frames * grid.frame_s / chunk_s), 1)
    edges = [round(i * frames / chunks) for i in range(chunks + 1)]
    max_chunks = max(_MAX_BLOCK_POINTS * chunks // (frames * grid.bands), 1)
    # Blocks of about the same length: in a short last one no chorus could be found.
    core_chunks = math.ceil(chunks / math.ceil(chunks / max_chunks))
    return [
        Block(
            tuple(edges[max(first - 1, 0) : min(first + core_chunks + 1, chunks) + 1]),
            edges[first],
            edges[min(first + core_chunks, chunks)],
        )
        for first in range(0, chunks, core_chunks)
    ]

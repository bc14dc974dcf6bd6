"""Sounds of any length: noise, grains and tones that are rendered stretch by stretch.

A texture has no memory: the samples of a stretch depend on the texture and on their number alone,
so that recordings of any length are rendered in blocks of any size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import fft

from darksound.synthesis.acoustics import noise_spectrum
from darksound.synthesis.recordings import RATE

__all__ = [
    "Drawn",
    "Grains",
    "Mixture",
    "Modulated",
    "Noise",
    "Samples",
    "Schedule",
    "Texture",
    "Times",
    "Tones",
    "band_shape",
    "noise_table",
    "scaled",
]

Samples = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]
#: Start times in seconds, gains, and numbers of waves, of the grains of a stretch, `(n,)` each.
Drawn = tuple[Times, Times, npt.NDArray[np.int64]]
#: Returns the grains that start between two times in seconds.
Schedule = Callable[[float, float, np.random.Generator], Drawn]

# Samples of a piece of noise, and by which pieces overlap in a cross-fade of equal power.
_PIECE, _FADE = 1 << 17, 1 << 12
# Grains are drawn for stretches of this many seconds.
_CELL_S = 2.0
# Samples of a table of noise: 11 s.
_TABLE = 1 << 19


class Texture(Protocol):
    """A sound of any length at `RATE`."""

    def render(self, first: int, last: int) -> Samples:
        """Return the samples from `first` to `last`."""
        ...


def band_shape(
    n: int, low_hz: float, high_hz: float, slope_db: float = 0.0, edge_db: float = 24.0
) -> Samples:
    """Return the amplitude in each bin `(n // 2 + 1,)` of a band of noise.

    Args:
        n: samples of the transform.
        low_hz: lower edge.
        high_hz: upper edge.
        slope_db: change of level within the band per octave.
        edge_db: decrease beyond the edges per octave.
    """
    hertz = np.maximum(fft.rfftfreq(n, 1 / RATE), 10.0)
    below = np.maximum(np.log2(low_hz / hertz), 0)
    above = np.maximum(np.log2(hertz / high_hz), 0)
    inside = np.log2(np.clip(hertz, low_hz, high_hz) / low_hz)
    level_db = slope_db * inside - edge_db * (below + above)
    shape: Samples = (10 ** (level_db / 20)).astype(np.float32)
    return shape


def noise_table(
    shape: Callable[[int], Samples], rng: np.random.Generator, samples: int = _TABLE
) -> Samples:
    """Return noise `(samples,)` of RMS 1 with a given spectrum, whose end fits to its start."""
    wave: Samples = fft.irfft(noise_spectrum(shape(samples), rng), samples).astype(np.float32)
    return wave / np.float32(np.sqrt(np.mean(np.square(wave))) + 1e-12)


@dataclass(frozen=True)
class Noise:
    """Noise: pieces of a table from random places, cross-faded.

    Attributes:
        table: noise `(n,)` that repeats seamlessly.
        key: seed of the places.
    """

    table: Samples
    key: int

    def render(self, first: int, last: int) -> Samples:
        """Return the samples from `first` to `last`."""
        out = np.zeros(last - first, dtype=np.float32)
        stride = _PIECE - _FADE
        ramp = np.sin(0.5 * np.pi * np.arange(_FADE, dtype=np.float32) / _FADE)
        for number in range(first // stride - 1, last // stride + 1):
            start, stop = max(0, number * stride - first), number * stride + _PIECE - first
            stop = min(out.size, stop)
            if start >= stop:
                continue
            rng = np.random.default_rng([self.key, number + 1])
            offset = int(rng.integers(self.table.size))
            sign = np.float32(rng.choice([-1.0, 1.0]))
            begin = start + first - number * stride
            place = (offset + np.arange(begin, begin + stop - start)) % self.table.size
            piece = sign * self.table[place]
            if begin < _FADE:
                head = ramp[begin : begin + piece.size]
                piece[: head.size] *= head
            end = begin + piece.size
            if end > stride:
                tail = ramp[::-1][max(0, begin - stride) : end - stride]
                piece[piece.size - tail.size :] *= tail
            out[start:stop] += piece
        return out


@dataclass(frozen=True)
class Grains:
    """Short sounds at drawn times, such as chirps, drops, pulses and syllables.

    Attributes:
        waves: the grains to choose from, each `(n,)`, all shorter than two seconds.
        schedule: is called for stretches of two seconds.
        key: seed of the schedule.
    """

    waves: tuple[Samples, ...]
    schedule: Schedule
    key: int

    def render(self, first: int, last: int) -> Samples:
        """Return the samples from `first` to `last`."""
        out = np.zeros(last - first, dtype=np.float32)
        longest = max(wave.size for wave in self.waves)
        cells = range(int((first - longest) / RATE // _CELL_S), int(last / RATE // _CELL_S) + 1)
        for cell in cells:
            if cell < 0:
                continue
            rng = np.random.default_rng([self.key, cell])
            drawn = self.schedule(cell * _CELL_S, (cell + 1) * _CELL_S, rng)
            for start_s, gain, number in zip(*drawn, strict=True):
                wave = self.waves[number]
                offset = round(start_s * RATE) - first
                start, stop = max(0, offset), min(out.size, offset + wave.size)
                if start < stop:
                    out[start:stop] += np.float32(gain) * wave[start - offset : stop - offset]
        return out


@dataclass(frozen=True)
class Tones:
    """Steady partials: frequencies in Hz and amplitudes; `drift` octaves of slow change."""

    partials: tuple[tuple[float, float], ...]
    drift: float = 0.0
    drift_s: float = 20.0

    def render(self, first: int, last: int) -> Samples:
        """Return the samples from `first` to `last`."""
        time = np.arange(first, last) / RATE
        # The integral of a slow sine keeps the phase continuous.
        omega = 2 * np.pi / self.drift_s
        warped = time - self.drift * np.log(2) / omega * np.cos(omega * time)
        out = np.zeros(last - first, dtype=np.float32)
        for hertz, amplitude in self.partials:
            cycles = hertz * warped
            angle = (2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32)
            out += np.float32(amplitude) * np.sin(angle)
        return out


@dataclass(frozen=True)
class Modulated:
    """A texture times a positive curve over time in seconds."""

    carrier: Texture
    curve: Callable[[Times], npt.NDArray[np.floating]]

    def render(self, first: int, last: int) -> Samples:
        """Return the samples from `first` to `last`."""
        curve = self.curve(np.arange(first, last) / RATE).astype(np.float32)
        product: Samples = self.carrier.render(first, last) * curve
        return product


@dataclass(frozen=True)
class Mixture:
    """Several textures with their gains."""

    parts: tuple[tuple[float, Texture], ...]

    def render(self, first: int, last: int) -> Samples:
        """Return the samples from `first` to `last`."""
        out = np.zeros(last - first, dtype=np.float32)
        for gain, part in self.parts:
            out += np.float32(gain) * part.render(first, last)
        return out


def scaled(texture: Texture, seconds: float) -> Texture:
    """Return the texture with an RMS of 1 over its first seconds."""
    wave = texture.render(0, round(seconds * RATE))
    return Mixture(((1 / (float(np.sqrt(np.mean(np.square(wave)))) + 1e-9), texture),))

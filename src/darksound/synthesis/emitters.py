"""What sounds in a scene: songs and churrs at a distance, and all other sounds, by stretches."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from scipy import fft

from darksound.synthesis.acoustics import Acoustics, transfer
from darksound.synthesis.night_voices import Churr, churr_texture
from darksound.synthesis.other_sounds import OtherSound, draw_other_sound
from darksound.synthesis.recordings import RATE
from darksound.synthesis.song_types import Performance, render_performance
from darksound.synthesis.textures import Samples, Texture

__all__ = ["ChurrSong", "Emitter", "OtherEmitter", "Song", "drawn_sound"]

# Sounds that are kept ready; each has at most a table of 2 MB.
_READY = 48


class Emitter(Protocol):
    """Something that sounds from a start on, with a mean power of about 1."""

    @property
    def tail_s(self) -> float:
        """Return the seconds of echo after the end."""
        ...

    def render(self, first: int, last: int) -> Samples:
        """Return the samples `first` to `last` after the start."""
        ...


@dataclass(frozen=True, eq=False)
class Song:
    """One song of a bird, with the echo and the loss of high frequencies of its distance."""

    performance: Performance
    acoustics: Acoustics
    key: tuple[int, ...]

    @property
    def tail_s(self) -> float:
        """Return the seconds of echo after the end."""
        return self.acoustics.reverb_s

    def render(self, first: int, last: int) -> Samples:
        """Return the samples `first` to `last` after the start."""
        out = np.zeros(last - first, dtype=np.float32)
        inside = _song_wave(self)[first:last]
        out[: inside.size] = inside
        return out


@lru_cache(maxsize=_READY)
def _song_wave(song: Song) -> Samples:
    rng = np.random.default_rng(song.key)
    dry = render_performance(song.performance, RATE, rng)
    centre = song.performance.individual.centre_hz
    return _at_distance(dry, song.acoustics, centre, rng)


def _at_distance(
    dry: Samples, acoustics: Acoustics, centre_hz: float, rng: np.random.Generator
) -> Samples:
    """Return the wave with echo and tilt, which leaves the level at the centre as it is."""
    n = fft.next_fast_len(dry.size + round(acoustics.reverb_s * RATE), real=True)
    n += n % 2
    response = transfer(acoustics, n, RATE, rng)
    response *= np.float32((max(centre_hz, 1000.0) / 1000.0) ** (-acoustics.tilt_db / 6.0206))
    wave: Samples = fft.irfft(fft.rfft(dry, n) * response, n).astype(np.float32)
    return wave


@dataclass(frozen=True, eq=False)
class ChurrSong:
    """The churr of a nightjar, whose pulses have the echo of its distance."""

    churr: Churr
    acoustics: Acoustics
    key: tuple[int, ...]

    @property
    def tail_s(self) -> float:
        """Return the seconds of echo after the end."""
        return 0.0

    def render(self, first: int, last: int) -> Samples:
        """Return the samples `first` to `last` after the start."""
        return _churr(self).render(first, last)


@lru_cache(maxsize=_READY)
def _churr(song: ChurrSong) -> Texture:
    rng = np.random.default_rng(song.key)
    echo_seed = int(rng.integers(2**31))
    hertz = song.churr.hertz

    def distant(pulse: Samples) -> Samples:
        # The same echo for each pulse, as the bird stays at its place.
        return _at_distance(pulse, song.acoustics, hertz, np.random.default_rng(echo_seed))

    return churr_texture(song.churr, rng, distant)


@dataclass(frozen=True, eq=False)
class OtherEmitter:
    """A sound that is no bird's."""

    kind: str
    key: tuple[int, ...]
    offset_s: float = 0.0

    @property
    def tail_s(self) -> float:
        """Return the seconds of echo after the end."""
        return 0.0

    def render(self, first: int, last: int) -> Samples:
        """Return the samples `first` to `last` after the start."""
        offset = round(self.offset_s * RATE)
        return drawn_sound(self.kind, self.key).texture.render(first + offset, last + offset)


@lru_cache(maxsize=_READY)
def drawn_sound(kind: str, key: tuple[int, ...]) -> OtherSound:
    """Return the random sound of a kind and a seed."""
    return draw_other_sound(kind, np.random.default_rng(key))

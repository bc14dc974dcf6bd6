"""Recordings of one individual: planned without any sound, and rendered where they are read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from darksound.synthesis.acoustics import (
    Acoustics,
    Disturbances,
    add_disturbances,
    draw_acoustics,
    draw_disturbances,
    noise_shape,
    noise_spectrum,
    transfer,
)
from darksound.synthesis.song_types import (
    LONGEST_SONG_S,
    Performance,
    SongType,
    draw_individual,
    draw_song_type,
    perform,
    render_performance,
    song_band,
)
from darksound.synthesis.wild_species import wild_individual

__all__ = [
    "RATE",
    "RecordingPlan",
    "Slot",
    "plan_recording",
    "plan_wild_recording",
    "render_recording",
]

RATE = 48_000
#: Samples of a slot, which has one song. A product of small primes, for the FFT.
SLOT = 163_840
#: Samples by which adjacent slots overlap in a cross-fade.
FADE = 4_800
_STRIDE_S = (SLOT - FADE) / RATE
_SHORTEST_ROI_S, _LONGEST_ROI_S = 1.0, 3.0
# Species of background songs; no split of the demo has them.
_BACKGROUND_FROM, _BACKGROUND_SPECIES = 900, 60
# Purposes of the child seeds.
_SPECIES, _INDIVIDUAL, _RECORDING, _SONG, _RENDER, _ECHO = range(6)
_WILD_RECORDING, _WILD_SONG, _DISTURBANCES = 20, 21, 22

DrawSong = Callable[[np.random.Generator], Performance]


@dataclass(frozen=True)
class BackgroundSong:
    """A song of a more distant bird: start in the slot, and gain relative to the main song."""

    song: Performance
    start_s: float
    gain: float


@dataclass(frozen=True)
class Slot:
    """One song, its start in the slot, and the ROI around it in seconds of the recording."""

    song: Performance
    song_start_s: float
    background: tuple[BackgroundSong, ...]
    start_s: float
    end_s: float
    low_hz: float
    high_hz: float


@dataclass(frozen=True)
class RecordingPlan:
    """All parameters of a recording; `key` is the seed of the random parts of its sound."""

    key: tuple[int, ...]
    acoustics: Acoustics
    slots: tuple[Slot, ...]
    disturbances: Disturbances | None = None

    @property
    def samples(self) -> int:
        """Return the number of samples at `RATE`."""
        return len(self.slots) * (SLOT - FADE) + FADE


@lru_cache(maxsize=4096)
def _species(seed: int, number: int) -> SongType:
    return draw_song_type(number, np.random.default_rng([seed, _SPECIES, number]))


@lru_cache(maxsize=4096)
def _individual(seed: int, number: int, bird: int) -> SongType:
    rng = np.random.default_rng([seed, _INDIVIDUAL, number, bird])
    return draw_individual(_species(seed, number), rng)


@lru_cache(maxsize=1024)
def plan_recording(seed: int, number: int, bird: int, take: int, songs: int) -> RecordingPlan:
    """Return the plan of one recording of the demo.

    Args:
        seed: seed of the generator.
        number: number of the species.
        bird: number of the individual.
        take: number of the recording of that individual.
        songs: number of songs, each with its ROI.
    """
    key = (seed, number, bird, take)
    acoustics = draw_acoustics(np.random.default_rng([seed, _RECORDING, *key[1:]]))
    individual = _individual(seed, number, bird)

    def slot(index: int) -> Slot:
        rng = np.random.default_rng([seed, _SONG, *key[1:], index])
        return _plan_slot(index, perform(individual, rng), lambda r: _background_song(seed, r), rng)

    return RecordingPlan(key, acoustics, tuple(slot(index) for index in range(songs)))


def plan_wild_recording(
    seed: int, number: int, bird: int, take: int, *, songs: int, species: int
) -> RecordingPlan:
    """Return the plan of a recording of a wild species, with disturbances.

    Args:
        seed: seed of the generator.
        number: number of the species.
        bird: number of the individual.
        take: number of the recording of that individual.
        songs: number of songs, each with its ROI.
        species: number of species, from which background songs are drawn.
    """
    key = (seed, number, bird, take)
    rng = np.random.default_rng([seed, _WILD_RECORDING, *key[1:]])
    acoustics, disturbances = draw_acoustics(rng), draw_disturbances(rng)

    def draw_song(song_types: tuple[SongType, ...], rng: np.random.Generator) -> Performance:
        return perform(song_types[int(rng.integers(len(song_types)))], rng, LONGEST_SONG_S)

    def draw_background(rng: np.random.Generator) -> Performance:
        return draw_song(
            wild_individual(seed, int(rng.integers(species)), int(rng.integers(4))), rng
        )

    def slot(index: int) -> Slot:
        rng = np.random.default_rng([seed, _WILD_SONG, *key[1:], index])
        return _plan_slot(
            index, draw_song(wild_individual(seed, number, bird), rng), draw_background, rng
        )

    return RecordingPlan(key, acoustics, tuple(slot(index) for index in range(songs)), disturbances)


def _plan_slot(
    index: int, song: Performance, draw_background: DrawSong, rng: np.random.Generator
) -> Slot:
    shortest = max(_SHORTEST_ROI_S, song.duration_s + 0.1)
    length = float(rng.uniform(shortest, max(shortest, _LONGEST_ROI_S)))
    roi = float(rng.uniform(FADE / RATE, (SLOT - FADE) / RATE - length))
    low, high = song_band(song)
    start = round(index * _STRIDE_S + roi, 3)
    return Slot(
        song=song,
        song_start_s=roi + float(rng.uniform(0.04, length - song.duration_s - 0.04)),
        background=_plan_background(draw_background, rng),
        start_s=start,
        end_s=round(start + length, 3),
        low_hz=low,
        high_hz=high,
    )


def _background_song(seed: int, rng: np.random.Generator) -> Performance:
    number = _BACKGROUND_FROM + int(rng.integers(_BACKGROUND_SPECIES))
    return perform(_individual(seed, number, int(rng.integers(4))), rng)


def _plan_background(draw_song: DrawSong, rng: np.random.Generator) -> tuple[BackgroundSong, ...]:
    songs = []
    for _ in range(int(rng.choice([0, 0, 1, 1, 2]))):
        song = draw_song(rng)
        start = float(rng.uniform(-0.5, SLOT / RATE - 0.5))
        gain = float(10 ** (rng.uniform(-26, -12) / 20))
        songs.append(BackgroundSong(song, max(0.0, start), gain))
    return tuple(songs)


def render_recording(recording: RecordingPlan, first: int, last: int) -> npt.NDArray[np.float32]:
    """Return samples `first` to `last` at `RATE`, rounded to 16 bits.

    Only the slots of this stretch are rendered. The result does not depend on earlier reads.
    """
    out = np.zeros(last - first, dtype=np.float32)
    stride = SLOT - FADE
    for index in range(max(0, first // stride - 1), min(len(recording.slots), last // stride + 1)):
        offset = index * stride - first
        start, stop = max(0, offset), min(out.size, offset + SLOT)
        if start < stop:
            out[start:stop] += _render_slot(recording, index)[start - offset : stop - offset]
    # Rounding also removes the last bits, which differ between processors.
    rounded: npt.NDArray[np.float32] = np.clip(np.rint(out * np.float32(32768)), -32768, 32767)
    return rounded / np.float32(32768)


@lru_cache(maxsize=16)
def _render_slot(recording: RecordingPlan, index: int) -> npt.NDArray[np.float32]:
    slot = recording.slots[index]
    seed, *rest = recording.key
    rng = np.random.default_rng([seed, _RENDER, *rest, index])
    dry = np.zeros(SLOT, dtype=np.float32)
    _add(dry, render_performance(slot.song, RATE, rng), slot.song_start_s, 1.0)
    for distant in slot.background:
        distant_wave = render_performance(distant.song, RATE, rng)
        _add(dry, distant_wave, distant.start_s, distant.gain)
    response, noise, gain = _rendered_acoustics(recording)
    spectrum = fft.rfft(dry) * response + noise_spectrum(noise, rng)
    wave: npt.NDArray[np.float32] = fft.irfft(spectrum, SLOT) * gain
    if recording.disturbances is not None:
        disturbance_rng = np.random.default_rng([seed, _DISTURBANCES, *rest, index])
        wave = add_disturbances(wave, RATE, recording.disturbances, disturbance_rng)
    ramp = np.sin(0.5 * np.pi * np.arange(FADE, dtype=np.float32) / FADE)
    if index > 0:
        wave[:FADE] *= ramp
    if index + 1 < len(recording.slots):
        wave[-FADE:] *= ramp[::-1]
    wave.flags.writeable = False
    return wave


def _add(
    out: npt.NDArray[np.float32], wave: npt.NDArray[np.float32], start_s: float, gain: float
) -> None:
    first = round(start_s * RATE)
    inside = wave[: out.size - first]
    out[first : first + inside.size] += np.float32(gain) * inside


@lru_cache(maxsize=16)
def _rendered_acoustics(
    recording: RecordingPlan,
) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.float32], np.float32]:
    """Return the frequency response, the amplitude of the noise's spectrum, and the gain."""
    seed, *rest = recording.key
    acoustics = recording.acoustics
    centre = recording.slots[0].song.individual.centre_hz
    response = transfer(acoustics, SLOT, RATE, np.random.default_rng([seed, _ECHO, *rest]))
    bins = fft.rfftfreq(SLOT, 1 / RATE)
    # The SNR sets the level of the song; the tilt must not change the level at its centre.
    response *= np.float32((max(centre, 1000.0) / 1000.0) ** (-acoustics.tilt_db / 6.0206))
    shape = noise_shape(acoustics, SLOT, RATE)
    near = (bins > centre / 2) & (bins < centre * 2)
    # The spectrum of a real signal has each bin twice.
    variance = 2 * np.square(shape, dtype=np.float64) / SLOT**2
    scale = np.sqrt(10 ** (-acoustics.snr_db / 10) / variance[near].sum())
    total = 1 + acoustics.echo + scale**2 * variance.sum()
    return response, shape * np.float32(scale), np.float32(acoustics.level / np.sqrt(total))

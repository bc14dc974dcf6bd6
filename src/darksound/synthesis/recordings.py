"""A recording: songs of one bird at one place, planned cheaply and rendered where it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from darksound.synthesis.acoustics import (
    Place,
    Weather,
    draw_place,
    draw_weather,
    noise_shape,
    noise_spectrum,
    transfer,
    weathered,
)
from darksound.synthesis.species import (
    LONGEST_SONG_S,
    Performance,
    Species,
    draw_individual,
    draw_species,
    perform,
    render_performance,
    song_band,
)
from darksound.synthesis.wild_species import wild_bird

__all__ = ["RATE", "Recording", "Slot", "plan_recording", "plan_wild_recording", "render_recording"]

RATE = 48_000
#: Samples of a slot: one song and its surroundings. A product of small primes, for the FFT.
SLOT = 163_840
#: Neighbouring slots overlap by this much, one fading into the other.
FADE = 4_800
_STRIDE_S = (SLOT - FADE) / RATE
_SHORTEST_ROI_S, _LONGEST_ROI_S = 1.0, 3.0
# Species of the background sing in no split.
_BACKGROUND_FROM, _BACKGROUND_SPECIES = 900, 60
# Purposes of the child seeds.
_SPECIES, _BIRD, _RECORDING, _SONG, _RENDER, _ECHO = range(6)
_WILD_PLACE, _WILD_SONG, _WEATHER = 20, 21, 22

Sing = Callable[[np.random.Generator], Performance]


@dataclass(frozen=True)
class Neighbour:
    """Another bird further away: its song, when in the slot, and how loud against the ROI's."""

    song: Performance
    start_s: float
    gain: float


@dataclass(frozen=True)
class Slot:
    """One song, where it is in its slot, and the ROI around it, in seconds of the recording."""

    song: Performance
    song_s: float
    neighbours: tuple[Neighbour, ...]
    start_s: float
    end_s: float
    low_hz: float
    high_hz: float


@dataclass(frozen=True)
class Recording:
    """All that a recording is made from; `key` seeds what is random in its sound."""

    key: tuple[int, ...]
    place: Place
    slots: tuple[Slot, ...]
    weather: Weather | None = None

    @property
    def samples(self) -> int:
        """Its length at `RATE`."""
        return len(self.slots) * (SLOT - FADE) + FADE


@lru_cache(maxsize=4096)
def _species(seed: int, number: int) -> Species:
    return draw_species(number, np.random.default_rng([seed, _SPECIES, number]))


@lru_cache(maxsize=4096)
def _bird(seed: int, number: int, bird: int) -> Species:
    rng = np.random.default_rng([seed, _BIRD, number, bird])
    return draw_individual(_species(seed, number), rng)


@lru_cache(maxsize=1024)
def plan_recording(seed: int, number: int, bird: int, take: int, songs: int) -> Recording:
    """The plan of one recording, without any sound.

    Args:
        seed: the world.
        number: the species.
        bird: which individual of it.
        take: which recording of that individual.
        songs: how many songs, each with its ROI.
    """
    key = (seed, number, bird, take)
    place = draw_place(np.random.default_rng([seed, _RECORDING, *key[1:]]))
    own = _bird(seed, number, bird)

    def slot(index: int) -> Slot:
        rng = np.random.default_rng([seed, _SONG, *key[1:], index])
        return _plan_slot(index, perform(own, rng), lambda r: _background_song(seed, r), rng)

    return Recording(key, place, tuple(slot(index) for index in range(songs)))


def plan_wild_recording(
    seed: int, number: int, bird: int, take: int, songs: int, species: int
) -> Recording:
    """The plan of a recording of a wild species, with weather, among `species` of its world.

    Other arguments as `plan_recording`.
    """
    key = (seed, number, bird, take)
    rng = np.random.default_rng([seed, _WILD_PLACE, *key[1:]])
    place, weather = draw_place(rng), draw_weather(rng)

    def sung(own: tuple[Species, ...], rng: np.random.Generator) -> Performance:
        return perform(own[int(rng.integers(len(own)))], rng, LONGEST_SONG_S)

    def neighbour(rng: np.random.Generator) -> Performance:
        return sung(wild_bird(seed, int(rng.integers(species)), int(rng.integers(4))), rng)

    def slot(index: int) -> Slot:
        rng = np.random.default_rng([seed, _WILD_SONG, *key[1:], index])
        return _plan_slot(index, sung(wild_bird(seed, number, bird), rng), neighbour, rng)

    return Recording(key, place, tuple(slot(index) for index in range(songs)), weather)


def _plan_slot(index: int, song: Performance, neighbour: Sing, rng: np.random.Generator) -> Slot:
    shortest = max(_SHORTEST_ROI_S, song.duration_s + 0.1)
    length = float(rng.uniform(shortest, max(shortest, _LONGEST_ROI_S)))
    roi = float(rng.uniform(FADE / RATE, (SLOT - FADE) / RATE - length))
    low, high = song_band(song)
    start = round(index * _STRIDE_S + roi, 3)
    return Slot(
        song=song,
        song_s=roi + float(rng.uniform(0.04, length - song.duration_s - 0.04)),
        neighbours=_plan_neighbours(neighbour, rng),
        start_s=start,
        end_s=round(start + length, 3),
        low_hz=low,
        high_hz=high,
    )


def _background_song(seed: int, rng: np.random.Generator) -> Performance:
    number = _BACKGROUND_FROM + int(rng.integers(_BACKGROUND_SPECIES))
    return perform(_bird(seed, number, int(rng.integers(4))), rng)


def _plan_neighbours(sing: Sing, rng: np.random.Generator) -> tuple[Neighbour, ...]:
    out = []
    for _ in range(int(rng.choice([0, 0, 1, 1, 2]))):
        song = sing(rng)
        start = float(rng.uniform(-0.5, SLOT / RATE - 0.5))
        out.append(Neighbour(song, max(0.0, start), float(10 ** (rng.uniform(-26, -12) / 20))))
    return tuple(out)


def render_recording(recording: Recording, first: int, last: int) -> npt.NDArray[np.float32]:
    """Samples `first` to `last` at `RATE`, as a 16-bit recorder would keep them.

    Only the slots in reach are rendered, and each always alike, whatever was read before.
    """
    out = np.zeros(last - first, dtype=np.float32)
    stride = SLOT - FADE
    for index in range(max(0, first // stride - 1), min(len(recording.slots), last // stride + 1)):
        offset = index * stride - first
        here, there = max(0, offset), min(out.size, offset + SLOT)
        if here < there:
            out[here:there] += _render_slot(recording, index)[here - offset : there - offset]
    # Rounded to 16 bits, which also takes away the last bits that processors differ in.
    whole: npt.NDArray[np.float32] = np.clip(np.rint(out * np.float32(32768)), -32768, 32767)
    return whole / np.float32(32768)


@lru_cache(maxsize=16)
def _render_slot(recording: Recording, index: int) -> npt.NDArray[np.float32]:
    slot = recording.slots[index]
    seed, *rest = recording.key
    rng = np.random.default_rng([seed, _RENDER, *rest, index])
    dry = np.zeros(SLOT, dtype=np.float32)
    _add(dry, render_performance(slot.song, RATE, rng), slot.song_s, 1.0)
    for neighbour in slot.neighbours:
        far = render_performance(neighbour.song, RATE, rng)
        _add(dry, far, neighbour.start_s, neighbour.gain)
    response, noise, gain = _surroundings(recording)
    spectrum = fft.rfft(dry) * response + noise_spectrum(noise, rng)
    wave: npt.NDArray[np.float32] = fft.irfft(spectrum, SLOT) * gain
    if recording.weather is not None:
        own = np.random.default_rng([seed, _WEATHER, *rest, index])
        wave = weathered(wave, RATE, recording.weather, own)
    ramp = np.sin(0.5 * np.pi * np.arange(FADE, dtype=np.float32) / FADE)
    if index > 0:
        wave[:FADE] *= ramp
    if index + 1 < len(recording.slots):
        wave[-FADE:] *= ramp[::-1]
    wave.flags.writeable = False
    return wave


def _add(
    out: npt.NDArray[np.float32], wave: npt.NDArray[np.float32], at: float, gain: float
) -> None:
    first = round(at * RATE)
    kept = wave[: out.size - first]
    out[first : first + kept.size] += np.float32(gain) * kept


@lru_cache(maxsize=16)
def _surroundings(
    recording: Recording,
) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.float32], np.float32]:
    """Response, amplitude of the noise's spectrum, and the recorder's gain."""
    seed, *rest = recording.key
    place = recording.place
    centre = recording.slots[0].song.bird.centre_hz
    response = transfer(place, SLOT, RATE, np.random.default_rng([seed, _ECHO, *rest]))
    bins = fft.rfftfreq(SLOT, 1 / RATE)
    # Distance dims the song as a whole through the SNR; the tilt only turns it around its centre.
    response *= np.float32((max(centre, 1000.0) / 1000.0) ** (-place.tilt_db / 6.0206))
    shape = noise_shape(place, SLOT, RATE)
    near = (bins > centre / 2) & (bins < centre * 2)
    # A real signal has each bin twice.
    variance = 2 * np.square(shape, dtype=np.float64) / SLOT**2
    scale = np.sqrt(10 ** (-place.snr_db / 10) / variance[near].sum())
    total = 1 + place.wet + scale**2 * variance.sum()
    return response, shape * np.float32(scale), np.float32(place.level / np.sqrt(total))

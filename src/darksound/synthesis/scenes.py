"""Scenes: what sounds when in a recording of minutes or hours, planned without any sound."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from darksound.synthesis.acoustics import Acoustics, noise_shape
from darksound.synthesis.emitters import ChurrSong, Emitter, OtherEmitter, Song, drawn_sound
from darksound.synthesis.night_voices import Churr, draw_night_voice
from darksound.synthesis.other_sounds import OTHER_SOUNDS
from darksound.synthesis.recordings import RATE
from darksound.synthesis.scene_recipes import SCENES, SceneRecipe
from darksound.synthesis.song_types import (
    Performance,
    SongType,
    draw_individual,
    perform,
    song_band,
)
from darksound.synthesis.wild_species import draw_repertoire, draw_wild_species
from darksound.synthesis.wild_syllables import log_uniform

__all__ = ["SceneEvent", "ScenePlan", "noise_acoustics", "plan_scene", "species_label"]

#: Notes whose gap is shorter are one unit, as in segmentation (twice `segmentation.merge_s`).
UNIT_GAP_S = 0.2
# Distances in m at which a call has an SNR of 30 and of -3 dB, by spherical spreading.
_NEAR_M, _FAR_M = 8.0, 357.0
_MIN_SNR_DB, _MAX_SNR_DB = -3.0, 30.0
_LONGEST_SONG_S = 25.0
_BIRDS = 3
_SPECTRUM = 1 << 14
# Purposes of the child seeds; those of other recordings are below 30.
_SPECIES, _BIRD, _SCENE, _SOUND = 30, 31, 32, 33


@dataclass(frozen=True, eq=False)
class SceneEvent:
    """One event of a recording.

    Attributes:
        label: species, or kind of the sound.
        is_call: whether it is a bird's.
        individual: number of the bird, from 1; 0 for everything else.
        distance_m: distance of the bird; nan for everything else.
        units: starts and ends in seconds, `(start_s, end_s)` each, in order.
        emitter: the sound.
        gain: factor on it.
        fade_s: length of the fades at start and end; 0 for songs.
    """

    label: str
    is_call: bool
    individual: int
    distance_m: float
    units: tuple[tuple[float, float], ...]
    emitter: Emitter
    gain: float
    fade_s: float = 0.0

    @property
    def start_s(self) -> float:
        """Return the start of the first unit in seconds of the recording."""
        return self.units[0][0]

    @property
    def end_s(self) -> float:
        """Return the end of the last unit in seconds of the recording."""
        return self.units[-1][1]


@dataclass(frozen=True, eq=False)
class ScenePlan:
    """All parameters of a recording.

    Attributes:
        key: seed of the random parts of its sound.
        seconds: length.
        noise: the background noise.
        events: all events, in order of their starts.
    """

    key: tuple[int, ...]
    seconds: float
    noise: Acoustics
    events: tuple[SceneEvent, ...]


def noise_acoustics(rng: np.random.Generator) -> Acoustics:
    """Return the random noise and echo of a place; the level is that of the noise."""
    slope_db = float(rng.choice([-1.5, -3.0, -4.5])) + rng.uniform(-1, 1)
    return Acoustics(
        slope_db=slope_db, insects=(), snr_db=0.0, reverb_s=rng.uniform(0.15, 0.8),
        echo=float(10 ** rng.uniform(-2.2, -1.4)), tilt_db=rng.uniform(-1.0, 1.0),
        level=float(10 ** rng.uniform(-3.0, -2.5)),
    )  # fmt: skip


def species_label(scene: str, number: int) -> str:
    """Return the name of species `number` (from 0) of a scene, such as `owl-01`."""
    voices = SCENES[scene].voices
    return f"{voices[number % len(voices)]}-{number + 1:02d}"


class _Levels:
    """Power of the background in a band, which sets the level of what is added."""

    def __init__(self, noise: Acoustics) -> None:
        power = np.square(noise_shape(noise, _SPECTRUM, RATE), dtype=np.float64)
        self._noise = np.concatenate([[0.0], np.cumsum(power)]) * noise.level**2 / power.sum()
        self._bands: list[tuple[float, float, float]] = []

    def power(self, low_hz: float, high_hz: float) -> float:
        """Return the mean power between two frequencies, at least a third of an octave."""
        centre = np.sqrt(low_hz * high_hz)
        low_hz, high_hz = min(low_hz, centre / 2 ** (1 / 6)), max(high_hz, centre * 2 ** (1 / 6))
        bins = np.clip(np.array([low_hz, high_hz]) * _SPECTRUM / RATE, 0, self._noise.size - 1)
        first, last = np.interp(bins, np.arange(self._noise.size), self._noise)
        power = float(last - first)
        for low, high, added in self._bands:
            power += added * max(0.0, min(high, high_hz) - max(low, low_hz)) / (high - low)
        return power

    def amplitude(self, low_hz: float, high_hz: float, snr_db: float) -> float:
        """Return the RMS that is `snr_db` above the background in a band."""
        return float(np.sqrt(self.power(low_hz, high_hz) * 10 ** (snr_db / 10)))

    def add(self, low_hz: float, high_hz: float, amplitude: float) -> None:
        """Add a sound that lasts to the background."""
        self._bands.append((low_hz, high_hz, amplitude**2))


def plan_scene(seed: int, scene: str, number: int, *, seconds: float, species: int) -> ScenePlan:
    """Return the plan of one recording.

    Args:
        seed: seed of the generator.
        scene: name in `SCENES`.
        number: number of the recording.
        seconds: its length.
        species: number of species of all recordings.
    """
    recipe = SCENES[scene]
    key = (seed, _SCENE, list(SCENES).index(scene), number)
    rng = np.random.default_rng(key)
    noise = noise_acoustics(rng)
    levels = _Levels(noise)
    events = [*_steady(recipe, seconds, levels, key, rng)]
    events += _transients(recipe, seconds, levels, key, rng)
    events += _calls(seed, scene, seconds, species, noise, levels, rng)
    inside = (_clipped(event, seconds) for event in events)
    ordered = sorted((e for e in inside if e.units), key=lambda e: (e.start_s, e.end_s))
    return ScenePlan(key, seconds, noise, tuple(ordered))


def _clipped(event: SceneEvent, seconds: float) -> SceneEvent:
    """Return the event without what follows the end of the recording."""
    units = tuple((start, min(end, seconds)) for start, end in event.units if start < seconds)
    return replace(event, units=units)


def _steady(
    recipe: SceneRecipe,
    seconds: float,
    levels: _Levels,
    key: tuple[int, ...],
    rng: np.random.Generator,
) -> Iterator[SceneEvent]:
    """Yield sounds that last: rain, water, mains, choruses of insects and frogs."""
    kinds = [(kind, rng.uniform(5, 22)) for kind in recipe.steady]
    if rng.random() < recipe.mains:
        kinds.append(("mains", rng.uniform(0, 15)))
    low, high = recipe.insects
    for _ in range(int(rng.integers(low, high + 1))):
        # Several individuals of a species of cricket, at several distances.
        kind = str(rng.choice(["cricket", "insect"]))
        kinds.append((kind, rng.uniform(6, 28)))
    if rng.random() < recipe.frog_chorus:
        kinds.append(("frog_chorus", rng.uniform(6, 25)))
    if rng.random() < recipe.frog_chorus / 3:
        kinds.append(("frog_chorus", rng.uniform(6, 25)))
    added = []
    for index, (kind, snr_db) in enumerate(kinds):
        sound = (kind, (*key, _SOUND, index))
        drawn = drawn_sound(*sound)
        copies = int(rng.integers(1, 5)) if kind == "cricket" else 1
        for copy in range(copies):
            level_db = snr_db - (rng.uniform(3, 15) if copy else 0)
            amplitude = levels.amplitude(drawn.low_hz, drawn.high_hz, level_db)
            whole = seconds < 90 or rng.random() < 0.7
            start, end = (0.0, seconds) if whole else _stretch(seconds, rng)
            # Another time of the same texture is another individual of the species.
            emitter = OtherEmitter(*sound, offset_s=100_000.0 * copy + float(rng.uniform(0, 60)))
            yield SceneEvent(
                kind, False, 0, np.nan, ((start, end),), emitter, amplitude, 0.0 if whole else 3.0
            )
            if whole:
                added.append((drawn.low_hz, drawn.high_hz, amplitude))
    for each in added:
        levels.add(*each)


def _stretch(seconds: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return start and end of a part of the recording, at least a minute."""
    length = rng.uniform(60, max(61, 0.8 * seconds))
    start = rng.uniform(-0.3 * length, seconds - 0.3 * length)
    return max(0.0, float(start)), float(max(start + length, 20.0))


def _transients(
    recipe: SceneRecipe,
    seconds: float,
    levels: _Levels,
    key: tuple[int, ...],
    rng: np.random.Generator,
) -> Iterator[SceneEvent]:
    """Yield gusts of wind, knocks, cars, speech, near frogs and drops."""
    for kind, per_minute in recipe.transients.items():
        for index in range(int(rng.poisson(per_minute * seconds / 60))):
            # A few sounds of each kind, as tables of noise take memory and time.
            sound_key = (*key, _SOUND, list(OTHER_SOUNDS).index(kind), index % 6)
            drawn = drawn_sound(kind, sound_key)
            start = float(rng.uniform(0, seconds))
            duration = log_uniform(rng, *_DURATIONS[kind])
            snr_db = float(rng.uniform(3, 28))
            amplitude = levels.amplitude(drawn.low_hz, drawn.high_hz, snr_db)
            emitter = OtherEmitter(kind, sound_key, offset_s=float(rng.uniform(0, 3600)))
            fade = duration / 2 if kind in ("wind", "engine") else 0.01
            units = ((start, start + duration),)
            yield SceneEvent(kind, False, 0, np.nan, units, emitter, amplitude, fade)


# Usual shortest and longest lengths in seconds.
_DURATIONS = {
    "wind": (1.0, 25.0),
    "handling": (0.8, 4.0),
    "engine": (5.0, 60.0),
    "speech": (1.0, 8.0),
    "frog": (3.0, 60.0),
    "raindrops": (3.0, 12.0),
}


def _calls(
    seed: int,
    scene: str,
    seconds: float,
    species: int,
    noise: Acoustics,
    levels: _Levels,
    rng: np.random.Generator,
) -> Iterator[SceneEvent]:
    """Yield the songs of birds, which sing for half a minute to four minutes at a place."""
    recipe = SCENES[scene]
    bouts = max(1, round(recipe.bouts_per_minute * seconds / 60 * rng.uniform(0.8, 1.2)))
    deck: list[int] = []
    for _ in range(bouts):
        # Each species in turn, in random order, so that all are about equally frequent.
        if not deck:
            deck = [int(i) for i in rng.permutation(species)]
        number, bird = deck.pop(), int(rng.integers(_BIRDS))
        distance = log_uniform(rng, _NEAR_M, _FAR_M)
        start = float(rng.uniform(-20, seconds))
        yield from _bout(
            seed, scene, number, bird,
            distance=distance, start=max(0.0, start), end=start + log_uniform(rng, 30, 240),
            seconds=seconds, noise=noise, levels=levels, rng=rng,
        )  # fmt: skip


def _bout(
    seed: int,
    scene: str,
    number: int,
    bird: int,
    *,
    distance: float,
    start: float,
    end: float,
    seconds: float,
    noise: Acoustics,
    levels: _Levels,
    rng: np.random.Generator,
) -> Iterator[SceneEvent]:
    voice = _individual(seed, scene, number, bird)
    far = float(np.log(distance / _NEAR_M) / np.log(_FAR_M / _NEAR_M))
    acoustics = replace(
        noise, echo=noise.echo * 10 ** (0.9 * far), tilt_db=noise.tilt_db - 3.0 * far
    )
    snr_db = 30 - 20 * np.log10(distance / _NEAR_M)
    label = species_label(scene, number)

    def gain(low_hz: float, high_hz: float) -> float:
        level = snr_db + rng.normal(0, 1.5)
        return levels.amplitude(low_hz, high_hz, float(np.clip(level, _MIN_SNR_DB, _MAX_SNR_DB)))

    def event(
        units: tuple[tuple[float, float], ...], emitter: Emitter, level: float, fade_s: float = 0.0
    ) -> SceneEvent:
        return SceneEvent(label, True, bird + 1, distance, units, emitter, level, fade_s)

    now = start
    while now < min(end, seconds):
        key = tuple(int(k) for k in rng.integers(0, 2**31, 2))
        if voice.churr is not None:
            duration = log_uniform(rng, *voice.churr.duration_s)
            emitter = ChurrSong(voice.churr, acoustics, key)
            level = gain(voice.churr.hertz * 0.9, voice.churr.hertz * 1.1)
            yield event(((now, now + duration),), emitter, level, 0.05)
        else:
            song = perform(voice.songs[int(rng.integers(len(voice.songs)))], rng, _LONGEST_SONG_S)
            duration = song.duration_s
            yield event(_units(song, now), Song(song, acoustics, key), gain(*song_band(song)))
        jitter = 0.05 if voice.pause_s < 4 else 0.4
        now += duration + voice.pause_s * float(np.exp(rng.normal(0, jitter)))


def _units(song: Performance, start_s: float) -> tuple[tuple[float, float], ...]:
    """Return starts and ends of the units of a song: notes that are close are one."""
    units: list[tuple[float, float]] = []
    for note in song.notes:
        start = start_s + note.start_s
        end = start + song.individual.syllables[note.syllable].duration_s
        if units and start - units[-1][1] < UNIT_GAP_S:
            units[-1] = (units[-1][0], max(end, units[-1][1]))
        else:
            units.append((start, end))
    return tuple(units)


@dataclass(frozen=True, eq=False)
class _Voice:
    songs: tuple[SongType, ...]
    pause_s: float
    churr: Churr | None = None


@lru_cache(maxsize=4096)
def _individual(seed: int, scene: str, number: int, bird: int) -> _Voice:
    """Return the songs of an individual, from 0, of a species."""
    kind = SCENES[scene].voices[number % len(SCENES[scene].voices)]
    species_rng = np.random.default_rng([seed, _SPECIES, number])
    rng = np.random.default_rng([seed, _BIRD, number, bird])
    if kind == "wild":
        songs = draw_repertoire(draw_wild_species(species_rng), rng)
        return _Voice(songs, log_uniform(species_rng, 2, 12))
    voice = draw_night_voice(kind, species_rng)
    if voice.churr is not None:
        churr = voice.churr
        own = replace(
            churr,
            hertz=churr.hertz * float(2 ** rng.normal(0, 0.04)),
            pulse_hz=churr.pulse_hz * float(2 ** rng.normal(0, 0.04)),
        )
        return _Voice((), voice.pause_s, own)
    assert voice.song is not None
    return _Voice((draw_individual(voice.song, rng),), voice.pause_s)

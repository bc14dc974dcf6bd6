"""Species as random grammars: any number of them, half of them sisters of another."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from darksound.data.synthesis.draws import log_uniform
from darksound.data.synthesis.individuals import draw_individual
from darksound.data.synthesis.repertoire import WILD_KINDS, draw_wild_syllable
from darksound.data.synthesis.species import Section, Species
from darksound.data.synthesis.syllables import Syllable

__all__ = ["WildSpecies", "draw_bird", "draw_wild", "sister_of"]

_LOWEST_HZ, _HIGHEST_HZ = 300.0, 9500.0
# Pitch is drawn log-normally: most birds sing between 2 and 6 kHz.
_USUAL_HZ, _SPREAD = 3300.0, 0.85
_MOST_NOTES = 40
# Fewest and most song types: of those that sing one song, a few, or hardly ever the same twice.
_SONG_TYPES = ((1, 1), (2, 4), (8, 16))
_SHARES = (0.45, 0.25, 0.3)


@dataclass(frozen=True)
class WildSpecies:
    """What all birds of a species share.

    Attributes:
        songs: the song types, calls among them, each with its own syllables and sections.
        variety: how much its individuals differ, 1 being the demo's.
    """

    songs: tuple[Species, ...]
    variety: float


def draw_wild(rng: np.random.Generator, longest_s: float = 5.0) -> WildSpecies:
    """A species of its own.

    Args:
        rng: decides all of it.
        longest_s: no song lasts much longer; below a second there are calls alone.
    """
    octaves = float(np.clip(rng.normal(0.0, _SPREAD), -3.2, 1.4))
    centre = float(np.clip(_USUAL_HZ * 2.0**octaves, _LOWEST_HZ, _HIGHEST_HZ))
    # Few kinds a species, one pitch range and one tempo, so that its songs resemble each other.
    taste = rng.dirichlet(np.full(len(WILD_KINDS), 0.35))
    width = log_uniform(rng, 0.05, 0.7)
    gap_s = log_uniform(rng, 0.008, 0.35)
    shared = _syllables(int(rng.integers(1, 6)), taste, width, rng)
    least, most = _SONG_TYPES[int(rng.choice(len(_SONG_TYPES), p=_SHARES))]
    types = int(rng.integers(least, most + 1))
    songs = []
    for _ in range(types):
        own = _syllables(int(rng.integers(0, 4)), taste, width, rng) if types > 1 else ()
        songs.append(_song((*shared, *own), centre, longest_s, gap_s, rng))
    return WildSpecies(tuple(songs), log_uniform(rng, 0.5, 2.0))


def _syllables(
    count: int, taste: np.ndarray, width: float, rng: np.random.Generator
) -> tuple[Syllable, ...]:
    kinds = rng.choice(list(WILD_KINDS), size=count, p=taste)
    drawn = [draw_wild_syllable(str(kind), rng) for kind in kinds]
    return tuple(replace(one, pitch=one.pitch + rng.normal(0.0, width)) for one in drawn)


def _song(
    syllables: tuple[Syllable, ...],
    centre: float,
    longest_s: float,
    gap_s: float,
    rng: np.random.Generator,
) -> Species:
    if longest_s < 1.0 or rng.random() < 0.25:
        return _call(syllables, centre, longest_s, rng)
    sections: list[Section] = []
    wanted = longest_s * rng.uniform(0.2, 1.0)
    length = 0.0
    for _ in range(int(rng.choice([1, 1, 2, 2, 3, 4]))):
        if length > wanted:
            break
        section = _section(syllables, gap_s, wanted - length, rng)
        sections.append(section)
        once = sum(syllables[i].duration_s + section.gap_s for i in section.phrase)
        length += section.repeats[1] * (once + section.rest_s)
    return Species("song", centre, syllables, tuple(sections))


def _section(
    syllables: tuple[Syllable, ...], gap: float, room_s: float, rng: np.random.Generator
) -> Section:
    phrase = tuple(
        int(i) for i in rng.integers(0, len(syllables), int(rng.choice([1, 1, 2, 3, 4])))
    )
    gap_s = gap * log_uniform(rng, 0.6, 1.6)
    rest_s = float(rng.choice([0.0, 0.0, log_uniform(rng, 0.05, 0.5)]))
    once = sum(syllables[i].duration_s + gap_s for i in phrase) + rest_s
    most = int(np.clip(room_s / once, 1, _MOST_NOTES // len(phrase)))
    repeats = int(rng.integers(1, most + 1))
    return Section(
        phrase,
        (max(1, round(0.75 * repeats)), repeats),
        gap_s,
        rest_s,
        hurry=float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.8, 1.2)])),
        step=float(rng.choice([0.0, 0.0, 0.0, rng.normal(0.0, 0.08)])),
        swell_db=float(rng.choice([0.0, rng.normal(0.0, 1.0)])),
    )


def _call(
    syllables: tuple[Syllable, ...], centre: float, longest_s: float, rng: np.random.Generator
) -> Species:
    """One to three syllables, sung once or a few times."""
    count = int(rng.choice([1, 1, 1, 2, 3]))
    chosen = tuple(int(i) for i in rng.integers(0, len(syllables), count))
    gap_s = log_uniform(rng, 0.01, 0.12)
    total = sum(syllables[i].duration_s + gap_s for i in chosen)
    if total > longest_s:
        # A call that is too long is sung faster.
        haste = longest_s / total * rng.uniform(0.4, 1.0)
        syllables = tuple(replace(s, duration_s=haste * s.duration_s) for s in syllables)
        gap_s *= haste
    repeats = 1 if longest_s < 1.0 else int(rng.choice([1, 1, 2, 3]))
    rest_s = log_uniform(rng, 0.1, 0.6)
    return Species("call", centre, syllables, (Section(chosen, (1, repeats), gap_s, rest_s),))


def draw_bird(species: WildSpecies, rng: np.random.Generator) -> tuple[Species, ...]:
    """The songs of an individual: its own way of singing some or all of its species' songs."""
    known = rng.permutation(len(species.songs))[: int(rng.integers(1, len(species.songs) + 1))]
    way = int(rng.integers(2**32))
    # One seed for all its songs: pitch and tempo are the bird's, whatever it sings.
    return tuple(
        draw_individual(species.songs[i], np.random.default_rng(way), species.variety)
        for i in sorted(known)
    )


def sister_of(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """A close relative: the same in all but one to three respects."""
    for number in rng.choice(len(_MUTATIONS), size=int(rng.integers(1, 4)), replace=False):
        species = _MUTATIONS[number](species, rng)
    return species


def _each_song(species: WildSpecies, change: Callable[[Species], Species]) -> WildSpecies:
    return replace(species, songs=tuple(change(song) for song in species.songs))


def _transposed(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    octaves = float(rng.choice([-1.0, 1.0])) * rng.uniform(0.25, 0.7)

    def change(song: Species) -> Species:
        centre = float(np.clip(song.centre_hz * 2.0**octaves, _LOWEST_HZ, _HIGHEST_HZ))
        return replace(song, centre_hz=centre)

    return _each_song(species, change)


def _other_tempo(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    slower = log_uniform(rng, 1.25, 1.8) ** float(rng.choice([-1.0, 1.0]))

    def change(song: Species) -> Species:
        return replace(
            song,
            syllables=tuple(replace(s, duration_s=s.duration_s * slower) for s in song.syllables),
            sections=tuple(
                replace(s, gap_s=s.gap_s * slower, rest_s=s.rest_s * slower) for s in song.sections
            ),
        )

    return _each_song(species, change)


def _backwards(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    def change(song: Species) -> Species:
        turned = tuple(replace(s, knots=s.knots[::-1], lean_db=-s.lean_db) for s in song.syllables)
        return replace(song, syllables=turned)

    return _each_song(species, change)


def _other_syllable(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """The syllable that each song begins with is another one."""
    kind = str(rng.choice(list(WILD_KINDS)))
    new = draw_wild_syllable(kind, rng)

    def change(song: Species) -> Species:
        first = song.sections[0].phrase[0]
        old = song.syllables[first]
        changed = replace(new, pitch=new.pitch + old.pitch, duration_s=old.duration_s)
        syllables = (*song.syllables[:first], changed, *song.syllables[first + 1 :])
        return replace(song, syllables=syllables)

    return _each_song(species, change)


def _other_rhythm(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    wider = log_uniform(rng, 1.5, 4.0) ** float(rng.choice([-1.0, 1.0]))
    more = log_uniform(rng, 1.5, 2.5) ** float(rng.choice([-1.0, 1.0]))

    def change(song: Species) -> Species:
        sections = tuple(
            replace(
                s,
                gap_s=s.gap_s * wider,
                repeats=(max(1, round(s.repeats[0] * more)), max(1, round(s.repeats[1] * more))),
            )
            for s in song.sections
        )
        return replace(song, sections=sections)

    return _each_song(species, change)


def _other_timbre(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """Beats, pulses and vibratos twice as fast or half as fast, and other partials."""
    faster = log_uniform(rng, 1.4, 2.2) ** float(rng.choice([-1.0, 1.0]))
    colour = rng.uniform(0.3, 3.0)

    def change(song: Species) -> Species:
        syllables = tuple(
            replace(
                s,
                warble_hz=s.warble_hz * faster,
                beat_hz=s.beat_hz * faster,
                pulse_hz=s.pulse_hz * faster,
                partials=tuple(a * (k + 1) ** (1 - colour) for k, a in enumerate(s.partials)),
            )
            for s in song.syllables
        )
        return replace(song, syllables=syllables)

    return _each_song(species, change)


_MUTATIONS: tuple[Callable[[WildSpecies, np.random.Generator], WildSpecies], ...] = (
    _transposed,
    _other_tempo,
    _backwards,
    _other_syllable,
    _other_rhythm,
    _other_timbre,
)

"""Species as random grammars, any number of them, and their birds."""

from dataclasses import dataclass, replace

import numpy as np

from darksound.synthesis.repertoire import WILD_KINDS, draw_wild_syllable, log_uniform
from darksound.synthesis.species import Section, Species, draw_individual
from darksound.synthesis.syllables import Syllable

__all__ = ["HIGHEST_HZ", "LOWEST_HZ", "WildSpecies", "draw_bird", "draw_wild"]

#: Lowest and highest pitch that a species' songs are centred on.
LOWEST_HZ, HIGHEST_HZ = 300.0, 9500.0
# Pitch is drawn log-normally: most birds sing between 2 and 6 kHz.
_USUAL_HZ, _SPREAD = 3300.0, 0.85
_MOST_NOTES = 60
# Fewest and most song types: of those that sing one song, a few, or hardly ever the same twice.
_SONG_TYPES = ((1, 1), (2, 4), (8, 16))
_SHARES = (0.45, 0.25, 0.3)
# Species that string many different syllables together, as thrushes, wrens and finches do.
_WARBLERS = 0.3
# Syllables of a phrase, of those species and of the others.
_LONG_PHRASES, _PHRASES = tuple(range(4, 17)), (1, 1, 2, 3, 4)
# How far a species' syllables keep to its usual length, 1 being all of the way.
_LIKENESS = 0.6
# Which of the streams of a bird's seed draws its shapes.
_SHAPES = 1
# By how much individuals differ in a syllable's length and, as a share of its range, in its pitch.
_OWN_LENGTH, _OWN_PITCH = 0.05, 0.07


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
    centre = float(np.clip(_USUAL_HZ * 2.0**octaves, LOWEST_HZ, HIGHEST_HZ))
    # Few kinds a species, one pitch range and one tempo, so that its songs resemble each other.
    taste = rng.dirichlet(np.full(len(WILD_KINDS), 0.35))
    width = log_uniform(rng, 0.05, 0.7)
    gap_s = log_uniform(rng, 0.005, 0.25)
    usual_s = log_uniform(rng, 0.03, 0.4)
    warbles = rng.random() < _WARBLERS
    phrases = _LONG_PHRASES if warbles else _PHRASES
    fewest, more = (4, 10) if warbles else (1, 6)
    shared = _syllables(int(rng.integers(fewest, more)), taste, width, usual_s, rng)
    least, most = _SONG_TYPES[int(rng.choice(len(_SONG_TYPES), p=_SHARES))]
    types = int(rng.integers(least, most + 1))
    songs = []
    for _ in range(types):
        own = _syllables(int(rng.integers(0, 4)), taste, width, usual_s, rng) if types > 1 else ()
        songs.append(_song((*shared, *own), centre, longest_s, gap_s, phrases, rng))
    return WildSpecies(tuple(songs), log_uniform(rng, 0.5, 4.0))


def _syllables(
    count: int, taste: np.ndarray, width: float, usual_s: float, rng: np.random.Generator
) -> tuple[Syllable, ...]:
    kinds = rng.choice(list(WILD_KINDS), size=count, p=taste)
    drawn = [draw_wild_syllable(str(kind), rng) for kind in kinds]
    return tuple(
        replace(
            one,
            pitch=one.pitch + rng.normal(0.0, width),
            duration_s=_towards(one.duration_s, usual_s) if one.kind != "click" else one.duration_s,
        )
        for one in drawn
    )


def _towards(duration_s: float, usual_s: float) -> float:
    return float(duration_s ** (1 - _LIKENESS) * usual_s**_LIKENESS)


def _song(
    syllables: tuple[Syllable, ...],
    centre: float,
    longest_s: float,
    gap_s: float,
    phrases: tuple[int, ...],
    rng: np.random.Generator,
) -> Species:
    if longest_s < 1.0 or rng.random() < 0.25:
        return _call(syllables, centre, longest_s, rng)
    sections: list[Section] = []
    wanted = longest_s * rng.uniform(0.3, 1.0)
    length = 0.0
    for _ in range(int(rng.choice([1, 1, 2, 2, 3, 4]))):
        if length > wanted:
            break
        section = _section(syllables, gap_s, wanted - length, phrases, rng)
        sections.append(section)
        once = sum(syllables[i].duration_s + section.gap_s for i in section.phrase)
        length += section.repeats[1] * (once + section.rest_s)
    return Species("song", centre, syllables, tuple(sections))


def _section(
    syllables: tuple[Syllable, ...],
    gap: float,
    room_s: float,
    phrases: tuple[int, ...],
    rng: np.random.Generator,
) -> Section:
    phrase = tuple(int(i) for i in rng.integers(0, len(syllables), int(rng.choice(phrases))))
    gap_s = gap * log_uniform(rng, 0.6, 1.6)
    rest_s = float(rng.choice([0.0, 0.0, log_uniform(rng, 0.05, 0.5)]))
    once = sum(syllables[i].duration_s + gap_s for i in phrase) + rest_s
    most = int(np.clip(room_s / once, 1, _MOST_NOTES // len(phrase)))
    repeats = int(rng.integers(1, most + 1, size=2).max())
    return Section(
        phrase,
        (max(1, round(0.75 * repeats)), repeats),
        gap_s,
        rest_s,
        hurry=float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.8, 1.2)])),
        step=float(rng.choice([0.0, 0.0, rng.normal(0.0, 0.06)])),
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
        _own_shapes(
            draw_individual(species.songs[i], np.random.default_rng(way), species.variety),
            species.variety,
            np.random.default_rng([way, _SHAPES]),
        )
        for i in sorted(known)
    )


def _own_shapes(song: Species, variety: float, rng: np.random.Generator) -> Species:
    """Syllables of other lengths, whose pitch takes its course by way of other knots."""
    return replace(song, syllables=tuple(_bent(one, variety, rng) for one in song.syllables))


def _bent(syllable: Syllable, variety: float, rng: np.random.Generator) -> Syllable:
    longer = float(np.exp(variety * rng.normal(0.0, _OWN_LENGTH)))
    knots = np.asarray(syllable.knots)
    off = variety * _OWN_PITCH * max(float(np.ptp(knots)), 0.02) * rng.standard_normal(len(knots))
    bent = tuple(float(knot) for knot in knots + off)
    return replace(syllable, duration_s=longer * syllable.duration_s, knots=bent)

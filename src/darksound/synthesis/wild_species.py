"""Wild species: any number of random species, each drawn from a seed and its number.

The demo's species come from `song_types`, which has few forms and kinds. Wild species cover the
range of real birds; pretraining and `darksound synth` use them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from darksound.synthesis.song_types import SongSection, SongType, draw_individual
from darksound.synthesis.syllables import Syllable
from darksound.synthesis.wild_syllables import WILD_KINDS, draw_wild_syllable, log_uniform

__all__ = [
    "WildSpecies",
    "draw_repertoire",
    "draw_wild_species",
    "sister_of",
    "wild_individual",
    "wild_species",
]

#: Range of the centre frequency of a species' songs.
MIN_CENTRE_HZ, MAX_CENTRE_HZ = 300.0, 9500.0
# Range from which the centre of low voices is drawn, and the lowest one of their sisters.
_LOW_VOICES_HZ, _LOWEST_HZ = (180.0, 1800.0), 170.0
# The centre is log-normal: most birds sing between 2 and 6 kHz.
_MEDIAN_CENTRE_HZ, _CENTRE_OCTAVES = 3300.0, 0.85
_MAX_NOTES = 60
# Minimum and maximum number of song types: of species with one, a few, or many; and how often
# each occurs.
_SONG_TYPE_COUNTS = ((1, 1), (2, 4), (8, 16))
_PROBABILITIES = (0.45, 0.25, 0.3)
# Share of species with long phrases of different syllables, such as thrushes, wrens and finches.
_LONG_PHRASE_SHARE = 0.3
# Numbers of syllables in a phrase, of those species and of the others.
_LONG_PHRASES, _SHORT_PHRASES = tuple(range(4, 17)), (1, 1, 2, 3, 4)
# Weight of a species' typical syllable length against the drawn length; at 1 all are equal.
_TYPICAL_WEIGHT = 0.6
# Purpose of the child seed that draws an individual's pitch contours.
_CONTOURS = 1
# Standard deviations between individuals: log of a syllable's length, and pitch of a knot relative
# to the syllable's range.
_LENGTH_DEVIATION, _PITCH_DEVIATION = 0.05, 0.07


@dataclass(frozen=True)
class WildSpecies:
    """A species: its song types, and how much its individuals differ.

    Attributes:
        song_types: songs and calls, each with its syllables and sections.
        variety: differences between individuals, see `draw_individual`.
    """

    song_types: tuple[SongType, ...]
    variety: float


def draw_wild_species(rng: np.random.Generator, longest_s: float = 5.0) -> WildSpecies:
    """Return a random species.

    Args:
        rng: draws the species.
        longest_s: approximate maximum duration of a song in seconds; below 1 s there are only
            calls.
    """
    octaves = float(np.clip(rng.normal(0.0, _CENTRE_OCTAVES), -3.2, 1.4))
    centre = float(np.clip(_MEDIAN_CENTRE_HZ * 2.0**octaves, MIN_CENTRE_HZ, MAX_CENTRE_HZ))
    # A species has few kinds, one pitch range and one tempo, so that its songs are similar.
    kind_probabilities = rng.dirichlet(np.full(len(WILD_KINDS), 0.35))
    width = log_uniform(rng, 0.05, 0.7)
    gap_s = log_uniform(rng, 0.005, 0.25)
    typical_s = log_uniform(rng, 0.03, 0.4)
    long_phrases = rng.random() < _LONG_PHRASE_SHARE
    phrases = _LONG_PHRASES if long_phrases else _SHORT_PHRASES
    low, high = (4, 10) if long_phrases else (1, 6)
    shared = _syllables(int(rng.integers(low, high)), kind_probabilities, width, typical_s, rng)
    min_types, max_types = _SONG_TYPE_COUNTS[
        int(rng.choice(len(_SONG_TYPE_COUNTS), p=_PROBABILITIES))
    ]
    types = int(rng.integers(min_types, max_types + 1))
    songs = []
    for _ in range(types):
        extra = (
            _syllables(int(rng.integers(0, 4)), kind_probabilities, width, typical_s, rng)
            if types > 1
            else ()
        )
        song = _song(
            (*shared, *extra), centre, rng, longest_s=longest_s, gap_s=gap_s, phrases=phrases
        )
        songs.append(song)
    return WildSpecies(tuple(songs), log_uniform(rng, 0.5, 4.0))


def _syllables(
    count: int,
    kind_probabilities: np.ndarray,
    width: float,
    typical_s: float,
    rng: np.random.Generator,
) -> tuple[Syllable, ...]:
    kinds = rng.choice(list(WILD_KINDS), size=count, p=kind_probabilities)
    drawn = [draw_wild_syllable(str(kind), rng) for kind in kinds]
    return tuple(
        replace(
            each,
            pitch=each.pitch + rng.normal(0.0, width),
            duration_s=_towards(each.duration_s, typical_s)
            if each.kind != "click"
            else each.duration_s,
        )
        for each in drawn
    )


def _towards(duration_s: float, typical_s: float) -> float:
    return float(duration_s ** (1 - _TYPICAL_WEIGHT) * typical_s**_TYPICAL_WEIGHT)


def _song(
    syllables: tuple[Syllable, ...],
    centre: float,
    rng: np.random.Generator,
    *,
    longest_s: float,
    gap_s: float,
    phrases: tuple[int, ...],
) -> SongType:
    if longest_s < 1.0 or rng.random() < 0.25:
        return _call(syllables, centre, longest_s, rng)
    sections: list[SongSection] = []
    target_s = longest_s * rng.uniform(0.3, 1.0)
    length = 0.0
    for _ in range(int(rng.choice([1, 1, 2, 2, 3, 4]))):
        if length > target_s:
            break
        section = _section(syllables, gap_s, target_s - length, phrases, rng)
        sections.append(section)
        once = sum(syllables[i].duration_s + section.gap_s for i in section.phrase)
        length += section.repeats[1] * (once + section.rest_s)
    return SongType("song", centre, syllables, tuple(sections))


def _section(
    syllables: tuple[Syllable, ...],
    usual_gap_s: float,
    available_s: float,
    phrases: tuple[int, ...],
    rng: np.random.Generator,
) -> SongSection:
    phrase = tuple(int(i) for i in rng.integers(0, len(syllables), int(rng.choice(phrases))))
    gap_s = usual_gap_s * log_uniform(rng, 0.6, 1.6)
    rest_s = float(rng.choice([0.0, 0.0, log_uniform(rng, 0.05, 0.5)]))
    once = sum(syllables[i].duration_s + gap_s for i in phrase) + rest_s
    max_repeats = int(np.clip(available_s / once, 1, _MAX_NOTES // len(phrase)))
    repeats = int(rng.integers(1, max_repeats + 1, size=2).max())
    return SongSection(
        phrase,
        (max(1, round(0.75 * repeats)), repeats),
        gap_s,
        rest_s,
        gap_factor=float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.8, 1.2)])),
        pitch_step=float(rng.choice([0.0, 0.0, rng.normal(0.0, 0.06)])),
        level_step_db=float(rng.choice([0.0, rng.normal(0.0, 1.0)])),
    )


def _call(
    syllables: tuple[Syllable, ...], centre: float, longest_s: float, rng: np.random.Generator
) -> SongType:
    """Return a call: one to three syllables, sung once or a few times."""
    count = int(rng.choice([1, 1, 1, 2, 3]))
    chosen = tuple(int(i) for i in rng.integers(0, len(syllables), count))
    gap_s = log_uniform(rng, 0.01, 0.12)
    total = sum(syllables[i].duration_s + gap_s for i in chosen)
    if total > longest_s:
        # A call that is too long is sung faster.
        factor = longest_s / total * rng.uniform(0.4, 1.0)
        syllables = tuple(replace(s, duration_s=factor * s.duration_s) for s in syllables)
        gap_s *= factor
    repeats = 1 if longest_s < 1.0 else int(rng.choice([1, 1, 2, 3]))
    rest_s = log_uniform(rng, 0.1, 0.6)
    return SongType("call", centre, syllables, (SongSection(chosen, (1, repeats), gap_s, rest_s),))


def draw_repertoire(species: WildSpecies, rng: np.random.Generator) -> tuple[SongType, ...]:
    """Return an individual's song types: some or all of its species, with small differences."""
    chosen = rng.permutation(len(species.song_types))[
        : int(rng.integers(1, len(species.song_types) + 1))
    ]
    individual_seed = int(rng.integers(2**32))
    # One seed for all its songs, so that they have the same pitch and tempo.
    return tuple(
        _individual_song(
            draw_individual(
                species.song_types[i], np.random.default_rng(individual_seed), species.variety
            ),
            species.variety,
            np.random.default_rng([individual_seed, _CONTOURS]),
        )
        for i in sorted(chosen)
    )


def _individual_song(song: SongType, variety: float, rng: np.random.Generator) -> SongType:
    """Return the song with random changes of its syllables' lengths and pitch contours."""
    return replace(
        song,
        syllables=tuple(_individual_syllable(each, variety, rng) for each in song.syllables),
    )


def _individual_syllable(syllable: Syllable, variety: float, rng: np.random.Generator) -> Syllable:
    length_factor = float(np.exp(variety * rng.normal(0.0, _LENGTH_DEVIATION)))
    knots = np.asarray(syllable.knots)
    shifts = (
        variety
        * _PITCH_DEVIATION
        * max(float(np.ptp(knots)), 0.02)
        * rng.standard_normal(len(knots))
    )
    new_knots = tuple(float(knot) for knot in knots + shifts)
    return replace(syllable, duration_s=length_factor * syllable.duration_s, knots=new_knots)


def sister_of(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """Return a sister species, which differs in one to three properties."""
    for number in rng.choice(len(_CHANGES), size=int(rng.integers(1, 4)), replace=False):
        species = _CHANGES[number](species, rng)
    return species


def _change_songs(species: WildSpecies, change: Callable[[SongType], SongType]) -> WildSpecies:
    return replace(species, song_types=tuple(change(song) for song in species.song_types))


def _transposed(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """Return the species with another centre frequency."""
    octaves = float(rng.choice([-1.0, 1.0])) * rng.uniform(0.25, 0.7)

    def change(song: SongType) -> SongType:
        lowest = MIN_CENTRE_HZ if song.centre_hz >= MIN_CENTRE_HZ else _LOWEST_HZ
        centre = float(np.clip(song.centre_hz * 2.0**octaves, lowest, MAX_CENTRE_HZ))
        return replace(song, centre_hz=centre)

    return _change_songs(species, change)


def _other_tempo(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """Return the species with faster or slower songs."""
    factor = log_uniform(rng, 1.25, 1.8) ** float(rng.choice([-1.0, 1.0]))

    def change(song: SongType) -> SongType:
        return replace(
            song,
            syllables=tuple(replace(s, duration_s=s.duration_s * factor) for s in song.syllables),
            sections=tuple(
                replace(s, gap_s=s.gap_s * factor, rest_s=s.rest_s * factor) for s in song.sections
            ),
        )

    return _change_songs(species, change)


def _reversed(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """Return the species with each syllable reversed in time."""

    def change(song: SongType) -> SongType:
        syllables = tuple(
            replace(s, knots=s.knots[::-1], level_change_db=-s.level_change_db)
            for s in song.syllables
        )
        return replace(song, syllables=syllables)

    return _change_songs(species, change)


def _other_syllable(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """Return the species with another first syllable in each song."""
    kind = str(rng.choice(list(WILD_KINDS)))
    new = draw_wild_syllable(kind, rng)

    def change(song: SongType) -> SongType:
        first = song.sections[0].phrase[0]
        old = song.syllables[first]
        changed = replace(new, pitch=new.pitch + old.pitch, duration_s=old.duration_s)
        syllables = (*song.syllables[:first], changed, *song.syllables[first + 1 :])
        return replace(song, syllables=syllables)

    return _change_songs(species, change)


def _other_rhythm(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """Return the species with other gaps and numbers of repeats."""
    gap_factor = log_uniform(rng, 1.5, 4.0) ** float(rng.choice([-1.0, 1.0]))
    repeat_factor = log_uniform(rng, 1.5, 2.5) ** float(rng.choice([-1.0, 1.0]))

    def change(song: SongType) -> SongType:
        sections = tuple(
            replace(
                s,
                gap_s=s.gap_s * gap_factor,
                repeats=(
                    max(1, round(s.repeats[0] * repeat_factor)),
                    max(1, round(s.repeats[1] * repeat_factor)),
                ),
            )
            for s in song.sections
        )
        return replace(song, sections=sections)

    return _change_songs(species, change)


def _other_timbre(species: WildSpecies, rng: np.random.Generator) -> WildSpecies:
    """Return the species with faster or slower beats, pulses and warbles, and other partials."""
    factor = log_uniform(rng, 1.4, 2.2) ** float(rng.choice([-1.0, 1.0]))
    slope = rng.uniform(0.3, 3.0)

    def change(song: SongType) -> SongType:
        syllables = tuple(
            replace(
                s,
                warble_hz=s.warble_hz * factor,
                beat_hz=s.beat_hz * factor,
                pulse_hz=s.pulse_hz * factor,
                partials=tuple(a * (k + 1) ** (1 - slope) for k, a in enumerate(s.partials)),
            )
            for s in song.syllables
        )
        return replace(song, syllables=syllables)

    return _change_songs(species, change)


_CHANGES: tuple[Callable[[WildSpecies, np.random.Generator], WildSpecies], ...] = (
    _transposed,
    _other_tempo,
    _reversed,
    _other_syllable,
    _other_rhythm,
    _other_timbre,
)


# Purposes of the child seeds; those of the demo are below 10.
_SPECIES, _SISTER, _INDIVIDUAL, _LOW = 10, 11, 12, 14


@lru_cache(maxsize=4096)
def wild_species(
    seed: int, number: int, longest_s: float = 5.0, low_share: float = 0.0
) -> WildSpecies:
    """Return species `number` of a seed; every odd one is a sister of the one before it.

    A species does not depend on the number of species.

    Args:
        seed: of all species.
        number: of the species.
        longest_s: see `draw_wild_species`.
        low_share: share of the species that are moved to a centre of 180 to 1,800 Hz, as owls and
            tinamous have; the others do not depend on it.
    """
    first = number - number % 2
    species = draw_wild_species(np.random.default_rng([seed, _SPECIES, first]), longest_s)
    if low_share:
        species = _lowered(species, np.random.default_rng([seed, _LOW, first]), low_share)
    if number == first:
        return species
    return sister_of(species, np.random.default_rng([seed, _SISTER, number]))


def _lowered(species: WildSpecies, rng: np.random.Generator, low_share: float) -> WildSpecies:
    """Return a species that has a low voice with probability `low_share`."""
    is_low, centre = rng.random() < low_share, log_uniform(rng, *_LOW_VOICES_HZ)
    if not is_low:
        return species
    return _change_songs(species, lambda song: replace(song, centre_hz=centre))


@lru_cache(maxsize=4096)
def wild_individual(
    seed: int, number: int, bird: int, longest_s: float = 5.0, low_share: float = 0.0
) -> tuple[SongType, ...]:
    """Return the song types of an individual of species `number`; see `wild_species`."""
    rng = np.random.default_rng([seed, _INDIVIDUAL, number, bird])
    return draw_repertoire(wild_species(seed, number, longest_s, low_share), rng)

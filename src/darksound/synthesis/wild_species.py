"""A cast of any number of wild species, each drawn from the seed and its own number."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from darksound.synthesis.grammar import HIGHEST_HZ, LOWEST_HZ, WildSpecies, draw_bird, draw_wild
from darksound.synthesis.repertoire import WILD_KINDS, draw_wild_syllable, log_uniform
from darksound.synthesis.species import Species

__all__ = ["sister_of", "wild_bird", "wild_species"]


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
        centre = float(np.clip(song.centre_hz * 2.0**octaves, LOWEST_HZ, HIGHEST_HZ))
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


# Purposes of the child seeds; the demo's end below 10.
_SPECIES, _SISTER, _BIRD = 10, 11, 12


@lru_cache(maxsize=4096)
def wild_species(seed: int, number: int, longest_s: float = 5.0) -> WildSpecies:
    """Species `number` of the world `seed`; every odd one is a sister of the one before it.

    Adding species leaves the others as they are.
    """
    first = number - number % 2
    species = draw_wild(np.random.default_rng([seed, _SPECIES, first]), longest_s)
    if number == first:
        return species
    return sister_of(species, np.random.default_rng([seed, _SISTER, number]))


@lru_cache(maxsize=4096)
def wild_bird(seed: int, number: int, bird: int, longest_s: float = 5.0) -> tuple[Species, ...]:
    """The songs of one individual of a species."""
    rng = np.random.default_rng([seed, _BIRD, number, bird])
    return draw_bird(wild_species(seed, number, longest_s), rng)

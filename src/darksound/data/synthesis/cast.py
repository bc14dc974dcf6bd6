"""A cast of any number of wild species, each drawn from the seed and its own number."""

from functools import lru_cache

import numpy as np

from darksound.data.synthesis.grammar import WildSpecies, draw_bird, draw_wild
from darksound.data.synthesis.sisters import sister_of
from darksound.data.synthesis.species import Species

__all__ = ["wild_bird", "wild_species"]

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

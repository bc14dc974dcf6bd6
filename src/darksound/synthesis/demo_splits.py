"""The splits of the demo, and how they are named."""

import re
from dataclasses import dataclass

from darksound.errors import InputError

__all__ = ["DEMO_SEED", "DEMO_SPLITS", "DemoSplit", "demo_root", "is_demo", "parse_demo"]

#: Seed of `demo`; `demo:test:7` is the same split with seed 7, which has other species.
DEMO_SEED = 2023


@dataclass(frozen=True)
class DemoSplit:
    """The species and recordings of a split.

    Attributes:
        first: number of its first species.
        species: number of species.
        birds: number of individuals of each species.
        takes: number of recordings of each individual.
    """

    first: int
    species: int
    birds: int
    takes: int


#: Splits are ranges of species numbers. Of 72 successive species no two have both the same form
#: and the same kind of first syllable (see `draw_song_type`), so that splits are disjoint.
DEMO_SPLITS = {
    "train": DemoSplit(first=1, species=40, birds=4, takes=3),
    "val": DemoSplit(first=41, species=10, birds=3, takes=2),
    "test": DemoSplit(first=51, species=12, birds=5, takes=2),
}
_SPEC = re.compile(r"demo(?::(?P<split>[a-z]+))?(?::(?P<seed>\d{1,9}))?")


def is_demo(spec: str) -> bool:
    """Return whether a specification or a root belongs to the demo: `demo`, `demo:test`, ..."""
    return spec.partition(":")[0] == "demo"


def demo_root(spec: str) -> str:
    """Return the root of a split's recordings, the same for all spellings of the split.

    Raises:
        InputError: the demo has no such split.
    """
    name, seed = parse_demo(spec)
    return f"demo:{name}" if seed == DEMO_SEED else f"demo:{name}:{seed}"


def parse_demo(spec: str) -> tuple[str, int]:
    """Return the name of a split and the seed of its species.

    Raises:
        InputError: the demo has no such split.
    """
    match = _SPEC.fullmatch(spec)
    name = (match["split"] or "test") if match else None
    if match is None or name not in DEMO_SPLITS:
        raise InputError(
            f"There is no demo {spec!r}; there are demo:train, demo:val and demo:test "
            f"(demo alone is demo:test)."
        )
    return name, int(match["seed"]) if match["seed"] else DEMO_SEED

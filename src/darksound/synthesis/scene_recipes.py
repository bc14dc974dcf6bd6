"""The scenes of `darksound synth --soundscapes`: how often what sounds in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["SCENES", "SceneRecipe"]


@dataclass(frozen=True)
class SceneRecipe:
    """Which birds and other sounds are in a scene.

    Attributes:
        voices: kinds of the birds' voices; species have them in turn. `wild` is any bird.
        bouts_per_minute: bouts of singing that start in a minute.
        insects: smallest and largest number of kinds of insects that sing throughout.
        frog_chorus: probability of a chorus of frogs.
        mains: probability of hum.
        steady: sounds that always last through the recording.
        transients: other sounds that last for seconds: how many of each kind start in a minute.
    """

    voices: tuple[str, ...]
    bouts_per_minute: float
    insects: tuple[int, int]
    frog_chorus: float
    mains: float = 0.15
    steady: tuple[str, ...] = ()
    transients: Mapping[str, float] = field(default_factory=dict)


_NIGHT = ("owl", "tinamou", "nightjar", "toots", "wail", "whip", "cackle", "crake", "wild")


def _transients(
    wind: float, handling: float, engine: float, speech: float, frog: float, raindrops: float
) -> dict[str, float]:
    return {
        "wind": wind,
        "handling": handling,
        "engine": engine,
        "speech": speech,
        "frog": frog,
        "raindrops": raindrops,
    }


#: Scenes by name.
SCENES = {
    "night": SceneRecipe(
        _NIGHT, 1.3, (2, 5), 0.6, transients=_transients(0.3, 0.1, 0.12, 0.08, 0.3, 0.05)
    ),
    "dawn": SceneRecipe(
        ("wild", "wild", "wild", "cackle", "wild", "whip", "wild", "tinamou"),
        6.0,
        (0, 2),
        0.15,
        transients=_transients(0.3, 0.1, 0.2, 0.1, 0.1, 0.0),
    ),
    "rain": SceneRecipe(
        _NIGHT,
        1.0,
        (0, 2),
        0.5,
        steady=("rain",),
        transients=_transients(0.6, 0.1, 0.1, 0.05, 0.2, 0.8),
    ),
    "river": SceneRecipe(
        _NIGHT,
        1.2,
        (1, 3),
        0.3,
        steady=("river",),
        transients=_transients(0.2, 0.1, 0.05, 0.1, 0.2, 0.0),
    ),
}

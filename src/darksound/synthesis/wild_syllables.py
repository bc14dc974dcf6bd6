"""Wild syllables: more kinds than those of the demo, each over the full range of real birds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from darksound.synthesis.syllables import Syllable

__all__ = ["WILD_KINDS", "draw_wild_syllable", "log_uniform"]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a random number between two others; every octave between them is equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


Draw = Callable[[np.random.Generator], Syllable]


def _knots(rng: np.random.Generator, count: int, reach: float) -> tuple[float, ...]:
    """Return random pitches in octaves around 0; highest and lowest differ by `reach`."""
    raw = rng.standard_normal(count)
    raw = (raw - raw.min()) / max(float(np.ptp(raw)), 1e-9) - 0.5
    return tuple(float(knot) for knot in reach * raw)


def _harmonics(rng: np.random.Generator) -> tuple[float, ...]:
    """Return a pure tone, a few partials of falling amplitude, or partials around a formant."""
    choice = rng.random()
    if choice < 0.55:
        return (1.0,)
    number = np.arange(1, int(rng.integers(2, 6)) + 1)
    if choice < 0.8:
        amplitude = number ** -rng.uniform(0.8, 3.0)
    else:
        amplitude = np.exp(-0.5 * ((number - rng.uniform(1, number.size)) / 1.2) ** 2)
    return tuple(float(each) for each in amplitude)


def _whistle(rng: np.random.Generator) -> Syllable:
    knots = _knots(rng, int(rng.integers(2, 4)), rng.uniform(0.0, 0.1))
    return Syllable("whistle", log_uniform(rng, 0.06, 1.0), knots=knots, partials=_harmonics(rng))


def _sweep(rng: np.random.Generator) -> Syllable:
    knots = _knots(rng, int(rng.integers(2, 8)), log_uniform(rng, 0.12, 1.6))
    return Syllable("sweep", log_uniform(rng, 0.02, 0.4), knots=knots, partials=_harmonics(rng))


def _warble(rng: np.random.Generator) -> Syllable:
    return Syllable(
        "warble",
        log_uniform(rng, 0.12, 0.9),
        knots=_knots(rng, 3, rng.uniform(0.0, 0.5)),
        warble_hz=log_uniform(rng, 8, 60),
        warble=log_uniform(rng, 0.03, 0.3),
        partials=_harmonics(rng),
    )


def _buzz(rng: np.random.Generator) -> Syllable:
    return Syllable(
        "buzz",
        log_uniform(rng, 0.06, 0.9),
        knots=_knots(rng, 2, rng.uniform(0.0, 0.6)),
        warble_hz=log_uniform(rng, 60, 250),
        warble=log_uniform(rng, 0.05, 0.3),
        beat_hz=log_uniform(rng, 15, 80),
        beat=rng.uniform(0.0, 0.8),
    )


def _rattle(rng: np.random.Generator) -> Syllable:
    return Syllable(
        "rattle",
        log_uniform(rng, 0.15, 1.2),
        knots=_knots(rng, 2, rng.uniform(0.0, 0.4)),
        roughness=float(rng.choice([0.0, rng.uniform(0.05, 0.5)])),
        pulse_hz=log_uniform(rng, 12, 90),
        pulse=rng.uniform(0.12, 0.5),
        partials=_harmonics(rng),
    )


def _stack(rng: np.random.Generator) -> Syllable:
    """Return many partials around one or two formants, as in calls of crows and parrots."""
    number = np.arange(1, int(rng.integers(5, 14)) + 1)
    formants = rng.uniform(1, number.size, size=int(rng.integers(1, 3)))
    width = rng.uniform(0.8, 3.0)
    amplitude = np.exp(-0.5 * ((number[:, None] - formants) / width) ** 2).sum(axis=1)
    return Syllable(
        "stack",
        log_uniform(rng, 0.03, 0.6),
        knots=_knots(rng, int(rng.integers(2, 5)), rng.uniform(0.02, 0.5)),
        pitch=-float(np.log2(formants.mean())),
        partials=tuple(float(each) for each in amplitude + 0.03),
        warble_hz=log_uniform(rng, 10, 40),
        warble=float(rng.choice([0.0, 0.0, rng.uniform(0.02, 0.08)])),
        # Noise, as in calls of crows, ducks and gulls.
        roughness=float(rng.choice([0.0, log_uniform(rng, 0.01, 0.15)])),
        beat_hz=log_uniform(rng, 20, 90),
        beat=float(rng.choice([0.0, rng.uniform(0.2, 0.9)])),
    )


def _rasp(rng: np.random.Generator) -> Syllable:
    return Syllable(
        "rasp",
        log_uniform(rng, 0.03, 0.7),
        knots=_knots(rng, 2, rng.uniform(0.0, 0.6)),
        roughness=log_uniform(rng, 0.06, 0.6),
        beat_hz=log_uniform(rng, 10, 60),
        beat=float(rng.choice([0.0, rng.uniform(0.2, 0.9)])),
    )


def _click(rng: np.random.Generator) -> Syllable:
    return Syllable(
        "click",
        log_uniform(rng, 0.008, 0.03),
        knots=_knots(rng, 2, rng.uniform(0.3, 1.5)),
        roughness=rng.uniform(0.0, 0.5),
    )


def _jump(rng: np.random.Generator) -> Syllable:
    knots = _knots(rng, int(rng.integers(2, 6)), log_uniform(rng, 0.2, 1.2))
    return Syllable(
        "jump", log_uniform(rng, 0.06, 0.5), knots=knots, jumps=True, partials=_harmonics(rng)
    )


def _two_voices(rng: np.random.Generator) -> Syllable:
    first, second = (WILD_KINDS[str(rng.choice(["whistle", "sweep", "warble"]))] for _ in range(2))
    voice = first(rng)
    other = second(rng)
    shift = float(rng.choice([-1.0, 1.0])) * rng.uniform(0.15, 1.2)
    share = rng.uniform(0.5, 1.0)
    second_voice = Syllable(
        other.kind,
        voice.duration_s * share,
        knots=tuple(knot + shift for knot in other.knots),
        warble_hz=other.warble_hz,
        warble=other.warble,
    )
    return Syllable(
        "two voices",
        voice.duration_s,
        knots=voice.knots,
        warble_hz=voice.warble_hz,
        warble=voice.warble,
        second_voice=second_voice,
    )


#: Kinds of wild syllables; each function draws a syllable.
WILD_KINDS: dict[str, Draw] = {
    "whistle": _whistle,
    "sweep": _sweep,
    "warble": _warble,
    "buzz": _buzz,
    "rattle": _rattle,
    "stack": _stack,
    "rasp": _rasp,
    "click": _click,
    "jump": _jump,
    "two voices": _two_voices,
}


def draw_wild_syllable(kind: str, rng: np.random.Generator) -> Syllable:
    """Return a random syllable of a kind in `WILD_KINDS`; its level changes by up to 12 dB."""
    syllable = WILD_KINDS[kind](rng)
    return replace(syllable, level_change_db=float(rng.uniform(-12, 12)))

"""Syllables of the demo's birds, and the synthesis of any syllable."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CONTOURS", "KINDS", "Syllable", "draw_syllable", "pitch_range", "render_syllable"]

Draw = Callable[[np.random.Generator], "Syllable"]
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Syllable:
    """A tone with partials that changes in pitch and loudness.

    Attributes:
        kind: name in `KINDS`.
        duration_s: length in seconds.
        contour: name in `CONTOURS`.
        span: octaves that the contour covers; a negative span inverts it.
        pitch: octaves above the centre of the song type.
        warble_hz: rate of a periodic pitch modulation; 0 for none.
        warble: depth of that modulation in octaves, from the middle.
        beat_hz: rate of a periodic loudness modulation; 0 for none.
        beat: depth of that modulation, 0 to 1.
        partials: amplitudes of the fundamental and its multiples.
        roughness: octaves of random pitch jitter, which gives a band of noise.
        knots: octaves of the pitch at even intervals; if given, contour and span are not used.
        jumps: whether the pitch jumps from knot to knot instead of gliding.
        pulse_hz: rate of a train of pulses that the syllable is divided into; 0 for none.
        pulse: share of a pulse's period in which it decays to 1/e.
        level_change_db: level of the end above the start.
        second_voice: a second voice, at the same time.
    """

    kind: str
    duration_s: float
    contour: str = "flat"
    span: float = 0.0
    pitch: float = 0.0
    warble_hz: float = 0.0
    warble: float = 0.0
    beat_hz: float = 0.0
    beat: float = 0.0
    partials: tuple[float, ...] = (1.0,)
    roughness: float = 0.0
    knots: tuple[float, ...] = ()
    jumps: bool = False
    pulse_hz: float = 0.0
    pulse: float = 0.3
    level_change_db: float = 0.0
    second_voice: "Syllable | None" = None


#: Pitch over time: functions from time u in [0, 1] to pitch in [-0.5, 0.5].
CONTOURS: dict[str, Callable[[Samples], Samples]] = {
    "flat": lambda u: np.zeros_like(u),
    "line": lambda u: u - 0.5,
    "late": lambda u: u**3 - 0.5,
    "early": lambda u: 0.5 - (1 - u) ** 3,
    "arch": lambda u: np.sin(np.pi * u) - 0.5,
    "step": lambda u: 0.5 * np.tanh(14 * (u - 0.5)),
    "wave": lambda u: 0.5 * np.sin(2 * np.pi * u),
}


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _whistle(rng: np.random.Generator) -> Syllable:
    return Syllable("whistle", rng.uniform(0.12, 0.4), "line", rng.uniform(-0.06, 0.06))


def _rise(rng: np.random.Generator) -> Syllable:
    contour = str(rng.choice(["line", "late"]))
    return Syllable("rise", rng.uniform(0.06, 0.25), contour, rng.uniform(0.5, 1.1))


def _fall(rng: np.random.Generator) -> Syllable:
    contour = str(rng.choice(["line", "early"]))
    return Syllable("fall", rng.uniform(0.06, 0.25), contour, -rng.uniform(0.5, 1.1))


def _arch(rng: np.random.Generator) -> Syllable:
    return Syllable("arch", rng.uniform(0.08, 0.25), "arch", _sign(rng) * rng.uniform(0.45, 0.9))


def _warble(rng: np.random.Generator) -> Syllable:
    return Syllable(
        "warble",
        rng.uniform(0.2, 0.5),
        "line",
        rng.uniform(-0.2, 0.2),
        warble_hz=rng.uniform(14, 34),
        warble=rng.uniform(0.12, 0.25),
    )


def _buzz(rng: np.random.Generator) -> Syllable:
    return Syllable(
        "buzz",
        rng.uniform(0.12, 0.4),
        "line",
        rng.uniform(-0.25, 0.25),
        warble_hz=rng.uniform(90, 180),
        warble=rng.uniform(0.12, 0.25),
        beat_hz=rng.uniform(30, 60),
        beat=0.6,
    )


def _stack(rng: np.random.Generator) -> Syllable:
    partials = tuple(float(a) for a in rng.uniform(0.3, 1.0, size=int(rng.integers(4, 7))))
    return Syllable(
        "stack",
        rng.uniform(0.1, 0.3),
        "arch",
        _sign(rng) * rng.uniform(0.1, 0.35),
        pitch=-rng.uniform(1.4, 1.9),
        partials=partials,
    )


def _rasp(rng: np.random.Generator) -> Syllable:
    return Syllable(
        "rasp",
        rng.uniform(0.08, 0.3),
        "line",
        rng.uniform(-0.4, 0.4),
        roughness=rng.uniform(0.2, 0.4),
    )


def _yodel(rng: np.random.Generator) -> Syllable:
    contour = str(rng.choice(["step", "wave"]))
    return Syllable(
        "yodel",
        rng.uniform(0.15, 0.35),
        contour,
        _sign(rng) * rng.uniform(0.4, 0.8),
        partials=(1.0, rng.uniform(0.1, 0.4)),
    )


#: Kinds of syllables; each function draws a syllable.
KINDS: dict[str, Draw] = {
    "whistle": _whistle,
    "buzz": _buzz,
    "arch": _arch,
    "stack": _stack,
    "rise": _rise,
    "warble": _warble,
    "fall": _fall,
    "rasp": _rasp,
    "yodel": _yodel,
}


def draw_syllable(kind: str, rng: np.random.Generator) -> Syllable:
    """Return a random syllable of a kind in `KINDS`."""
    return KINDS[kind](rng)


# Partials above this share of the Nyquist frequency are left out, because they would alias.
_HIGHEST_PARTIAL = 0.9


def render_syllable(
    syllable: Syllable, centre_hz: float, rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return samples `(n,)` of a syllable around a pitch, with an RMS of 1.

    Args:
        syllable: the syllable.
        centre_hz: frequency that `syllable.pitch` is relative to.
        rate: samples per second.
        rng: draws the jitter of a rough syllable; else unused.
    """
    n = max(16, round(syllable.duration_s * rate))
    u = np.linspace(0.0, 1.0, n)
    octaves = syllable.pitch + _contour(syllable, u)
    if syllable.warble:
        octaves += syllable.warble * np.sin((2 * np.pi * syllable.warble_hz * n / rate) * u)
    if syllable.roughness:
        # A new value every 0.4 ms, so that the jitter spreads energy instead of averaging out.
        knots = rng.standard_normal(max(2, round(syllable.duration_s * 2500)))
        octaves += syllable.roughness * np.interp(u, np.linspace(0, 1, knots.size), knots)
    hertz = centre_hz * np.exp2(octaves)
    cycles = np.cumsum(hertz / rate)
    angle = (2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32)
    wave = np.zeros(n, dtype=np.float32)
    highest = float(hertz.max())
    for number, amplitude in enumerate(syllable.partials, start=1):
        if number == 1 or number * highest < _HIGHEST_PARTIAL * rate / 2:
            wave += np.float32(amplitude) * np.sin(np.float32(number) * angle)
    wave *= _envelope(syllable, u, n / rate)
    if syllable.second_voice is not None:
        other = render_syllable(syllable.second_voice, centre_hz, rate, rng)[:n]
        wave[: other.size] += other * np.float32(np.sqrt(np.mean(np.square(wave))))
    return wave * np.float32(1 / np.sqrt(np.mean(np.square(wave)) + 1e-12))


def pitch_range(syllable: Syllable) -> tuple[float, float]:
    """Return the lowest and highest pitch of a syllable, in octaves above the centre."""
    knots = syllable.knots or (-abs(syllable.span) / 2, abs(syllable.span) / 2)
    blur = syllable.warble + 2 * syllable.roughness
    low = syllable.pitch + min(knots) - blur
    high = syllable.pitch + max(knots) + blur + float(np.log2(len(syllable.partials)))
    if syllable.second_voice is None:
        return low, high
    second = pitch_range(syllable.second_voice)
    return min(low, second[0]), max(high, second[1])


def _contour(syllable: Syllable, u: Samples) -> Samples:
    if not syllable.knots:
        return syllable.span * CONTOURS[syllable.contour](u)
    knots = np.asarray(syllable.knots)
    if syllable.jumps:
        return knots[np.minimum((u * knots.size).astype(np.int64), knots.size - 1)]
    position = u * (knots.size - 1)
    before = np.minimum(position.astype(np.int64), knots.size - 2)
    # A half cosine between knots, so that the pitch changes smoothly.
    share = 0.5 - 0.5 * np.cos(np.pi * (position - before))
    glide: Samples = knots[before] + share * (knots[before + 1] - knots[before])
    return glide


def _envelope(syllable: Syllable, u: Samples, duration_s: float) -> npt.NDArray[np.float32]:
    edge = min(0.35, 0.012 / duration_s + 0.08)
    shape = np.ones(u.size)
    rise, fall = int(edge * u.size), int(1.6 * edge * u.size)
    shape[:rise] = np.sin(0.5 * np.pi / edge * u[:rise])
    shape[u.size - fall :] *= np.sin(0.3125 * np.pi / edge * u[:fall])[::-1]
    if syllable.beat:
        shape *= 1 - syllable.beat * (
            0.5 + 0.5 * np.cos((2 * np.pi * syllable.beat_hz * duration_s) * u)
        )
    if syllable.pulse_hz:
        phase = (syllable.pulse_hz * duration_s) * u
        phase -= np.floor(phase)
        # An attack of a tenth of the period, so that pulses do not click.
        shape *= np.minimum(phase * 10, 1) * np.exp(-phase / syllable.pulse)
    if syllable.level_change_db:
        shape *= 10 ** (syllable.level_change_db / 20 * (u - 0.5))
    return shape.astype(np.float32)

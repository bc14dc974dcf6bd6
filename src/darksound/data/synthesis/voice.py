"""How a syllable sounds."""

import numpy as np
import numpy.typing as npt

from darksound.data.synthesis.syllables import CONTOURS, Samples, Syllable

__all__ = ["pitch_range", "render_syllable"]

# Partials above this share of Nyquist would alias or be lost in any recorder.
_HIGHEST_PARTIAL = 0.9


def render_syllable(
    syllable: Syllable, centre_hz: float, rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Samples `(n,)` of a syllable around a pitch, with an RMS of 1.

    Args:
        syllable: what to sing.
        centre_hz: the pitch that `syllable.pitch` counts from.
        rate: samples a second.
        rng: the jitter of a rough syllable; else unused.
    """
    n = max(16, round(syllable.duration_s * rate))
    u = np.linspace(0.0, 1.0, n)
    octaves = syllable.pitch + _contour(syllable, u)
    if syllable.warble:
        octaves += syllable.warble * np.sin((2 * np.pi * syllable.warble_hz * n / rate) * u)
    if syllable.roughness:
        # Held for about 0.4 ms, so that the jitter spreads energy instead of averaging out.
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
    if syllable.second is not None:
        other = render_syllable(syllable.second, centre_hz, rate, rng)[:n]
        wave[: other.size] += other * np.float32(np.sqrt(np.mean(np.square(wave))))
    return wave * np.float32(1 / np.sqrt(np.mean(np.square(wave)) + 1e-12))


def pitch_range(syllable: Syllable) -> tuple[float, float]:
    """Lowest and highest octaves above the species' centre that a syllable reaches."""
    knots = syllable.knots or (-abs(syllable.span) / 2, abs(syllable.span) / 2)
    blur = syllable.warble + 2 * syllable.roughness
    low = syllable.pitch + min(knots) - blur
    high = syllable.pitch + max(knots) + blur + float(np.log2(len(syllable.partials)))
    if syllable.second is None:
        return low, high
    second = pitch_range(syllable.second)
    return min(low, second[0]), max(high, second[1])


def _contour(syllable: Syllable, u: Samples) -> Samples:
    if not syllable.knots:
        return syllable.span * CONTOURS[syllable.contour](u)
    knots = np.asarray(syllable.knots)
    if syllable.jumps:
        return knots[np.minimum((u * knots.size).astype(np.int64), knots.size - 1)]
    place = u * (knots.size - 1)
    before = np.minimum(place.astype(np.int64), knots.size - 2)
    # Along a half cosine between knots, so that the pitch turns smoothly.
    share = 0.5 - 0.5 * np.cos(np.pi * (place - before))
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
        # A tenth of the period to rise, so that pulses do not click.
        shape *= np.minimum(phase * 10, 1) * np.exp(-phase / syllable.pulse)
    if syllable.lean_db:
        shape *= 10 ** (syllable.lean_db / 20 * (u - 0.5))
    return shape.astype(np.float32)

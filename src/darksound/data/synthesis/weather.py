"""What field recordings suffer from beside distance: wind, rain, mains hum and overload."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

__all__ = ["Weather", "draw_weather", "weathered"]

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weather:
    """How much of each; 0 for none.

    Attributes:
        wind: RMS of the gusts, against the loudest moments of the recording.
        rain: drops a second.
        hum: amplitude of the mains hum, against the same.
        mains_hz: 50 or 60.
        overload: how far the recording's peaks lie above full scale.
    """

    wind: float = 0.0
    rain: float = 0.0
    hum: float = 0.0
    mains_hz: float = 50.0
    overload: float = 0.0


def draw_weather(rng: np.random.Generator) -> Weather:
    """Weather of some place and day: mostly one trouble or none."""

    def sometimes(share: float, value: float) -> float:
        return value if rng.random() < share else 0.0

    return Weather(
        wind=sometimes(0.25, float(10 ** rng.uniform(-1.5, 0.3))),
        rain=sometimes(0.12, float(10 ** rng.uniform(0.3, 1.8))),
        hum=sometimes(0.1, float(10 ** rng.uniform(-2.0, -0.7))),
        mains_hz=float(rng.choice([50.0, 60.0])),
        overload=sometimes(0.1, float(rng.uniform(1.2, 4.0))),
    )


def weathered(wave: Samples, rate: int, weather: Weather, rng: np.random.Generator) -> Samples:
    """A recording `(n,)` in this weather, its level kept; overload clips it at full scale."""
    loudest = np.float32(np.sqrt(np.max(_smoothed(np.square(wave), rate)) + 1e-12))
    out = wave.copy()
    if weather.wind:
        out += np.float32(weather.wind) * loudest * _wind(wave.size, rate, rng)
    if weather.rain:
        out += 3 * loudest * _rain(wave.size, rate, weather.rain, rng)
    if weather.hum:
        time = np.arange(wave.size, dtype=np.float32) / np.float32(rate)
        for partial in (1, 2, 3, 5, 7, 11):
            tone = np.sin(np.float32(2 * np.pi * partial * weather.mains_hz) * time)
            out += np.float32(weather.hum / partial) * loudest * tone
    if weather.overload:
        out *= np.float32(weather.overload) / max(np.abs(out).max(), np.float32(1e-9))
    return np.clip(out, -1.0, 1.0)


def _smoothed(power: Samples, rate: int) -> Samples:
    block = max(1, rate // 50)
    whole = power[: power.size // block * block] if power.size >= block else power
    mean: Samples = whole.reshape(-1, min(block, whole.size)).mean(axis=1)
    return mean


def _wind(n: int, rate: int, rng: np.random.Generator) -> Samples:
    """Noise of RMS 1 that falls steeply above 100 Hz and comes in gusts of about a second."""
    hertz = fft.rfftfreq(n, 1 / rate).astype(np.float32)
    shape = 1 / (1 + (hertz / 100.0) ** 1.6)
    angle = np.float32(2 * np.pi) * rng.random(shape.size, dtype=np.float32)
    wave: Samples = fft.irfft(shape * np.exp(1j * angle), n).astype(np.float32)
    knots = max(2, round(n / rate * 1.5))
    gusts = np.interp(np.linspace(0, knots - 1, n), np.arange(knots), rng.standard_normal(knots))
    wave *= np.exp(1.2 * gusts).astype(np.float32)
    return wave / np.float32(np.sqrt(np.mean(np.square(wave))) + 1e-12)


def _rain(n: int, rate: int, drops: float, rng: np.random.Generator) -> Samples:
    """Short bursts of noise of all strengths, each a drop on the housing."""
    out = np.zeros(n, dtype=np.float32)
    length = round(0.012 * rate)
    decay = np.exp(-np.arange(length, dtype=np.float32) / np.float32(0.002 * rate))
    for _ in range(int(rng.poisson(drops * n / rate))):
        start = int(rng.integers(n))
        kept = min(length, n - start)
        burst = decay * rng.standard_normal(length, dtype=np.float32)
        out[start : start + kept] += np.float32(rng.exponential(0.4)) * burst[:kept]
    return out

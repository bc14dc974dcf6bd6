"""What field recordings suffer from beside distance: wind, rain, mains hum and overload."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

__all__ = [
    "Place",
    "Weather",
    "draw_place",
    "draw_weather",
    "noise_shape",
    "noise_spectrum",
    "transfer",
    "weathered",
]

_REFERENCE_HZ = 1000.0


@dataclass(frozen=True)
class Place:
    """Where a recording is made.

    Attributes:
        slope_db: noise level an octave: 0 white, -3 pink, -6 brown.
        insects: steady choruses as (centre in Hz, width in octaves, dB above the noise).
        snr_db: the song's level over the noise within the song's own band.
        reverb_s: time in which the echo falls by 60 dB.
        wet: energy of the echo relative to the direct sound.
        tilt_db: what distance and microphone take or add an octave, above 1 kHz.
        level: RMS of the loudest moments, full scale being 1.
    """

    slope_db: float
    insects: tuple[tuple[float, float, float], ...]
    snr_db: float
    reverb_s: float
    wet: float
    tilt_db: float
    level: float


def draw_place(rng: np.random.Generator) -> Place:
    """A place of its own noise, echo, distance and gain."""
    insects = tuple(
        (rng.uniform(3500, 10_000), rng.uniform(0.03, 0.15), rng.uniform(6, 20))
        for _ in range(int(rng.choice([0, 0, 1, 2])))
    )
    snr_db = rng.uniform(3, 25)
    # Far birds are faint, reverberant and dull, with exceptions.
    far = float(np.clip((25 - snr_db) / 22 + rng.normal(0, 0.25), 0, 1))
    return Place(
        slope_db=float(rng.choice([0.0, -3.0, -3.0, -4.5, -6.0])) + rng.uniform(-1, 1),
        insects=insects,
        snr_db=float(snr_db),
        reverb_s=rng.uniform(0.15, 0.9),
        wet=float(10 ** (rng.uniform(-2.2, -0.9) + 0.5 * far)),
        tilt_db=float(rng.uniform(-2.0, 1.5) - 1.5 * far),
        level=float(10 ** rng.uniform(-2.0, -0.8)),
    )


def noise_shape(place: Place, n: int, rate: int) -> npt.NDArray[np.float32]:
    """Amplitude of the noise in each bin `(n // 2 + 1,)` of an `n`-sample transform, unscaled."""
    hertz = fft.rfftfreq(n, 1 / rate).astype(np.float32)
    octaves = np.log2(np.maximum(hertz, 60.0) / np.float32(_REFERENCE_HZ))
    power = np.exp2(octaves * np.float32(place.slope_db / 3.0103))
    for centre, width, level in place.insects:
        middle = math.log2(centre / _REFERENCE_HZ)
        away = (octaves - np.float32(middle)) * np.float32(1 / width)
        peak = 2.0 ** (middle * place.slope_db / 3.0103) * 10 ** (level / 10)
        power += np.float32(peak) * np.exp(np.float32(-0.5) * away * away)
    # Recorders have a high-pass against wind.
    power *= (hertz / (hertz + 150.0)) ** 2
    shape: npt.NDArray[np.float32] = np.sqrt(power)
    return shape


def noise_spectrum(
    shape: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.complex64]:
    """Noise of that amplitude, as a spectrum; Gaussian in time, being a sum of many phases."""
    angle = np.float32(2 * np.pi) * rng.random(shape.size, dtype=np.float32)
    spectrum = np.empty(shape.size, dtype=np.complex64)
    spectrum.real = np.cos(angle) * shape
    spectrum.imag = np.sin(angle) * shape
    return spectrum


def transfer(
    place: Place, n: int, rate: int, rng: np.random.Generator
) -> npt.NDArray[np.complex64]:
    """Frequency response `(n // 2 + 1,)` from the bird to the recording: echo and tilt."""
    tail = min(n // 2, round(0.7 * place.reverb_s * rate))
    decay = np.exp(
        np.float32(-6.9078 / (place.reverb_s * rate)) * np.arange(tail, dtype=np.float32)
    )
    response = np.zeros(n, dtype=np.float32)
    delay = round(0.004 * rate)
    echo = decay * rng.standard_normal(tail, dtype=np.float32)
    response[delay : delay + tail] = echo[: n - delay] * np.float32(
        np.sqrt(place.wet / (float(np.sum(decay * decay)) + 1e-9))
    )
    response[0] = 1.0
    hertz = fft.rfftfreq(n, 1 / rate).astype(np.float32)
    octaves = np.log2(np.maximum(hertz, np.float32(_REFERENCE_HZ)) / np.float32(_REFERENCE_HZ))
    tilt = np.exp2(octaves * np.float32(place.tilt_db / 6.0206))
    spectrum: npt.NDArray[np.complex64] = fft.rfft(response) * tilt
    return spectrum


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

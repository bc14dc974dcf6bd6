"""The acoustics of a recording: noise, distance, echo, gain; and wind, rain, hum, overload."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

__all__ = [
    "Acoustics",
    "Disturbances",
    "add_disturbances",
    "draw_acoustics",
    "draw_disturbances",
    "noise_shape",
    "noise_spectrum",
    "transfer",
]

Samples = npt.NDArray[np.float32]

_REFERENCE_HZ = 1000.0


@dataclass(frozen=True)
class Acoustics:
    """Noise, distance and echo of a recording.

    Attributes:
        slope_db: change of the noise level per octave: 0 white, -3 pink, -6 brown.
        insects: steady choruses: (centre in Hz, width in octaves, dB above the noise).
        snr_db: level of the song above the noise in the song's frequency band.
        reverb_s: time in which the echo decays by 60 dB.
        echo: energy of the echo relative to the direct sound.
        tilt_db: change of level per octave above 1 kHz, by distance and microphone.
        level: RMS of the loudest parts; full scale is 1.
    """

    slope_db: float
    insects: tuple[tuple[float, float, float], ...]
    snr_db: float
    reverb_s: float
    echo: float
    tilt_db: float
    level: float


def draw_acoustics(rng: np.random.Generator) -> Acoustics:
    """Return random acoustics."""
    insects = tuple(
        (rng.uniform(3500, 10_000), rng.uniform(0.03, 0.15), rng.uniform(6, 20))
        for _ in range(int(rng.choice([0, 0, 1, 2])))
    )
    snr_db = rng.uniform(3, 25)
    # Distant birds are mostly faint, reverberant and weak in high frequencies.
    distance = float(np.clip((25 - snr_db) / 22 + rng.normal(0, 0.25), 0, 1))
    return Acoustics(
        slope_db=float(rng.choice([0.0, -3.0, -3.0, -4.5, -6.0])) + rng.uniform(-1, 1),
        insects=insects,
        snr_db=float(snr_db),
        reverb_s=rng.uniform(0.15, 0.9),
        echo=float(10 ** (rng.uniform(-2.2, -0.9) + 0.5 * distance)),
        tilt_db=float(rng.uniform(-2.0, 1.5) - 1.5 * distance),
        level=float(10 ** rng.uniform(-2.0, -0.8)),
    )


def noise_shape(acoustics: Acoustics, n: int, rate: int) -> Samples:
    """Return the amplitude of the noise in each bin `(n // 2 + 1,)` of an `n`-sample transform."""
    hertz = fft.rfftfreq(n, 1 / rate).astype(np.float32)
    octaves = np.log2(np.maximum(hertz, 60.0) / np.float32(_REFERENCE_HZ))
    power = np.exp2(octaves * np.float32(acoustics.slope_db / 3.0103))
    for centre, width, level in acoustics.insects:
        middle = math.log2(centre / _REFERENCE_HZ)
        distance = (octaves - np.float32(middle)) * np.float32(1 / width)
        peak = 2.0 ** (middle * acoustics.slope_db / 3.0103) * 10 ** (level / 10)
        power += np.float32(peak) * np.exp(np.float32(-0.5) * distance * distance)
    # Recorders have a high-pass filter against wind.
    power *= (hertz / (hertz + 150.0)) ** 2
    shape: Samples = np.sqrt(power)
    return shape


def noise_spectrum(shape: Samples, rng: np.random.Generator) -> npt.NDArray[np.complex64]:
    """Return a spectrum of that amplitude with random phases, which is Gaussian noise in time."""
    angle = np.float32(2 * np.pi) * rng.random(shape.size, dtype=np.float32)
    spectrum = np.empty(shape.size, dtype=np.complex64)
    spectrum.real = np.cos(angle) * shape
    spectrum.imag = np.sin(angle) * shape
    return spectrum


def transfer(
    acoustics: Acoustics, n: int, rate: int, rng: np.random.Generator
) -> npt.NDArray[np.complex64]:
    """Return the frequency response `(n // 2 + 1,)` from bird to recording: echo and tilt."""
    tail = min(n // 2, round(0.7 * acoustics.reverb_s * rate))
    decay = np.exp(
        np.float32(-6.9078 / (acoustics.reverb_s * rate)) * np.arange(tail, dtype=np.float32)
    )
    response = np.zeros(n, dtype=np.float32)
    delay = round(0.004 * rate)
    tail_wave = decay * rng.standard_normal(tail, dtype=np.float32)
    response[delay : delay + tail] = tail_wave[: n - delay] * np.float32(
        np.sqrt(acoustics.echo / (float(np.sum(decay * decay)) + 1e-9))
    )
    response[0] = 1.0
    hertz = fft.rfftfreq(n, 1 / rate).astype(np.float32)
    octaves = np.log2(np.maximum(hertz, np.float32(_REFERENCE_HZ)) / np.float32(_REFERENCE_HZ))
    tilt = np.exp2(octaves * np.float32(acoustics.tilt_db / 6.0206))
    spectrum: npt.NDArray[np.complex64] = fft.rfft(response) * tilt
    return spectrum


@dataclass(frozen=True)
class Disturbances:
    """Strengths of disturbances; 0 for none.

    Attributes:
        wind: RMS of the gusts, relative to the loudest parts of the recording.
        rain: drops per second.
        hum: amplitude of the mains hum, relative to the same parts.
        mains_hz: frequency of the mains, 50 or 60.
        overload: peak of the recording before clipping; full scale is 1.
    """

    wind: float = 0.0
    rain: float = 0.0
    hum: float = 0.0
    mains_hz: float = 50.0
    overload: float = 0.0


def draw_disturbances(rng: np.random.Generator) -> Disturbances:
    """Return random disturbances: in most draws one or none."""

    def sometimes(probability: float, value: float) -> float:
        return value if rng.random() < probability else 0.0

    return Disturbances(
        wind=sometimes(0.25, float(10 ** rng.uniform(-1.5, 0.3))),
        rain=sometimes(0.12, float(10 ** rng.uniform(0.3, 1.8))),
        hum=sometimes(0.1, float(10 ** rng.uniform(-2.0, -0.7))),
        mains_hz=float(rng.choice([50.0, 60.0])),
        overload=sometimes(0.1, float(rng.uniform(1.2, 4.0))),
    )


def add_disturbances(
    wave: Samples, rate: int, disturbances: Disturbances, rng: np.random.Generator
) -> Samples:
    """Return a recording `(n,)` with disturbances; overload clips it at full scale."""
    loudest = np.float32(np.sqrt(np.max(_smoothed(np.square(wave), rate)) + 1e-12))
    out = wave.copy()
    if disturbances.wind:
        out += np.float32(disturbances.wind) * loudest * _wind(wave.size, rate, rng)
    if disturbances.rain:
        out += 3 * loudest * _rain(wave.size, rate, disturbances.rain, rng)
    if disturbances.hum:
        time = np.arange(wave.size, dtype=np.float32) / np.float32(rate)
        for partial in (1, 2, 3, 5, 7, 11):
            tone = np.sin(np.float32(2 * np.pi * partial * disturbances.mains_hz) * time)
            out += np.float32(disturbances.hum / partial) * loudest * tone
    if disturbances.overload:
        out *= np.float32(disturbances.overload) / max(np.abs(out).max(), np.float32(1e-9))
    return np.clip(out, -1.0, 1.0)


def _smoothed(power: Samples, rate: int) -> Samples:
    block = max(1, rate // 50)
    whole = power[: power.size // block * block] if power.size >= block else power
    mean: Samples = whole.reshape(-1, min(block, whole.size)).mean(axis=1)
    return mean


def _wind(n: int, rate: int, rng: np.random.Generator) -> Samples:
    """Return noise of RMS 1 in gusts of about a second, which decays steeply above 100 Hz."""
    hertz = fft.rfftfreq(n, 1 / rate).astype(np.float32)
    shape = 1 / (1 + (hertz / 100.0) ** 1.6)
    angle = np.float32(2 * np.pi) * rng.random(shape.size, dtype=np.float32)
    wave: Samples = fft.irfft(shape * np.exp(1j * angle), n).astype(np.float32)
    knots = max(2, round(n / rate * 1.5))
    gusts = np.interp(np.linspace(0, knots - 1, n), np.arange(knots), rng.standard_normal(knots))
    wave *= np.exp(1.2 * gusts).astype(np.float32)
    return wave / np.float32(np.sqrt(np.mean(np.square(wave))) + 1e-12)


def _rain(n: int, rate: int, drops: float, rng: np.random.Generator) -> Samples:
    """Return short bursts of noise of random strength: drops on the housing."""
    out = np.zeros(n, dtype=np.float32)
    length = round(0.012 * rate)
    decay = np.exp(-np.arange(length, dtype=np.float32) / np.float32(0.002 * rate))
    for _ in range(int(rng.poisson(drops * n / rate))):
        start = int(rng.integers(n))
        size = min(length, n - start)
        burst = decay * rng.standard_normal(length, dtype=np.float32)
        out[start : start + size] += np.float32(rng.exponential(0.4)) * burst[:size]
    return out

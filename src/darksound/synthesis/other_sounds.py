"""Sounds of a recording that are no bird's: weather, water, insects, frogs, people, machines."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.synthesis.recordings import RATE
from darksound.synthesis.syllables import Syllable, render_syllable
from darksound.synthesis.textures import (
    Drawn,
    Grains,
    Mixture,
    Modulated,
    Noise,
    Samples,
    Schedule,
    Texture,
    Times,
    Tones,
    band_shape,
    noise_table,
    scaled,
)
from darksound.synthesis.wild_syllables import log_uniform

__all__ = ["OTHER_SOUNDS", "OtherSound", "draw_other_sound"]


@dataclass(frozen=True)
class OtherSound:
    """A sound that is no bird's.

    Attributes:
        kind: name in `OTHER_SOUNDS`.
        texture: the sound, with an RMS of 1.
        low_hz: lowest frequency of most of its power.
        high_hz: highest frequency of most of its power.
        duration_s: usual duration; inf for sounds that last.
    """

    kind: str
    texture: Texture
    low_hz: float
    high_hz: float
    duration_s: float


Draw = Callable[[np.random.Generator], OtherSound]


def draw_other_sound(kind: str, rng: np.random.Generator) -> OtherSound:
    """Return a random sound of a kind in `OTHER_SOUNDS`."""
    return OTHER_SOUNDS[kind](rng)


def _key(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _noise(
    rng: np.random.Generator, low: float, high: float, slope: float = 0.0, edge: float = 24.0
) -> Noise:
    table = noise_table(lambda n: band_shape(n, low, high, slope, edge), rng)
    return Noise(table, _key(rng))


def _regular(
    period_s: float, jitter: float, n_waves: int, spread_db: float = 1.0, presence: float = 1.0
) -> Schedule:
    """Return a schedule of one grain a period, with jitter, levels, and omitted grains."""

    def schedule(start_s: float, end_s: float, rng: np.random.Generator) -> Drawn:
        beats = np.arange(np.ceil(start_s / period_s), np.ceil(end_s / period_s))
        beats = beats[rng.random(beats.size) < presence]
        times = period_s * (beats + jitter * rng.uniform(-0.5, 0.5, beats.size))
        gains = 10 ** (spread_db * rng.standard_normal(beats.size) / 20)
        return np.maximum(times, 0), gains, rng.integers(0, n_waves, beats.size)

    return schedule


def _random(per_s: float, n_waves: int, spread_db: float) -> Schedule:
    """Return a schedule of grains at random times."""

    def schedule(start_s: float, end_s: float, rng: np.random.Generator) -> Drawn:
        count = int(rng.poisson(per_s * (end_s - start_s)))
        gains = 10 ** (spread_db * rng.standard_normal(count) / 20)
        return rng.uniform(start_s, end_s, count), gains, rng.integers(0, n_waves, count)

    return schedule


def _random_grains(
    draw: Callable[[np.random.Generator], Samples],
    count: int,
    per_s: tuple[float, float],
    spread_db: float,
    rng: np.random.Generator,
) -> Grains:
    """Return `count` drawn grains at random times, with a random rate between two `per_s`."""
    waves = tuple(draw(rng) for _ in range(count))
    return Grains(waves, _random(log_uniform(rng, *per_s), count, spread_db), _key(rng))


def _wind(rng: np.random.Generator) -> OtherSound:
    corner = log_uniform(rng, 60, 250)
    knots = rng.standard_normal(512)
    rate = log_uniform(rng, 0.6, 3.0)

    def gusts(time: Times) -> npt.NDArray[np.floating]:
        return np.asarray(np.exp(0.6 * np.interp(time * rate % 511, np.arange(512), knots)))

    noise = Modulated(_noise(rng, 20, corner, 0.0, rng.uniform(8, 14)), gusts)
    return OtherSound("wind", scaled(noise, 10), 20, 3 * corner, log_uniform(rng, 1.0, 25))


def _drop(rng: np.random.Generator) -> Samples:
    """Return a raindrop on a leaf or the housing: a click, often with a resonance."""
    n = round(0.03 * RATE)
    time = np.arange(n) / RATE
    click = np.exp(-time / log_uniform(rng, 0.0005, 0.004)) * rng.standard_normal(n)
    if rng.random() < 0.5:
        ring = np.exp(-time / log_uniform(rng, 0.003, 0.008))
        click += (
            rng.uniform(0.3, 1.5) * ring * np.sin(2 * np.pi * log_uniform(rng, 300, 4000) * time)
        )
    drop: Samples = click.astype(np.float32)
    return drop


def _rain(rng: np.random.Generator) -> OtherSound:
    low, high = log_uniform(rng, 300, 1500), log_uniform(rng, 4000, 14_000)
    drops = scaled(_random_grains(_drop, 32, (4, 120), 5.0, rng), 10)
    noise = _noise(rng, low, high, rng.uniform(-3, 1), 9.0)
    texture = Mixture(((1.0, noise), (10 ** (rng.uniform(-6, 8) / 20), drops)))
    return OtherSound("rain", scaled(texture, 10), low, high, float("inf"))


def _raindrop(rng: np.random.Generator) -> OtherSound:
    """Return single drops, as after rain."""
    drops = _random_grains(_drop, 8, (1.5, 8), 4.0, rng)
    return OtherSound("raindrops", scaled(drops, 20), 300, 8000, log_uniform(rng, 3, 12))


def _bubble(rng: np.random.Generator) -> Samples:
    n = round(log_uniform(rng, 0.01, 0.06) * RATE)
    time = np.arange(n) / RATE
    hertz = log_uniform(rng, 350, 2500)
    tone = np.sin(2 * np.pi * hertz * (time + rng.uniform(0, 4) * time**2))
    bubble: Samples = (tone * np.sin(np.pi * np.arange(n) / n) ** 2).astype(np.float32)
    return bubble


def _river(rng: np.random.Generator) -> OtherSound:
    low, high = log_uniform(rng, 100, 500), log_uniform(rng, 1500, 6000)
    bubbles = scaled(_random_grains(_bubble, 48, (5, 80), 4.0, rng), 10)
    noise = _noise(rng, low, high, rng.uniform(-4, -1), 8.0)
    texture = Mixture(((1.0, noise), (10 ** (rng.uniform(-12, 0) / 20), bubbles)))
    return OtherSound("river", scaled(texture, 10), low, high, float("inf"))


def _pulse_train(
    hertz: float, pulse_hz: float, pulses: int, width_hz: float, rng: np.random.Generator
) -> Samples:
    """Return pulses of an insect's tone in a row, one chirp; `width_hz` of random phase."""
    n = round(pulses / pulse_hz * RATE)
    time = np.arange(n) / RATE
    phase = (time * pulse_hz) % 1.0
    duty = rng.uniform(0.35, 0.7)
    pulse = np.where(phase < duty, np.sin(np.pi * np.minimum(phase / duty, 1)) ** 1.5, 0)
    swell = np.minimum(1, 0.4 + 0.6 * np.arange(n) / max(1, 0.4 * n))
    # The width of a tone whose phase is a random walk is rate * (step in rad)^2 / (2 pi).
    phase_step = np.sqrt(2 * np.pi * width_hz / RATE)
    walk = np.cumsum(phase_step * rng.standard_normal(n))
    tone = np.sin(2 * np.pi * hertz * time * (1 - 0.02 * time) + walk)
    chirp: Samples = (pulse * swell * tone).astype(np.float32)
    return chirp


def _cricket(rng: np.random.Generator) -> OtherSound:
    """Return an insect that chirps one to four times a second."""
    hertz = log_uniform(rng, 2500, 9000)
    period = 1 / log_uniform(rng, 1.0, 4.0)
    pulse_hz = log_uniform(rng, 15, 60)
    pulses = int(np.clip(round(rng.uniform(0.25, 0.6) * period * pulse_hz), 2, 16))
    width_hz = float(rng.choice([0.0, 0.0, log_uniform(rng, 20, 400)]))
    chirps = tuple(_pulse_train(hertz, pulse_hz, pulses, width_hz, rng) for _ in range(6))
    texture = Grains(chirps, _regular(period, rng.uniform(0.0, 0.12), 6), _key(rng))
    return OtherSound("cricket", scaled(texture, 10), hertz - 150, hertz + 150, float("inf"))


def _insect(rng: np.random.Generator) -> OtherSound:
    """Return an insect that never stops, with pulses too fast to be chirps."""
    hertz = log_uniform(rng, 2500, 9000)
    octaves = log_uniform(rng, 0.01, 0.25)
    low, high = hertz * 2**-octaves, hertz * 2**octaves
    pulse_hz, depth = log_uniform(rng, 15, 150), rng.uniform(0, 1)
    slow_s, slow = log_uniform(rng, 1.5, 20), float(rng.choice([0.0, rng.uniform(0, 0.5)]))

    def curve(time: Times) -> npt.NDArray[np.floating]:
        fast = 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * pulse_hz * time))
        return np.asarray(fast * (1 - slow * (0.5 + 0.5 * np.cos(2 * np.pi * time / slow_s))))

    texture = Modulated(_noise(rng, low, high, 0.0, 60.0), curve)
    return OtherSound("insect", scaled(texture, 10), low, high, float("inf"))


def _frog_calls(rng: np.random.Generator, hertz: float) -> tuple[Samples, ...]:
    """Return calls of one frog: croak, peep, or pulsed trill."""
    kind = int(rng.integers(3))
    if kind == 0:
        n_partials = int(rng.integers(4, 12))
        number = np.arange(1, n_partials + 1)
        amplitude = np.exp(-0.5 * ((number - rng.uniform(2, n_partials)) / 1.5) ** 2) + 0.03
        syllable = Syllable(
            "frog", log_uniform(rng, 0.06, 0.5), pitch=-float(np.log2(n_partials / 2)),
            partials=tuple(float(a) for a in amplitude), roughness=rng.uniform(0, 0.03),
            pulse_hz=log_uniform(rng, 20, 90), pulse=rng.uniform(0.2, 0.5),
        )  # fmt: skip
    elif kind == 1:
        bend = rng.uniform(-0.05, 0.15)
        syllable = Syllable("frog", log_uniform(rng, 0.04, 0.25), knots=(0.0, bend))
    else:
        syllable = Syllable(
            "frog", log_uniform(rng, 0.15, 1.2), knots=(0.0, rng.uniform(-0.05, 0.1)),
            pulse_hz=log_uniform(rng, 12, 60), pulse=rng.uniform(0.12, 0.4),
            partials=(1.0, rng.uniform(0, 0.3)),
        )  # fmt: skip
    return tuple(
        render_syllable(syllable, hertz * 2 ** rng.normal(0, 0.02), RATE, rng) for _ in range(4)
    )


def _frog_texture(rng: np.random.Generator, hertz: float) -> Texture:
    calls = _frog_calls(rng, hertz)
    longest_s = max(call.size for call in calls) / RATE
    period = longest_s + log_uniform(rng, 0.1, 2.0)
    schedule = _regular(period, rng.uniform(0.05, 0.5), 4, 2.0, rng.uniform(0.5, 1.0))
    return Grains(calls, schedule, _key(rng))


def _frog(rng: np.random.Generator) -> OtherSound:
    hertz = log_uniform(rng, 500, 3000)
    texture = scaled(_frog_texture(rng, hertz), 20)
    return OtherSound("frog", texture, hertz / 1.5, hertz * 1.5, log_uniform(rng, 3, 60))


def _frog_chorus(rng: np.random.Generator) -> OtherSound:
    """Return many frogs of one kind of voice, at several distances."""
    hertz = log_uniform(rng, 600, 2800)
    frogs = []
    for _ in range(int(rng.integers(5, 14))):
        voice = _frog_texture(rng, hertz * 2 ** rng.normal(0, 0.12))
        frogs.append((10 ** (rng.uniform(-15, 0) / 20), scaled(voice, 10)))
    texture = scaled(Mixture(tuple(frogs)), 10)
    return OtherSound("frog_chorus", texture, hertz / 1.5, hertz * 1.5, float("inf"))


def _handling(rng: np.random.Generator) -> OtherSound:
    """Return knocks on the recorder, or a rustle."""
    waves = []
    for _ in range(6):
        n = round(log_uniform(rng, 0.03, 0.6) * RATE)
        time = np.arange(n) / RATE
        table = noise_table(
            lambda size: band_shape(size, 30, log_uniform(rng, 200, 8000), -3.0, 9.0), rng, 1 << 16
        )
        envelope = np.exp(-time / log_uniform(rng, 0.006, 0.15)) * np.minimum(1, time / 0.002)
        thump = np.sin(2 * np.pi * log_uniform(rng, 40, 300) * time)
        waves.append((envelope * (table[:n] + rng.uniform(0, 2) * thump)).astype(np.float32))
    texture = Grains(tuple(waves), _regular(log_uniform(rng, 0.12, 0.5), 0.8, 6, 5.0), _key(rng))
    return OtherSound("handling", scaled(texture, 20), 40, 3000, log_uniform(rng, 0.8, 4))


def _engine(rng: np.random.Generator) -> OtherSound:
    """Return a car, motorcycle, boat or aeroplane: partials that drift, and noise."""
    firing = log_uniform(rng, 18, 120)
    count = int(rng.integers(5, 25))
    slope = rng.uniform(0.4, 1.5)
    partials = tuple(
        (firing * k, float(k**-slope * rng.uniform(0.3, 1.5))) for k in range(1, count + 1)
    )
    tones = Tones(partials, rng.uniform(0, 0.15), log_uniform(rng, 10, 60))
    high = log_uniform(rng, 300, 3000)
    noise = _noise(rng, 40, high, -3.0, 9.0)
    texture = Mixture(((1.0, scaled(tones, 5)), (10 ** (rng.uniform(-12, 6) / 20), noise)))
    return OtherSound("engine", scaled(texture, 10), firing, high, log_uniform(rng, 5, 60))


def _speech(rng: np.random.Generator) -> OtherSound:
    """Return syllables like those of speech: a voice or hiss, shaped by formants."""
    pitch = log_uniform(rng, 85, 260)
    syllables = []
    for _ in range(16):
        formants = (rng.uniform(250, 850), rng.uniform(850, 2400), rng.uniform(2300, 3200))
        hertz = pitch * np.arange(1, int(3800 / pitch))
        shape = sum(
            10 ** (-6 * k / 20) * np.exp(-0.5 * ((hertz - f) / rng.uniform(60, 150)) ** 2)
            for k, f in enumerate(formants)
        )
        voiced = Syllable(
            "speech", rng.uniform(0.08, 0.28), knots=tuple(rng.normal(0, 0.08, 3)),
            partials=tuple(float(a) for a in np.asarray(shape) + 0.01),
        )  # fmt: skip
        wave = render_syllable(voiced, pitch, RATE, rng)
        if rng.random() < 0.4:
            n = round(rng.uniform(0.05, 0.15) * RATE)
            hiss = noise_table(lambda m: band_shape(m, 2500, 8000, 0, 12), rng, 1 << 13)[:n]
            hiss = hiss * np.hanning(hiss.size).astype(np.float32) * np.float32(0.4)
            wave = np.concatenate([hiss, wave])
        syllables.append(wave)
    rate_hz = rng.uniform(3.0, 5.5)
    texture = Grains(
        tuple(syllables), _regular(1 / rate_hz, 0.3, 16, 3.0, rng.uniform(0.7, 0.95)), _key(rng)
    )
    return OtherSound("speech", scaled(texture, 10), pitch, 3500, log_uniform(rng, 1, 8))


def _mains(rng: np.random.Generator) -> OtherSound:
    base = float(rng.choice([50.0, 60.0]))
    partials = tuple(
        (base * k, float(rng.uniform(0.2, 1.0) / k**0.7)) for k in (1, 2, 3, 4, 5, 6, 7, 9, 11, 13)
    )
    return OtherSound("mains", scaled(Tones(partials), 5), base, 7 * base, float("inf"))


#: Kinds of sounds that are no bird's; each function draws one.
OTHER_SOUNDS: dict[str, Draw] = {
    "wind": _wind,
    "rain": _rain,
    "raindrops": _raindrop,
    "river": _river,
    "cricket": _cricket,
    "insect": _insect,
    "frog": _frog,
    "frog_chorus": _frog_chorus,
    "handling": _handling,
    "engine": _engine,
    "speech": _speech,
    "mains": _mains,
}

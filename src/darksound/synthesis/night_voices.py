"""Voices of the night: hoots, whistles, toots, wails, cackles and churrs below 3 kHz."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from darksound.synthesis.recordings import RATE
from darksound.synthesis.song_types import SongSection, SongType
from darksound.synthesis.syllables import Syllable, render_syllable
from darksound.synthesis.textures import Drawn, Grains, Samples, Texture, Times, scaled
from darksound.synthesis.wild_syllables import log_uniform

__all__ = [
    "NIGHT_VOICES",
    "Churr",
    "NightVoice",
    "churr_texture",
    "draw_churr",
    "draw_night_voice",
]


@dataclass(frozen=True)
class NightVoice:
    """A species' song and the times between songs.

    Attributes:
        song: the song type; None for a churr, which is drawn by `draw_churr`.
        pause_s: usual time between two songs of an individual.
        churr: the churr of a nightjar, else None.
    """

    song: SongType | None
    pause_s: float
    churr: "Churr | None" = None


@dataclass(frozen=True)
class Churr:
    """A churr: pulses of a tone without a pause, for up to minutes.

    Attributes:
        hertz: pitch of the tone.
        pulse_hz: pulses a second.
        bend: change of pitch within a pulse in octaves.
        alternate: factor on pitch and rate in every second phase; 1 for none.
        phase_s: usual length of a phase.
        duration_s: usual shortest and longest length of a churr.
    """

    hertz: float
    pulse_hz: float
    bend: float
    alternate: float
    phase_s: float
    duration_s: tuple[float, float]


def _song(
    centre: float,
    syllables: tuple[Syllable, ...],
    sections: tuple[SongSection, ...],
    pause_s: float,
) -> NightVoice:
    return NightVoice(SongType("night", centre, syllables, sections), pause_s)


def _tone(
    duration_s: float, bend: float, rng: np.random.Generator, partials: tuple[float, ...] = (1.0,)
) -> Syllable:
    knots = tuple(float(k) for k in bend * rng.uniform(-1, 1, 3))
    return Syllable("tone", duration_s, knots=knots, partials=partials)


def _overtones(rng: np.random.Generator) -> tuple[float, ...]:
    number = np.arange(1, int(rng.integers(1, 5)) + 1)
    return tuple(float(a) for a in number ** -rng.uniform(1.5, 4.0))


def _owl(rng: np.random.Generator) -> NightVoice:
    """Return a series of hoots with the species' rhythm."""
    lengths = log_uniform(rng, 0.08, 0.35), log_uniform(rng, 0.15, 0.8)
    hoots = tuple(_tone(length, 0.12, rng, _overtones(rng)) for length in lengths)
    gaps = log_uniform(rng, 0.08, 0.5), log_uniform(rng, 0.15, 0.9)
    short = SongSection(
        (0,), (1, int(rng.integers(1, 9))), gaps[0], gap_factor=rng.uniform(0.9, 1.05)
    )
    long = SongSection((1,), (1, int(rng.integers(1, 4))), gaps[1])
    sections = [(short,), (long,), (short, long), (long, short), (short, long, short)]
    chosen = sections[int(rng.integers(len(sections)))]
    return _song(log_uniform(rng, 200, 600), hoots, chosen, log_uniform(rng, 3, 15))


def _tinamou(rng: np.random.Generator) -> NightVoice:
    """Return long, pure whistles, single or in a slow series that rises or falls."""
    count = int(rng.integers(1, 4))
    whistles = tuple(_tone(log_uniform(rng, 0.25, 1.5), 0.08, rng) for _ in range(count))
    if rng.random() < 0.4:
        whistles = tuple(
            replace(each, warble_hz=log_uniform(rng, 8, 25), warble=log_uniform(rng, 0.01, 0.06))
            for each in whistles
        )
    repeats = int(rng.integers(1, 4))
    step = float(rng.choice([0.0, rng.normal(0, 0.06)]))
    section = SongSection(
        tuple(range(count)), (repeats, repeats + int(rng.integers(0, 3))),
        log_uniform(rng, 0.1, 0.8), pitch_step=step,
    )  # fmt: skip
    return _song(log_uniform(rng, 500, 2000), whistles, (section,), log_uniform(rng, 5, 30))


def _toots(rng: np.random.Generator) -> NightVoice:
    """Return the toots of a small owl: one every third of a second to every three seconds."""
    toot = _tone(log_uniform(rng, 0.08, 0.3), 0.06, rng)
    period = log_uniform(rng, 0.3, 3.0)
    if period > 2.0:
        return _song(
            log_uniform(rng, 700, 1700), (toot,), (SongSection((0,), (1, 1), 0.1),), period
        )
    repeats = max(3, int(log_uniform(rng, 3, 20) / period))
    section = SongSection((0,), (max(2, repeats // 2), repeats), period - toot.duration_s)
    return _song(log_uniform(rng, 700, 1700), (toot,), (section,), log_uniform(rng, 4, 20))


def _wail(rng: np.random.Generator) -> NightVoice:
    """Return the descending or rising notes of a potoo or a kiwi."""
    note = replace(
        _tone(log_uniform(rng, 0.3, 1.2), 0.0, rng, _overtones(rng)),
        knots=(0.0, rng.uniform(-0.2, 0.3), rng.uniform(-0.4, 0.3)),
    )
    section = SongSection(
        (0,), (4, int(rng.integers(5, 18))), log_uniform(rng, 0.1, 0.7),
        pitch_step=float(rng.choice([0.0, rng.normal(0, 0.05)])),
    )  # fmt: skip
    return _song(log_uniform(rng, 500, 2200), (note,), (section,), log_uniform(rng, 10, 40))


def _whip(rng: np.random.Generator) -> NightVoice:
    """Return a nightjar's song of two to four notes, repeated about once a second."""
    notes = tuple(
        Syllable(
            "whip", log_uniform(rng, 0.06, 0.3),
            knots=tuple(float(k) for k in rng.uniform(-0.5, 0.5, 3)), partials=_overtones(rng),
        )
        for _ in range(int(rng.integers(2, 5)))
    )  # fmt: skip
    section = SongSection(
        tuple(range(len(notes))), (1, int(rng.integers(2, 16))), log_uniform(rng, 0.02, 0.1),
        log_uniform(rng, 0.15, 0.8),
    )  # fmt: skip
    return _song(log_uniform(rng, 800, 2500), notes, (section,), log_uniform(rng, 2, 20))


def _cackle(rng: np.random.Generator) -> NightVoice:
    """Return the harsh, rhythmic notes of guans and chachalacas."""
    number = np.arange(1, int(rng.integers(4, 9)) + 1)
    amplitude = np.exp(-0.5 * ((number - rng.uniform(1.5, 4)) / 1.5) ** 2) + 0.05
    notes = tuple(
        Syllable(
            "cackle", log_uniform(rng, 0.08, 0.45),
            knots=tuple(float(k) for k in rng.uniform(-0.15, 0.15, 3)),
            pitch=float(rng.normal(0, 0.15)), partials=tuple(float(a) for a in amplitude),
            roughness=log_uniform(rng, 0.005, 0.08), beat_hz=log_uniform(rng, 20, 70),
            beat=float(rng.choice([0.0, rng.uniform(0.2, 0.8)])),
        )
        for _ in range(int(rng.integers(1, 4)))
    )  # fmt: skip
    section = SongSection(
        tuple(range(len(notes))), (2, int(rng.integers(3, 14))), log_uniform(rng, 0.05, 0.3),
        log_uniform(rng, 0.05, 0.3),
    )  # fmt: skip
    return _song(log_uniform(rng, 250, 700), notes, (section,), log_uniform(rng, 3, 20))


def _crake(rng: np.random.Generator) -> NightVoice:
    """Return a rattle or trill of some seconds, as of crakes and screech owls."""
    knots = tuple(float(k) for k in rng.uniform(-0.12, 0.12, 3))
    trill = Syllable(
        "trill", log_uniform(rng, 0.5, 3.0), knots=knots,
        pulse_hz=log_uniform(rng, 9, 30), pulse=rng.uniform(0.2, 0.5), partials=_overtones(rng),
    )  # fmt: skip
    section = SongSection((0,), (1, int(rng.integers(1, 4))), log_uniform(rng, 0.2, 0.8))
    return _song(log_uniform(rng, 450, 2500), (trill,), (section,), log_uniform(rng, 4, 20))


def _nightjar(rng: np.random.Generator) -> NightVoice:
    return NightVoice(None, log_uniform(rng, 10, 60), draw_churr(rng))


def draw_churr(rng: np.random.Generator) -> Churr:
    """Return a random churr of one to four minutes."""
    return Churr(
        hertz=log_uniform(rng, 1000, 2500),
        pulse_hz=log_uniform(rng, 15, 40),
        bend=rng.uniform(-0.15, 0.15),
        alternate=float(rng.choice([1.0, rng.uniform(0.85, 0.97), rng.uniform(1.03, 1.15)])),
        phase_s=log_uniform(rng, 2, 20),
        duration_s=(60.0, 240.0),
    )


def churr_texture(
    churr: Churr,
    rng: np.random.Generator,
    distant: Callable[[Samples], Samples] = lambda pulse: pulse,
) -> Texture:
    """Return the churr as a texture with an RMS of 1.

    Args:
        churr: the churr.
        rng: draws small differences between pulses.
        distant: returns a pulse as it arrives at the recorder.
    """
    pulse_s = rng.uniform(0.5, 0.85) / churr.pulse_hz
    waves: list[Samples] = []
    for factor in (1.0, churr.alternate):
        for _ in range(4):
            pulse = Syllable("pulse", pulse_s, knots=(0.0, churr.bend))
            hertz = churr.hertz * factor * 2 ** rng.normal(0, 0.004)
            waves.append(distant(render_syllable(pulse, hertz, RATE, rng)))
    offset = rng.uniform(0, 10)

    def schedule(start_s: float, end_s: float, draw: np.random.Generator) -> Drawn:
        period = 1 / churr.pulse_hz
        beats = np.arange(np.ceil(start_s / period), np.ceil(end_s / period))
        times: Times = period * beats.astype(np.float64)
        second = ((times + offset) // churr.phase_s % 2).astype(np.int64)
        gains = 10 ** (1.0 * draw.standard_normal(times.size) / 20)
        return times, gains, 4 * second + draw.integers(0, 4, times.size)

    return scaled(Grains(tuple(waves), schedule, int(rng.integers(2**31))), 10)


#: Kinds of voices; each function draws a species' voice.
NIGHT_VOICES: dict[str, Callable[[np.random.Generator], NightVoice]] = {
    "owl": _owl,
    "tinamou": _tinamou,
    "nightjar": _nightjar,
    "toots": _toots,
    "wail": _wail,
    "whip": _whip,
    "cackle": _cackle,
    "crake": _crake,
}


def draw_night_voice(kind: str, rng: np.random.Generator) -> NightVoice:
    """Return a random species' voice of a kind in `NIGHT_VOICES`."""
    return NIGHT_VOICES[kind](rng)

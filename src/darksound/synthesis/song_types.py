"""Song types of the demo's species, individuals of any species, and single songs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from darksound.synthesis.syllables import (
    KINDS,
    Syllable,
    draw_syllable,
    pitch_range,
    render_syllable,
)

__all__ = [
    "FORMS",
    "LONGEST_SONG_S",
    "Note",
    "Performance",
    "SongSection",
    "SongType",
    "draw_individual",
    "draw_song_type",
    "perform",
    "render_performance",
    "song_band",
]

# Range of the songs' centres in Hz; a song covers about an octave around its centre.
_MIN_CENTRE_HZ, _MAX_CENTRE_HZ = 1900.0, 5600.0
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class SongSection:
    """A phrase that is repeated.

    Attributes:
        phrase: indices of the song type's syllables, in order.
        repeats: minimum and maximum number of repeats.
        gap_s: silence after each syllable.
        rest_s: additional silence after each phrase.
        gap_factor: factor on both from one phrase to the next; below 1 the song accelerates.
        pitch_step: change of pitch in octaves from one phrase to the next.
        level_step_db: change of level in dB from one phrase to the next.
    """

    phrase: tuple[int, ...]
    repeats: tuple[int, int]
    gap_s: float
    rest_s: float = 0.0
    gap_factor: float = 1.0
    pitch_step: float = 0.0
    level_step_db: float = 0.0


@dataclass(frozen=True)
class SongType:
    """A song that birds of a species sing, with small differences between individuals.

    Attributes:
        form: name in `FORMS`.
        centre_hz: centre of the pitch range.
        syllables: the syllables that occur in the song.
        sections: sections of the song, in order.
    """

    form: str
    centre_hz: float
    syllables: tuple[Syllable, ...]
    sections: tuple[SongSection, ...]


SongParts = tuple[tuple[Syllable, ...], tuple[SongSection, ...]]


def _of_length(
    syllable: Syllable, low_s: float, high_s: float, rng: np.random.Generator
) -> Syllable:
    return replace(syllable, duration_s=float(rng.uniform(low_s, high_s)))


def _trill(lead: Syllable, rng: np.random.Generator) -> SongParts:
    period = rng.uniform(0.075, 0.16)
    note = _of_length(lead, 0.5 * period, 0.8 * period, rng)
    repeats = round(1.7 / period)
    section = SongSection((0,), (round(0.75 * repeats), repeats), period - note.duration_s)
    return (note,), (section,)


def _bouncing(lead: Syllable, rng: np.random.Generator) -> SongParts:
    note = _of_length(lead, 0.05, 0.1, rng)
    if rng.random() < 0.5:
        section = SongSection(
            (0,), (11, 14), rng.uniform(0.22, 0.3), gap_factor=rng.uniform(0.78, 0.84)
        )
    else:
        section = SongSection(
            (0,), (10, 13), rng.uniform(0.015, 0.03), gap_factor=rng.uniform(1.2, 1.3)
        )
    return (note,), (section,)


def _series(lead: Syllable, rng: np.random.Generator) -> SongParts:
    note = _of_length(lead, 0.1, 0.18, rng)
    step = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.08, 0.14)
    note = replace(note, pitch=note.pitch - 3.5 * step)
    section = SongSection(
        (0,), (7, 9), rng.uniform(0.05, 0.12), pitch_step=step, level_step_db=rng.uniform(-1, 1)
    )
    return (note,), (section,)


def _other_syllable(lead: Syllable, rng: np.random.Generator) -> Syllable:
    """Return a random syllable of another kind and pitch."""
    kinds = [kind for kind in KINDS if kind != lead.kind]
    other = draw_syllable(str(rng.choice(kinds)), rng)
    shift = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.25, 0.6)
    return replace(other, pitch=other.pitch + shift)


def _couplets(lead: Syllable, rng: np.random.Generator) -> SongParts:
    first = _of_length(lead, 0.1, 0.22, rng)
    second = _of_length(_other_syllable(lead, rng), 0.1, 0.22, rng)
    section = SongSection((0, 1), (3, 4), rng.uniform(0.03, 0.08), rng.uniform(0.05, 0.2))
    return (first, second), (section,)


def _motif(lead: Syllable, rng: np.random.Generator) -> SongParts:
    notes = [
        lead,
        _other_syllable(lead, rng),
        _other_syllable(lead, rng),
        _other_syllable(lead, rng),
    ]
    notes = [_of_length(note, 0.12, 0.32, rng) for note in notes]
    order = tuple(int(i) for i in rng.permutation(4))
    section = SongSection(order, (1, 2), rng.uniform(0.03, 0.09), rng.uniform(0.1, 0.2))
    return tuple(notes), (section,)


def _flourish(lead: Syllable, rng: np.random.Generator) -> SongParts:
    intro = _of_length(lead, 0.16, 0.28, rng)
    period = rng.uniform(0.06, 0.1)
    note = _of_length(_other_syllable(lead, rng), 0.6 * period, 0.8 * period, rng)
    sections = (
        SongSection((0,), (2, 3), rng.uniform(0.08, 0.16)),
        SongSection((1,), (9, 13), period - note.duration_s, level_step_db=-0.4),
    )
    return (intro, note), sections


def _calls(lead: Syllable, rng: np.random.Generator) -> SongParts:
    note = _of_length(lead, 0.28, 0.5, rng)
    return (note,), (SongSection((0,), (2, 3), rng.uniform(0.35, 0.6)),)


def _groups(lead: Syllable, rng: np.random.Generator) -> SongParts:
    size = int(rng.integers(2, 5))
    note = _of_length(lead, 0.06, 0.11, rng)
    rest = rng.uniform(0.3, 0.45)
    section = SongSection((0,) * size, (3, 3 if size > 3 else 4), rng.uniform(0.03, 0.06), rest)
    return (note,), (section,)


#: Forms of songs; each function draws a song that begins with a syllable.
FORMS: dict[str, Callable[[Syllable, np.random.Generator], SongParts]] = {
    "trill": _trill,
    "couplets": _couplets,
    "calls": _calls,
    "bouncing": _bouncing,
    "motif": _motif,
    "groups": _groups,
    "series": _series,
    "flourish": _flourish,
}


def draw_song_type(number: int, rng: np.random.Generator) -> SongType:
    """Return the song type of the demo's species `number`.

    Form and kind of the first syllable cycle with the number. There are 8 forms and 9 kinds, so
    that 72 successive species have different pairs. The centre frequency follows the golden ratio,
    so that successive species differ. A species does not depend on the number of species.
    """
    form = tuple(FORMS)[number % len(FORMS)]
    lead = draw_syllable(tuple(KINDS)[number % len(KINDS)], rng)
    fraction = (number * _GOLDEN + rng.uniform(-0.03, 0.03)) % 1.0
    centre = _MIN_CENTRE_HZ * (_MAX_CENTRE_HZ / _MIN_CENTRE_HZ) ** fraction
    syllables, sections = FORMS[form](lead, rng)
    return SongType(form, float(centre), syllables, sections)


#: Maximum duration of a song; notes that would end later are left out.
LONGEST_SONG_S = 2.7


@dataclass(frozen=True)
class Note:
    """A syllable in a song: its index, start, shift of pitch in octaves, and gain."""

    syllable: int
    start_s: float
    octaves: float
    gain: float


@dataclass(frozen=True)
class Performance:
    """One song of an individual.

    Attributes:
        individual: the song type as this individual sings it.
        notes: the notes, in order.
        duration_s: end of the last note in seconds.
    """

    individual: SongType
    notes: tuple[Note, ...]
    duration_s: float


def draw_individual(
    song_type: SongType, rng: np.random.Generator, variety: float = 1.0
) -> SongType:
    """Return a song type as one individual sings it: pitch, tempo and syllables differ a little.

    Args:
        song_type: the song type of the species.
        rng: draws the differences.
        variety: size of the differences; 1 means standard deviations of 5 % in tempo and 0.06
            octaves in pitch.
    """
    tempo = float(np.exp(variety * rng.normal(0.0, 0.05)))
    return SongType(
        form=song_type.form,
        centre_hz=song_type.centre_hz * float(np.exp2(variety * rng.normal(0.0, 0.06))),
        syllables=tuple(
            _vary_syllable(syllable, tempo, variety, rng) for syllable in song_type.syllables
        ),
        sections=tuple(
            replace(section, gap_s=section.gap_s / tempo, rest_s=section.rest_s / tempo)
            for section in song_type.sections
        ),
    )


def _vary_syllable(
    syllable: Syllable, tempo: float, variety: float, rng: np.random.Generator
) -> Syllable:
    factors = np.exp(variety * rng.normal(0.0, 0.06, size=4))
    return replace(
        syllable,
        duration_s=syllable.duration_s / tempo,
        span=syllable.span * float(factors[0]),
        pitch=syllable.pitch + variety * float(rng.normal(0.0, 0.02)),
        warble_hz=syllable.warble_hz * float(factors[1]),
        warble=syllable.warble * float(factors[2]),
        beat_hz=syllable.beat_hz * float(factors[3]),
        knots=tuple(knot * float(factors[0]) for knot in syllable.knots),
        pulse_hz=syllable.pulse_hz * tempo,
    )


def perform(
    individual: SongType, rng: np.random.Generator, longest_s: float = LONGEST_SONG_S
) -> Performance:
    """Return one song: random numbers of repeats, and small variations of time and level.

    Args:
        individual: the song type as this individual sings it.
        rng: draws the variations.
        longest_s: notes that would end later, in seconds, are left out, except the first.
    """
    notes: list[Note] = []
    start_s = 0.0
    for section in individual.sections:
        start_s = _add_section(
            notes, individual, section, rng, start_s=start_s, longest_s=longest_s
        )
    last = notes[-1]
    duration_s = last.start_s + individual.syllables[last.syllable].duration_s
    return Performance(individual, tuple(notes), duration_s)


def _add_section(
    notes: list[Note],
    individual: SongType,
    section: SongSection,
    rng: np.random.Generator,
    *,
    start_s: float,
    longest_s: float,
) -> float:
    """Append the notes of a section, and return the time after it in seconds."""
    now = start_s
    low, high = section.repeats
    for repeat in range(int(rng.integers(low, high + 1))):
        gap_factor = section.gap_factor**repeat
        gain = 10 ** (section.level_step_db * repeat / 20)
        for syllable in section.phrase:
            duration = individual.syllables[syllable].duration_s
            if notes and now + duration > longest_s:
                return now
            level = gain * float(np.exp(rng.normal(0.0, 0.08)))
            notes.append(Note(syllable, now, section.pitch_step * repeat, level))
            now += duration + gap_factor * section.gap_s * float(np.exp(rng.normal(0.0, 0.03)))
        now += gap_factor * section.rest_s
    return now


def song_band(song: Performance) -> tuple[float, float]:
    """Return the lowest and highest frequency of a song's notes in Hz."""
    low, high = np.inf, -np.inf
    for note in song.notes:
        lowest, highest = pitch_range(song.individual.syllables[note.syllable])
        low, high = min(low, lowest + note.octaves), max(high, highest + note.octaves)
    centre = song.individual.centre_hz
    return centre * 2.0 ** float(low), centre * 2.0 ** float(high)


def render_performance(
    song: Performance, rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return samples `(n,)` of a song without echo or noise; a note of gain 1 has an RMS of 1."""
    out = np.zeros(round(song.duration_s * rate) + 32, dtype=np.float32)
    waves: dict[tuple[int, float], npt.NDArray[np.float32]] = {}
    for note in song.notes:
        key = (note.syllable, note.octaves)
        if key not in waves:
            centre = song.individual.centre_hz * 2.0**note.octaves
            waves[key] = render_syllable(
                song.individual.syllables[note.syllable], centre, rate, rng
            )
        first = round(note.start_s * rate)
        wave = waves[key][: out.size - first]
        out[first : first + wave.size] += np.float32(note.gain) * wave
    return out

"""An individual: how one bird differs from its species; and each song it sings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

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
    "Section",
    "Species",
    "draw_individual",
    "draw_species",
    "perform",
    "render_performance",
    "song_band",
]

# Centres of pitch in Hz; songs spread by about an octave around them.
_LOWEST_HZ, _HIGHEST_HZ = 1900.0, 5600.0
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Section:
    """A phrase that is sung several times in a row.

    Attributes:
        phrase: indices of the species' syllables, sung one after the other.
        repeats: fewest and most times.
        gap_s: silence after each syllable.
        rest_s: further silence after each phrase.
        hurry: factor on both from one phrase to the next; below 1 speeds up.
        step: octaves that the pitch moves from one phrase to the next.
        swell_db: change of level from one phrase to the next.
    """

    phrase: tuple[int, ...]
    repeats: tuple[int, int]
    gap_s: float
    rest_s: float = 0.0
    hurry: float = 1.0
    step: float = 0.0
    swell_db: float = 0.0


@dataclass(frozen=True)
class Species:
    """What all birds of a species share.

    Attributes:
        form: name in `FORMS`.
        centre_hz: middle of the pitch.
        syllables: the repertoire.
        sections: the song, section after section.
    """

    form: str
    centre_hz: float
    syllables: tuple[Syllable, ...]
    sections: tuple[Section, ...]


Song = tuple[tuple[Syllable, ...], tuple[Section, ...]]


def _of_length(
    syllable: Syllable, low_s: float, high_s: float, rng: np.random.Generator
) -> Syllable:
    return replace(syllable, duration_s=float(rng.uniform(low_s, high_s)))


def _trill(lead: Syllable, rng: np.random.Generator) -> Song:
    period = rng.uniform(0.075, 0.16)
    note = _of_length(lead, 0.5 * period, 0.8 * period, rng)
    repeats = round(1.7 / period)
    section = Section((0,), (round(0.75 * repeats), repeats), period - note.duration_s)
    return (note,), (section,)


def _bouncing(lead: Syllable, rng: np.random.Generator) -> Song:
    note = _of_length(lead, 0.05, 0.1, rng)
    if rng.random() < 0.5:
        section = Section((0,), (11, 14), rng.uniform(0.22, 0.3), hurry=rng.uniform(0.78, 0.84))
    else:
        section = Section((0,), (10, 13), rng.uniform(0.015, 0.03), hurry=rng.uniform(1.2, 1.3))
    return (note,), (section,)


def _series(lead: Syllable, rng: np.random.Generator) -> Song:
    note = _of_length(lead, 0.1, 0.18, rng)
    step = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.08, 0.14)
    note = replace(note, pitch=note.pitch - 3.5 * step)
    section = Section((0,), (7, 9), rng.uniform(0.05, 0.12), step=step, swell_db=rng.uniform(-1, 1))
    return (note,), (section,)


def _second(lead: Syllable, rng: np.random.Generator) -> Syllable:
    """A syllable of another kind, set apart in pitch."""
    kinds = [kind for kind in KINDS if kind != lead.kind]
    other = draw_syllable(str(rng.choice(kinds)), rng)
    shift = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.25, 0.6)
    return replace(other, pitch=other.pitch + shift)


def _couplets(lead: Syllable, rng: np.random.Generator) -> Song:
    first = _of_length(lead, 0.1, 0.22, rng)
    second = _of_length(_second(lead, rng), 0.1, 0.22, rng)
    section = Section((0, 1), (3, 4), rng.uniform(0.03, 0.08), rng.uniform(0.05, 0.2))
    return (first, second), (section,)


def _motif(lead: Syllable, rng: np.random.Generator) -> Song:
    notes = [lead, _second(lead, rng), _second(lead, rng), _second(lead, rng)]
    notes = [_of_length(note, 0.12, 0.32, rng) for note in notes]
    order = tuple(int(i) for i in rng.permutation(4))
    return tuple(notes), (Section(order, (1, 2), rng.uniform(0.03, 0.09), rng.uniform(0.1, 0.2)),)


def _flourish(lead: Syllable, rng: np.random.Generator) -> Song:
    intro = _of_length(lead, 0.16, 0.28, rng)
    period = rng.uniform(0.06, 0.1)
    note = _of_length(_second(lead, rng), 0.6 * period, 0.8 * period, rng)
    sections = (
        Section((0,), (2, 3), rng.uniform(0.08, 0.16)),
        Section((1,), (9, 13), period - note.duration_s, swell_db=-0.4),
    )
    return (intro, note), sections


def _calls(lead: Syllable, rng: np.random.Generator) -> Song:
    note = _of_length(lead, 0.28, 0.5, rng)
    return (note,), (Section((0,), (2, 3), rng.uniform(0.35, 0.6)),)


def _groups(lead: Syllable, rng: np.random.Generator) -> Song:
    size = int(rng.integers(2, 5))
    note = _of_length(lead, 0.06, 0.11, rng)
    rest = rng.uniform(0.3, 0.45)
    section = Section((0,) * size, (3, 3 if size > 3 else 4), rng.uniform(0.03, 0.06), rest)
    return (note,), (section,)


#: How songs are built, each from its leading syllable.
FORMS: Mapping[str, Callable[[Syllable, np.random.Generator], Song]] = MappingProxyType(
    {
        "trill": _trill,
        "couplets": _couplets,
        "calls": _calls,
        "bouncing": _bouncing,
        "motif": _motif,
        "groups": _groups,
        "series": _series,
        "flourish": _flourish,
    }
)


def draw_species(number: int, rng: np.random.Generator) -> Species:
    """Species `number` of a world.

    Forms and kinds of leading syllables go round with the number (8 and 9 of them, so all 72
    pairs come up before one repeats), and pitch follows the golden ratio: neighbours in the
    numbering differ, and adding species leaves the earlier ones as they are.
    """
    form = tuple(FORMS)[number % len(FORMS)]
    lead = draw_syllable(tuple(KINDS)[number % len(KINDS)], rng)
    place = (number * _GOLDEN + rng.uniform(-0.03, 0.03)) % 1.0
    centre = _LOWEST_HZ * (_HIGHEST_HZ / _LOWEST_HZ) ** place
    syllables, sections = FORMS[form](lead, rng)
    return Species(form, float(centre), syllables, sections)


#: No song lasts longer; notes that would are left off.
LONGEST_SONG_S = 2.7


@dataclass(frozen=True)
class Note:
    """A syllable in a song: which, when, how many octaves higher, how loud."""

    syllable: int
    start_s: float
    octaves: float
    gain: float


@dataclass(frozen=True)
class Performance:
    """One song as one bird sings it once.

    Attributes:
        bird: the individual, which is its species with everything slightly changed.
        notes: what is sung, in order.
        duration_s: until the end of the last note.
    """

    bird: Species
    notes: tuple[Note, ...]
    duration_s: float


def draw_individual(species: Species, rng: np.random.Generator, variety: float = 1.0) -> Species:
    """A bird of a species: its pitch, tempo and every syllable differ a little.

    Args:
        species: what it is one of.
        rng: decides how it differs.
        variety: how much, 1 being 5 % in tempo and 0.06 octaves in pitch (standard deviations).
    """
    tempo = float(np.exp(variety * rng.normal(0.0, 0.05)))
    return Species(
        form=species.form,
        centre_hz=species.centre_hz * float(np.exp2(variety * rng.normal(0.0, 0.06))),
        syllables=tuple(_own_way(syllable, tempo, variety, rng) for syllable in species.syllables),
        sections=tuple(
            replace(section, gap_s=section.gap_s / tempo, rest_s=section.rest_s / tempo)
            for section in species.sections
        ),
    )


def _own_way(
    syllable: Syllable, tempo: float, variety: float, rng: np.random.Generator
) -> Syllable:
    vary = np.exp(variety * rng.normal(0.0, 0.06, size=4))
    return replace(
        syllable,
        duration_s=syllable.duration_s / tempo,
        span=syllable.span * float(vary[0]),
        pitch=syllable.pitch + variety * float(rng.normal(0.0, 0.02)),
        warble_hz=syllable.warble_hz * float(vary[1]),
        warble=syllable.warble * float(vary[2]),
        beat_hz=syllable.beat_hz * float(vary[3]),
        knots=tuple(knot * float(vary[0]) for knot in syllable.knots),
        pulse_hz=syllable.pulse_hz * tempo,
    )


def perform(
    bird: Species, rng: np.random.Generator, longest_s: float = LONGEST_SONG_S
) -> Performance:
    """One song: how often phrases are repeated, and small slips in time and level.

    Args:
        bird: who sings.
        rng: decides how.
        longest_s: notes that would end later are left off, save the first.
    """
    notes: list[Note] = []
    now = 0.0
    for section in bird.sections:
        now = _sing_section(bird, section, now, notes, longest_s, rng)
    last = notes[-1]
    return Performance(bird, tuple(notes), last.start_s + bird.syllables[last.syllable].duration_s)


def _sing_section(
    bird: Species,
    section: Section,
    now: float,
    notes: list[Note],
    longest_s: float,
    rng: np.random.Generator,
) -> float:
    low, high = section.repeats
    for repeat in range(int(rng.integers(low, high + 1))):
        haste = section.hurry**repeat
        gain = 10 ** (section.swell_db * repeat / 20)
        for syllable in section.phrase:
            duration = bird.syllables[syllable].duration_s
            if notes and now + duration > longest_s:
                return now
            level = gain * float(np.exp(rng.normal(0.0, 0.08)))
            notes.append(Note(syllable, now, section.step * repeat, level))
            now += duration + haste * section.gap_s * float(np.exp(rng.normal(0.0, 0.03)))
        now += haste * section.rest_s
    return now


def song_band(song: Performance) -> tuple[float, float]:
    """Lowest and highest frequency in Hz that a song's notes reach."""
    low, high = np.inf, -np.inf
    for note in song.notes:
        lowest, highest = pitch_range(song.bird.syllables[note.syllable])
        low, high = min(low, lowest + note.octaves), max(high, highest + note.octaves)
    return song.bird.centre_hz * 2.0 ** float(low), song.bird.centre_hz * 2.0 ** float(high)


def render_performance(
    song: Performance, rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Samples `(n,)` of a song without room or noise; a note of gain 1 has an RMS of 1."""
    out = np.zeros(round(song.duration_s * rate) + 32, dtype=np.float32)
    sung: dict[tuple[int, float], npt.NDArray[np.float32]] = {}
    for note in song.notes:
        key = (note.syllable, note.octaves)
        if key not in sung:
            centre = song.bird.centre_hz * 2.0**note.octaves
            sung[key] = render_syllable(song.bird.syllables[note.syllable], centre, rate, rng)
        first = round(note.start_s * rate)
        wave = sung[key][: out.size - first]
        out[first : first + wave.size] += np.float32(note.gain) * wave
    return out

"""An individual: how one bird differs from its species; and each song it sings."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from darksound.data.synthesis.species import Section, Species
from darksound.data.synthesis.syllables import Syllable
from darksound.data.synthesis.voice import pitch_range, render_syllable

__all__ = [
    "LONGEST_SONG_S",
    "Note",
    "Performance",
    "draw_individual",
    "perform",
    "render_performance",
    "song_band",
]

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

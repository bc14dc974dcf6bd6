"""The species of a season: few voices that no ear and no embedding confuses."""

from dataclasses import dataclass

from darksound.synthesis.song_types import SongSection, SongType
from darksound.synthesis.syllables import Syllable

__all__ = ["SEASON_VOICES", "SeasonVoice"]


@dataclass(frozen=True)
class SeasonVoice:
    """A species of a season.

    Attributes:
        song: its song type.
        hours: hours of the local clock in which it sings.
    """

    song: SongType
    hours: tuple[int, ...]


def _voice(
    centre_hz: float,
    syllables: tuple[Syllable, ...],
    section: SongSection,
    hours: tuple[int, ...],
) -> SeasonVoice:
    return SeasonVoice(SongType("season", centre_hz, syllables, (section,)), hours)


_NIGHT, _DAWN, _DAY = (21, 0), (5, 6), (6, 12, 18)

#: Species by label. They differ in pitch, form and rhythm, each by more than individuals do.
SEASON_VOICES: dict[str, SeasonVoice] = {
    "owl": _voice(
        450, (Syllable("hoot", 0.4, "line", -0.1, partials=(1.0, 0.3)),),
        SongSection((0,), (3, 3), 0.12), _NIGHT,
    ),
    "whistler": _voice(
        2200, (Syllable("whistle", 1.1, "line", -0.35),), SongSection((0,), (1, 1), 0.1), _DAWN
    ),
    "triller": _voice(
        4600, (Syllable("fall", 0.05, "early", -0.5),), SongSection((0,), (14, 16), 0.04), _DAY
    ),
    "buzzer": _voice(
        6500,
        (Syllable("buzz", 0.8, "line", 0.1, warble_hz=120, warble=0.15, beat_hz=40, beat=0.5),),
        SongSection((0,), (1, 1), 0.1), (18, 21),
    ),
    "caller": _voice(
        1000,
        (Syllable("stack", 0.3, "arch", 0.3, partials=(0.7, 1.0, 0.9, 0.7, 0.5, 0.4)),),
        SongSection((0,), (2, 2), 0.15), _DAY,
    ),
    "yodeler": _voice(
        3300, (Syllable("yodel", 0.3, "step", 0.9),), SongSection((0,), (3, 3), 0.08), _DAWN
    ),
    "rasper": _voice(
        1700, (Syllable("rasp", 0.35, "line", 0.1, roughness=0.3),),
        SongSection((0,), (3, 3), 0.1), (12, 18),
    ),
    "warbler": _voice(
        5200, (Syllable("warble", 1.0, "line", 0.2, warble_hz=14, warble=0.3),),
        SongSection((0,), (1, 1), 0.1), _DAWN,
    ),
}  # fmt: skip

"""What AudioMoth writes into the comment of its WAV files."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from darksound.audio.origin.names import zone

__all__ = ["Comment", "from_comment"]

# "Recorded at 05:30:00 01/01/2022 (UTC+2) by AudioMoth 24F319055FDF2902 at medium gain while ..."
_TIME = re.compile(
    r"Recorded at (?P<time>\d\d:\d\d:\d\d)(?:\.\d+)? (?P<date>\d\d/\d\d/\d{4})"
    r"(?: \(UTC(?P<zone>[+-]\d{1,2}(?::\d\d)?)?(?P<utc>\)))?"
)
_RECORDER = re.compile(r"by (AudioMoth [0-9A-F]{8,16})")
# The firmware of 2018 counts gains from 0 to 4, later ones name them.
_GAIN = re.compile(r"at (?:gain setting (\d)|((?:low|medium|high)(?:-medium)?|medium-high) gain)")


@dataclass(frozen=True)
class Comment:
    """What a comment says.

    Attributes:
        when: the start of the recording; without a time zone where the comment has none.
        recorder: kind and serial number.
        gain: as the recorder names it.
    """

    when: datetime | None
    recorder: str | None
    gain: str | None


def from_comment(text: str) -> Comment | None:
    """What a comment says, or None where AudioMoth did not write it."""
    if "AudioMoth" not in text:
        return None
    recorder, gain = _RECORDER.search(text), _GAIN.search(text)
    return Comment(
        _when(text),
        recorder[1] if recorder else "AudioMoth",
        (gain[1] or gain[2]) if gain else None,
    )


def _when(text: str) -> datetime | None:
    found = _TIME.search(text)
    if found is None:
        return None
    try:
        when = datetime.strptime(f"{found['date']} {found['time']}", "%d/%m/%Y %H:%M:%S")
        if found["utc"] is None:
            return when
        return when.replace(tzinfo=zone(found["zone"]) if found["zone"] else UTC)
    except ValueError:
        return None

"""Where a recording is from, put together from its header and its name."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePath

from darksound.audio.riff import Riff, read_riff

__all__ = [
    "Comment",
    "Guano",
    "Named",
    "Origin",
    "from_comment",
    "from_guano",
    "from_name",
    "origin_of",
    "zone",
]


@dataclass(frozen=True)
class Guano:
    """What GUANO metadata say.

    Attributes:
        when: the start of the recording; without a time zone where they have none.
        recorder: make, model and serial number, as far as they are given.
        gain: as the recorder writes it.
    """

    when: datetime | None
    recorder: str | None
    gain: str | None


def from_guano(text: str) -> Guano:
    """What GUANO metadata say; names count whatever their case, those of makers by their end."""
    fields: dict[str, str] = {}
    for line in text.replace("\0", "").splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip().casefold(), value.strip())
    named = [fields[key] for key in ("make", "model", "serial") if key in fields]
    gain = next((v for k, v in fields.items() if k.split("|")[-1].strip() == "gain"), None)
    return Guano(_guano_time(fields.get("timestamp")), " ".join(named) or None, gain)


def _guano_time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


# `20220101_053000` (AudioMoth), `PREFIX_20220101_053000` and the older `PREFIX_0+1_...` (Song
# Meter), `20220101T053000+1000_PLACE` (Frontier Labs).
_DATED = re.compile(
    r"(?:^|[_S])(?P<date>\d{8})[_T](?P<time>\d{6})(?:\.\d+)?(?P<zone>Z|[+-]\d{4})?(?=$|[_.T\s-])"
)
# AudioMoth before 2019: seconds since 1970, UTC, in hexadecimal.
_HEXADECIMAL = re.compile(r"^(?=.*[A-F])[0-9A-F]{8}$")
_AUDIOMOTH_SINCE = datetime(2016, 1, 1, tzinfo=UTC)
_HEXADECIMAL_UNTIL = datetime(2036, 1, 1, tzinfo=UTC)
_CHANNELS = re.compile(r"_[-0-9+]+$")


@dataclass(frozen=True)
class Named:
    """What a name says.

    Attributes:
        when: the start of the recording; without a time zone where the name has none.
        prefix: what stands before the date: the recorder or its place.
    """

    when: datetime
    prefix: str | None = None


def from_name(recording: str) -> Named | None:
    """What the name of a recording says, or None where it has no date and time.

    Args:
        recording: a path or a name.
    """
    stem, suffix = PurePath(recording).stem, PurePath(recording).suffix
    if suffix == ".WAV" and _HEXADECIMAL.match(stem):
        when = datetime.fromtimestamp(int(stem, 16), UTC)
        return Named(when) if _AUDIOMOTH_SINCE <= when < _HEXADECIMAL_UNTIL else None
    found = _DATED.search(stem)
    if found is None:
        return None
    try:
        when = datetime.strptime(found["date"] + found["time"], "%Y%m%d%H%M%S")
        if found["zone"]:
            when = when.replace(tzinfo=zone(found["zone"]))
    except ValueError:
        return None
    prefix = _CHANNELS.sub("", stem[: found.start()].rstrip("_ "))
    return Named(when, prefix or None)


def zone(text: str) -> timezone:
    """The time zone of an offset such as `Z`, `+1000`, `-3` or `+5:30`.

    Raises:
        ValueError: no place on Earth is so far from UTC.
    """
    found = re.fullmatch(r"([+-])(\d{1,2}):?(\d{2})?", text)
    if found is None:
        return UTC
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-offset if found[1] == "-" else offset)


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
        _audiomoth_time(text),
        recorder[1] if recorder else "AudioMoth",
        (gain[1] or gain[2]) if gain else None,
    )


def _audiomoth_time(text: str) -> datetime | None:
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


# What a header may announce beyond what is there: a padding byte and a little rounding.
_SLACK_BYTES = 8


@dataclass(frozen=True)
class Origin:
    """Where a recording is from; nothing in it is guessed.

    Attributes:
        recorded_at: when it starts, ISO 8601; with an offset from UTC only where one is given.
        recorder: what names the recorder: make, model and serial number from the header, else
            what stands before the date in the file's name.
        gain: as the recorder writes it.
        missing: share of the sound that the header announces and that is not there.
    """

    recorded_at: str | None = None
    recorder: str | None = None
    gain: str | None = None
    missing: float = 0.0

    @property
    def from_recorder(self) -> bool:
        """Whether a recorder left the date and time."""
        return self.recorded_at is not None


def origin_of(path: Path) -> Origin:
    """Where a recording is from; GUANO metadata are believed before a comment, that before a name.

    Args:
        path: of the recording; one that cannot be read says what its name says.
    """
    riff = read_riff(path) or Riff()
    said = [
        from_guano(riff.guano) if riff.guano else None,
        from_comment(riff.comment) if riff.comment else None,
    ]
    inside = [one for one in said if one is not None]
    name = from_name(path.name)
    times = [one.when for one in (*inside, name) if one is not None and one.when is not None]
    recorders = [one.recorder for one in inside if one.recorder]
    if name is not None and name.prefix:
        recorders.append(name.prefix)
    gains = [one.gain for one in inside if one.gain]
    return Origin(
        times[0].isoformat(timespec="seconds") if times else None,
        recorders[0] if recorders else None,
        gains[0] if gains else None,
        _missing(riff),
    )


def _missing(riff: Riff) -> float:
    if riff.announced is None or riff.announced <= riff.present + _SLACK_BYTES:
        return 0.0
    return 1 - riff.present / riff.announced

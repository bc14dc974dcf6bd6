"""What recorders write into file names."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePath

__all__ = ["Named", "from_name", "zone"]

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

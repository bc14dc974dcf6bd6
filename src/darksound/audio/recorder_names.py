"""Date, time and recorder in the file names that recorders give."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePath

from darksound.audio.recording_time import HeaderText, clock_time, usable_text

__all__ = ["NAME_FORMATS", "parse_file_name"]

# Some firmware writes a blank for a leading zero: `202306 8T050000`.
_DATE = r"(?P<date>\d{4}[\d ]\d[\d ]\d)"
_CLOCK = r"(?P<clock>[\d ]\d[\d ]\d[\d ]\d)"
# Minutes of offsets are quarters of hours; `-0001` after a time is a counter.
_ZONE = (
    r"(?P<zone>Z(?![A-Za-z])|[+-]\d\d:?(?:00|15|30|45)(?!\d)|\+\d\d(?!\d)"
    r"|[ _]?\(?UTC(?:[+-]\d{1,2}(?::?\d\d)?)?\)?)?"
)
# AudioMoth before 2019: seconds since 1970, UTC, in hexadecimal.
_HEXADECIMAL_NAME = re.compile(
    r"(?:(?P<serial>[0-9A-F]{8,16})_)?(?P<seconds>(?=\d*[A-F])[0-9A-F]{8})"
)
_HEXADECIMAL_FROM = datetime(2016, 1, 1, tzinfo=UTC)
_HEXADECIMAL_UNTIL = datetime(2036, 1, 1, tzinfo=UTC)
_CHANNELS_IN_PREFIX = re.compile(r"_[-0-9+]+_*$")


def parse_file_name(recording: str) -> HeaderText | None:
    """Parse the name of a recording; None if it has no date and time.

    Args:
        recording: a path or a name.
    """
    path = PurePath(recording)
    return next((text for parse in NAME_FORMATS.values() if (text := parse(path))), None)


def _dated(pattern: str, century: str = "") -> Callable[[PurePath], HeaderText | None]:
    """Return a parser of names in which a pattern with `date`, `clock` and `zone` occurs.

    Args:
        pattern: regular expression. The prefix, or the group `serial`, is before the date.
        century: first digits of the year, where the name has its last two only.
    """
    expression = re.compile(pattern)

    def parse(path: PurePath) -> HeaderText | None:
        for match in expression.finditer(path.stem):
            groups = match.groupdict()
            digits = re.sub(r"[-.:]", "", match["date"] + match["clock"]).replace(" ", "0")
            zone = (groups.get("zone") or "").strip(" _()")
            start = clock_time(century + digits, zone.removeprefix("UTC") or zone)
            if start is not None:
                prefix = groups.get("serial") or _prefix(path.stem[: match.start()])
                return HeaderText(start, prefix)
        return None

    return parse


def _prefix(text: str) -> str | None:
    """Return the name of the recorder before the date, without the channels of Song Meters."""
    prefix = _CHANNELS_IN_PREFIX.sub("", text.rstrip("_ .$-"))
    return usable_text(prefix.rstrip("_ .$-"))


def _hexadecimal(path: PurePath) -> HeaderText | None:
    match = _HEXADECIMAL_NAME.fullmatch(path.stem) if path.suffix == ".WAV" else None
    if match is None:
        return None
    start = datetime.fromtimestamp(int(match["seconds"], 16), UTC)
    if not _HEXADECIMAL_FROM <= start < _HEXADECIMAL_UNTIL:
        return None
    return HeaderText(start, match["serial"])


#: Parsers of names, by the first recorder that gave such names; the first that finds a time counts.
NAME_FORMATS: dict[str, Callable[[PurePath], HeaderText | None]] = {
    # `5EC5A158.WAV`
    "AudioMoth, hexadecimal": _hexadecimal,
    # `20220101_053000`, `20220101_053000T` (AudioMoth); `PREFIX_20220101_053000` (Song Meter,
    # Swift, icListen, PAMGuard); `PREFIX_0+1_20220101_053000` (older Song Meters);
    # `PREFIX_20220101$053000` (Song Meter with a fix by GPS); `20220101T053000+1000_PLACE` and
    # `S20220101T053000.123+1000_E20220101T054000.456+1000_-27.4+153.0` (Frontier Labs; some
    # firmware omits the dot before the fraction).
    "date and time": _dated(
        rf"(?<!\d)(?:(?<![A-Za-z])S)?{_DATE}[_T$ -]{_CLOCK}(?:\.\d+|\d{{3}}(?=[Z+-]))?{_ZONE}(?!\d)"
    ),
    # `5678.220101053000`: serial number, and a year of two digits.
    "SoundTrap": _dated(
        r"(?<!\d)(?P<serial>\d{3,10})\.(?P<date>\d{6})(?P<clock>\d{6})(?!\d)", century="20"
    ),
    # `2022-01-01 05-30-00` (Anabat), `SITE-2022-01-01_05-30` (Arbimon), `2022-01-01T053000Z`.
    "date and time with hyphens": _dated(
        r"(?<!\d)(?P<date>\d{4}-\d\d-\d\d)[ _T]"
        r"(?P<clock>\d\d(?P<mark>[-.:])\d\d(?:(?P=mark)\d\d)?|\d{6})"
        rf"{_ZONE}(?!\d)"
    ),
    # `20220101053000`
    "14 digits": _dated(r"(?<!\d)(?P<date>\d{8})(?P<clock>\d{6})(?!\d)"),
}

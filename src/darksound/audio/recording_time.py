"""Times of recording in the texts that recorders write, with their offset from UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

__all__ = ["HeaderText", "clock_time", "parse_time", "parse_utc_offset", "usable_text"]

# Years outside of these are damage or the clock of a recorder that was never set to any year.
_YEARS = range(1900, 2100)
# The largest offset in use is that of Kiribati.
_MAX_OFFSET = timedelta(hours=14)
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?")
_UTC_NAMES = frozenset({"Z", "UTC", "GMT"})
# ISO 8601 and the looser forms in use: a blank or an underscore for the T, other separators in the
# date, fractions of any length, `+1:00` for `+01:00`.
_TIME = re.compile(
    r"(?P<date>\d{4}(?P<mark>[-/:._]?)\d\d(?P=mark)\d\d)(?:T|[ _]+)"
    r"(?P<clock>\d\d(?P<colon>:?)\d\d(?:(?P=colon)\d\d(?:[.,]\d+)?)?)"
    r"\s*(?P<zone>(?i:Z|UTC|GMT)|[+-]\d{1,2}(?::?\d\d)?)?"
)
_MAX_TEXT = 200
_NO_VALUES = frozenset({"", "n/a", "nan", "none", "null", "unknown"})


@dataclass(frozen=True)
class HeaderText:
    """What one text (GUANO metadata, a comment or a file name) contains.

    Attributes:
        start: start of the recording; without a time zone if the text has none.
        recorder: make, model and serial number; of a file name, the prefix before the date.
        gain: as the recorder writes it.
        by_recorder: whether only recorders write such a text, and not editors too.
    """

    start: datetime | None = None
    recorder: str | None = None
    gain: str | None = None
    by_recorder: bool = True


def parse_utc_offset(text: str) -> timezone:
    """Return the time zone of an offset such as `Z`, `UTC`, `+1000`, `-3`, `+1:00` or `+5:30`.

    Raises:
        ValueError: the text is no offset, or one of more than 14 hours.
    """
    if text.upper() in _UTC_NAMES:
        return UTC
    match = _OFFSET.fullmatch(text)
    if match is None or int(match["minutes"] or 0) > 59:
        raise ValueError(f"{text!r} is not an offset from UTC")
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
    if offset > _MAX_OFFSET:
        raise ValueError(f"an offset of {text} from UTC does not exist")
    return timezone(-offset if match["sign"] == "-" else offset)


def clock_time(digits: str, zone: str | None = None) -> datetime | None:
    """Return the time of `YYYYMMDDhhmm` or `YYYYMMDDhhmmss`; None if there is no such time.

    Args:
        digits: of the date and the clock. More digits, of a fraction of a second, are ignored.
        zone: offset from UTC, see `parse_utc_offset`; None or empty for local time.
    """
    try:
        parts = [int(digits[at : at + 2]) for at in range(4, min(len(digits), 14), 2)]
        start = datetime(int(digits[:4]), *parts)  # type: ignore[arg-type]
        if start.year not in _YEARS:
            return None
        return start.replace(tzinfo=parse_utc_offset(zone)) if zone else start
    except (ValueError, TypeError):
        return None


def parse_time(text: str | None) -> datetime | None:
    """Return the time in a text, such as `2022-01-01 05:30:00.123+1:00`; None if there is none.

    A date without a time of day gives None, because midnight would be a guess.
    """
    match = _TIME.fullmatch(text.strip()) if text else None
    if match is None:
        return None
    return clock_time(re.sub(r"\D", "", match["date"] + match["clock"]), match["zone"])


def usable_text(text: str | None) -> str | None:
    """Return a value without blanks and NUL around it; None if it is empty, damaged or too long.

    Control characters are damage: the value is printed and written to tables.

    Args:
        text: of one value, such as a serial number.
    """
    value = (text or "").strip(" \t\r\n\0")
    if len(value) > _MAX_TEXT or value.casefold() in _NO_VALUES or not value.isprintable():
        return None
    return value

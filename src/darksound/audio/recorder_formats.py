"""Date, time, recorder and gain in the metadata that recorders write into headers."""

import re
import struct
from collections.abc import Callable
from datetime import datetime

from darksound.audio.recorder_headers import RecordingHeader, decode_text
from darksound.audio.recording_time import (
    HeaderText,
    clock_time,
    parse_time,
    usable_text,
)

__all__ = [
    "FILE_FORMATS",
    "RECORDER_FORMATS",
    "parse_audiomoth_comment",
    "parse_bext",
    "parse_guano",
    "parse_wamd",
]


def parse_guano(text: str) -> HeaderText:
    """Parse GUANO metadata. Case is ignored, and so are the namespaces of gain keys."""
    fields: dict[str, str] = {}
    for line in text.replace("\0", "").splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip().casefold(), value.strip())
    gain = next((v for k, v in fields.items() if k.split("|")[-1].strip() == "gain"), None)
    return HeaderText(
        parse_time(fields.get("timestamp")),
        _joined(*(fields.get(key) for key in ("make", "model", "serial"))),
        usable_text(gain),
    )


def _joined(*parts: str | None) -> str | None:
    return " ".join(text for part in parts if (text := usable_text(part))) or None


def _guano(header: RecordingHeader) -> HeaderText | None:
    if "guan" in header.chunks:
        return parse_guano(decode_text(header.chunks["guan"]))
    # In FLAC and MP3: the whole text as one comment, or each field as a comment of its own.
    if "guano" in header.comments:
        return parse_guano(header.comments["guano"])
    if any(name.startswith("guano|") for name in header.comments):
        return parse_guano("\n".join(f"{k}: {v}" for k, v in header.comments.items()))
    return None


# Wildlife Acoustics' wa_meta.h: a 16-bit id, a 32-bit length and the content, repeatedly.
_WAMD_VERSION, _WAMD_MODEL, _WAMD_SERIAL, _WAMD_START = 0, 1, 2, 5
_WAMD_VERSIONS = (None, b"\1\0")


def parse_wamd(content: bytes) -> HeaderText:
    """Parse the `wamd` chunk of Song Meters and Echo Meters."""
    fields: dict[int, bytes] = {}
    offset = 0
    while offset + 6 <= len(content):
        number, length = struct.unpack_from("<HI", content, offset)
        fields.setdefault(number, content[offset + 6 : offset + 6 + length])
        offset += 6 + length
    # The meaning of other versions is not published.
    if fields.get(_WAMD_VERSION) not in _WAMD_VERSIONS:
        return HeaderText()
    model, serial, start = (
        usable_text(decode_text(fields.get(number, b"")))
        for number in (_WAMD_MODEL, _WAMD_SERIAL, _WAMD_START)
    )
    recorder = _joined("Wildlife Acoustics", model, serial) if model or serial else None
    return HeaderText(parse_time(start), recorder)


def _wamd(header: RecordingHeader) -> HeaderText | None:
    content = header.chunks.get("wamd")
    return None if content is None else parse_wamd(content)


# "Recorded at 05:30:00 01/01/2022 (UTC+2) by AudioMoth 24F319055FDF2902 at medium gain while ..."
_COMMENT_TIME = re.compile(
    r"Recorded at (?P<clock>\d\d:\d\d:\d\d)(?:\.\d+)? (?P<day>\d\d)/(?P<month>\d\d)/(?P<year>\d{4})"
    r"(?: \(UTC(?P<zone>[+-]\d{1,2}(?::\d\d)?)?(?P<utc>\)))?"
)
_MOTHS = re.compile("AudioMoth|HydroMoth")
_DEVICE = re.compile(r"((?:Audio|Hydro)Moth [0-9A-F]{8,16})")
_DEPLOYMENT = re.compile(r"during (deployment [0-9A-F]{8,16})")
# The firmware of 2018 numbers gains from 0 to 4, later ones name them.
_COMMENT_GAIN = re.compile(
    r"at (?:gain setting (\d)|(low|low-medium|medium|medium-high|high) gain)"
)


def parse_audiomoth_comment(text: str, artist: str = "") -> HeaderText | None:
    """Parse the comment in a recording's header; None if AudioMoth did not write it.

    Args:
        text: the comment.
        artist: the device, which the comment lacks if it has the number of a deployment.
    """
    deployment = _DEPLOYMENT.search(text)
    # Other comments can name the recorder too: "with an AudioMoth in our garden".
    if "Recorded at" not in text or (deployment is None and not _MOTHS.search(text)):
        return None
    device, gain = _DEVICE.search(text) or _DEVICE.search(artist), _COMMENT_GAIN.search(text)
    recorder = "AudioMoth"
    if device is not None:
        recorder = device[1]
    elif deployment is not None:
        recorder = f"AudioMoth {deployment[1]}"
    return HeaderText(_parse_comment_time(text), recorder, (gain[1] or gain[2]) if gain else None)


def _parse_comment_time(text: str) -> datetime | None:
    match = _COMMENT_TIME.search(text)
    if match is None:
        return None
    digits = match["year"] + match["month"] + match["day"] + match["clock"].replace(":", "")
    return clock_time(digits, match["zone"] or ("UTC" if match["utc"] else None))


def _audiomoth(header: RecordingHeader) -> HeaderText | None:
    # Converters give the comment of a WAV file either name.
    for name in ("comment", "description"):
        text = header.comments.get(name)
        parsed = parse_audiomoth_comment(text, header.comments.get("artist", "")) if text else None
        if parsed is not None:
            return parsed
    return None


def _frontier_labs(header: RecordingHeader) -> HeaderText | None:
    """Parse the comments in FLAC files of Frontier Labs' recorders."""
    comments = header.comments
    if not {"recordingstart", "sensoruid"} & comments.keys():
        return None
    maker = comments["vendor"] if "Frontier" in comments.get("vendor", "") else None
    gains = (comments.get(name) for name in ("channelgain", "channelgain1", "channelgain2"))
    return HeaderText(
        parse_time(comments.get("recordingstart")),
        _joined(maker, comments.get("sensoruid")),
        next((text for gain in gains if (text := usable_text(gain))), None),
    )


_BEXT_DATE = re.compile(r"(\d{4})[-_:. /](\d\d)[-_:. /](\d\d)")
_BEXT_CLOCK = re.compile(r"(\d\d)[-_:. ](\d\d)[-_:. ](\d\d)")
# Editors write `bext` too; these makers build recorders.
_MAKERS = re.compile(
    r"\b(?:marantz|nagra|olympus|roland|sonosax|sony|sound ?dev|tascam|wildlife acoustics|zoom)",
    re.IGNORECASE,
)


def parse_bext(content: bytes) -> HeaderText:
    """Parse the chunk of a Broadcast Wave file (EBU Tech 3285)."""
    description, originator, _, date, clock = (
        decode_text(part.split(b"\0")[0])
        for part in struct.unpack_from("<256s32s32s10s8s", content.ljust(338, b"\0"))
    )
    day, time = _BEXT_DATE.fullmatch(date.strip()), _BEXT_CLOCK.fullmatch(clock.strip())
    start = clock_time("".join((*day.groups(), *time.groups()))) if day and time else None
    by_recorder = bool(_MAKERS.search(f"{originator} {description}"))
    return HeaderText(start, usable_text(originator) if by_recorder else None, None, by_recorder)


def _bext(header: RecordingHeader) -> HeaderText | None:
    content = header.chunks.get("bext")
    return None if content is None else parse_bext(content)


def _date(header: RecordingHeader) -> HeaderText | None:
    """Parse the date that many programs write; without a time of day it is of no use."""
    start = parse_time(header.comments.get("date"))
    return None if start is None else HeaderText(start, by_recorder=False)


#: Formats that only recorders write; the first that has a value counts, and all count before the
#: file name.
RECORDER_FORMATS: dict[str, Callable[[RecordingHeader], HeaderText | None]] = {
    "GUANO metadata": _guano,
    "chunk wamd": _wamd,
    "comment of AudioMoth": _audiomoth,
    "comments of Frontier Labs": _frontier_labs,
}
#: Formats that editors write too, often with the time of an export: they count after the file name.
FILE_FORMATS: dict[str, Callable[[RecordingHeader], HeaderText | None]] = {
    "chunk bext": _bext,
    "date": _date,
}

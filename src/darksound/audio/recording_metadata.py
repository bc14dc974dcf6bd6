"""Date, time, recorder and gain of a recording, from its header and its file name."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePath
from typing import BinaryIO

__all__ = [
    "HeaderText",
    "RecordingMetadata",
    "RiffHeader",
    "parse_audiomoth_comment",
    "parse_file_name",
    "parse_guano",
    "parse_utc_offset",
    "read_recording_metadata",
    "read_riff_header",
]

# EBU Tech 3306 (RF64): 32-bit sizes that are in `ds64` instead. Recorders that lose power leave 0
# or the largest signed size.
_UNKNOWN_SIZES = frozenset({0, 0x7FFF_FFFF, 0xFFFF_FFFF})
_MAGIC = frozenset({b"RIFF", b"RF64", b"BW64"})
# Longer chunks are not text.
_MAX_TEXT_BYTES = 1 << 20
_MAX_CHUNKS = 1000


@dataclass(frozen=True)
class RiffHeader:
    """The header of a RIFF file.

    Attributes:
        comment: the comment in its INFO list (`ICMT`).
        guano: the text of its GUANO metadata.
        declared_bytes: size of the audio data in the header; None if it is unknown.
        available_bytes: bytes from the start of the audio data to the end of the file.
    """

    comment: str | None = None
    guano: str | None = None
    declared_bytes: int | None = None
    available_bytes: int = 0


def read_riff_header(path: Path) -> RiffHeader | None:
    """Read the header of a file; None if it is not a RIFF file or cannot be read.

    The audio data is skipped, so a long recording takes no longer than a short one.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except OSError:
        return None


def _read(file: BinaryIO, size: int) -> RiffHeader | None:
    magic, form = file.read(4), file.read(8)[4:]
    if magic not in _MAGIC or form != b"WAVE":
        return None
    comment = guano = declared = None
    available = 0
    ds64_length = None
    for name, length in _chunks(file, size):
        if name == b"ds64" and len(sizes := file.read(min(length, 16))) == 16:
            ds64_length = int(struct.unpack("<8xQ", sizes)[0])
        elif name == b"data":
            if length == 0xFFFF_FFFF and ds64_length is not None:
                length = ds64_length
            declared = None if length in _UNKNOWN_SIZES else length
            available = size - file.tell()
            file.seek(length, 1)
        elif name == b"LIST" and length <= _MAX_TEXT_BYTES:
            comment = _info_comment(file.read(length)) or comment
        elif name == b"guan" and length <= _MAX_TEXT_BYTES:
            guano = file.read(length).decode("utf-8", errors="replace")
    return RiffHeader(comment, guano, declared, available)


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield name and length of each chunk, with the file positioned at its content."""
    for _ in range(_MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return
        name, length = struct.unpack("<4sI", header)
        start = file.tell()
        yield name, length
        # The caller skips a data chunk of RF64 by its 64-bit length, which can exceed `length`.
        end = max(start + length, file.tell()) if name == b"data" else start + length
        if end >= size:
            return
        file.seek(end + end % 2)


def _info_comment(content: bytes) -> str | None:
    if content[:4] != b"INFO":
        return None
    offset = 4
    while offset + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, offset)
        if name == b"ICMT":
            text = content[offset + 8 : offset + 8 + length].split(b"\0")[0]
            return text.decode("utf-8", errors="replace").strip() or None
        offset += 8 + length + length % 2
    return None


@dataclass(frozen=True)
class HeaderText:
    """What one text (GUANO metadata, a comment or a file name) contains.

    Attributes:
        start: start of the recording; without a time zone if the text has none.
        recorder: make, model and serial number; of a file name, the prefix before the date.
        gain: as the recorder writes it.
    """

    start: datetime | None = None
    recorder: str | None = None
    gain: str | None = None


def parse_guano(text: str) -> HeaderText:
    """Parse GUANO metadata. Case is ignored, and so are the namespaces of gain keys."""
    fields: dict[str, str] = {}
    for line in text.replace("\0", "").splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip().casefold(), value.strip())
    recorder = " ".join(fields[key] for key in ("make", "model", "serial") if key in fields)
    gain = next((v for k, v in fields.items() if k.split("|")[-1].strip() == "gain"), None)
    return HeaderText(_parse_iso_time(fields.get("timestamp")), recorder or None, gain)


def _parse_iso_time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


# `20220101_053000` (AudioMoth), `PREFIX_20220101_053000` and the older `PREFIX_0+1_...` (Song
# Meter), `20220101T053000+1000_PLACE` (Frontier Labs).
_DATE_IN_NAME = re.compile(
    r"(?:^|[_S])(?P<date>\d{8})[_T](?P<time>\d{6})(?:\.\d+)?(?P<zone>Z|[+-]\d{4})?(?=$|[_.T\s-])"
)
# AudioMoth before 2019: seconds since 1970, UTC, in hexadecimal.
_HEXADECIMAL_NAME = re.compile(r"^(?=.*[A-F])[0-9A-F]{8}$")
_HEXADECIMAL_FROM = datetime(2016, 1, 1, tzinfo=UTC)
_HEXADECIMAL_UNTIL = datetime(2036, 1, 1, tzinfo=UTC)
_CHANNELS_IN_PREFIX = re.compile(r"_[-0-9+]+$")


def parse_file_name(recording: str) -> HeaderText | None:
    """Parse the name of a recording; None if it has no date and time.

    Args:
        recording: a path or a name.
    """
    stem, suffix = PurePath(recording).stem, PurePath(recording).suffix
    if suffix == ".WAV" and _HEXADECIMAL_NAME.match(stem):
        start = datetime.fromtimestamp(int(stem, 16), UTC)
        return HeaderText(start) if _HEXADECIMAL_FROM <= start < _HEXADECIMAL_UNTIL else None
    match = _DATE_IN_NAME.search(stem)
    if match is None:
        return None
    try:
        start = datetime.strptime(match["date"] + match["time"], "%Y%m%d%H%M%S")
        if match["zone"]:
            start = start.replace(tzinfo=parse_utc_offset(match["zone"]))
    except ValueError:
        return None
    prefix = _CHANNELS_IN_PREFIX.sub("", stem[: match.start()].rstrip("_ "))
    return HeaderText(start, prefix or None)


def parse_utc_offset(text: str) -> timezone:
    """Return the time zone of an offset such as `Z`, `+1000`, `-3` or `+5:30`.

    Raises:
        ValueError: the offset is 24 hours or more.
    """
    match = re.fullmatch(r"([+-])(\d{1,2}):?(\d{2})?", text)
    if match is None:
        return UTC
    offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return timezone(-offset if match[1] == "-" else offset)


# "Recorded at 05:30:00 01/01/2022 (UTC+2) by AudioMoth 24F319055FDF2902 at medium gain while ..."
_COMMENT_TIME = re.compile(
    r"Recorded at (?P<time>\d\d:\d\d:\d\d)(?:\.\d+)? (?P<date>\d\d/\d\d/\d{4})"
    r"(?: \(UTC(?P<zone>[+-]\d{1,2}(?::\d\d)?)?(?P<utc>\)))?"
)
_COMMENT_RECORDER = re.compile(r"by (AudioMoth [0-9A-F]{8,16})")
# The firmware of 2018 numbers gains from 0 to 4, later ones name them.
_COMMENT_GAIN = re.compile(
    r"at (?:gain setting (\d)|((?:low|medium|high)(?:-medium)?|medium-high) gain)"
)


def parse_audiomoth_comment(text: str) -> HeaderText | None:
    """Parse the comment in a recording's header; None if AudioMoth did not write it."""
    if "AudioMoth" not in text:
        return None
    recorder, gain = _COMMENT_RECORDER.search(text), _COMMENT_GAIN.search(text)
    return HeaderText(
        _parse_comment_time(text),
        recorder[1] if recorder else "AudioMoth",
        (gain[1] or gain[2]) if gain else None,
    )


def _parse_comment_time(text: str) -> datetime | None:
    match = _COMMENT_TIME.search(text)
    if match is None:
        return None
    try:
        start = datetime.strptime(f"{match['date']} {match['time']}", "%d/%m/%Y %H:%M:%S")
        if match["utc"] is None:
            return start
        return start.replace(tzinfo=parse_utc_offset(match["zone"]) if match["zone"] else UTC)
    except ValueError:
        return None


# A complete file can lack this many declared bytes: a padding byte and rounding.
_TOLERATED_BYTES = 8


@dataclass(frozen=True)
class RecordingMetadata:
    """Metadata of a recording; a value that is not given is None, and none is guessed.

    Attributes:
        recorded_at: start of the recording, ISO 8601; with an offset from UTC only if one is
            given.
        recorder: make, model and serial number in the header, else the prefix of the file name.
        gain: as the recorder writes it.
        missing_share: share of the audio that the header declares and the file lacks.
    """

    recorded_at: str | None = None
    recorder: str | None = None
    gain: str | None = None
    missing_share: float = 0.0


def read_recording_metadata(path: Path) -> RecordingMetadata:
    """Read the metadata of a recording.

    GUANO metadata take precedence over the comment, and the comment over the file name.

    Args:
        path: of the recording; if it cannot be read, only its name is used.
    """
    header = read_riff_header(path) or RiffHeader()
    parsed = (
        parse_guano(header.guano) if header.guano else None,
        parse_audiomoth_comment(header.comment) if header.comment else None,
        parse_file_name(path.name),
    )
    texts = [text for text in parsed if text is not None]
    start = next((text.start for text in texts if text.start is not None), None)
    return RecordingMetadata(
        None if start is None else start.isoformat(timespec="seconds"),
        next((text.recorder for text in texts if text.recorder), None),
        next((text.gain for text in texts if text.gain), None),
        _missing_share(header),
    )


def _missing_share(header: RiffHeader) -> float:
    declared, available = header.declared_bytes, header.available_bytes
    if declared is None or declared <= available + _TOLERATED_BYTES:
        return 0.0
    return 1 - available / declared

"""Date, time, recorder and gain of a recording, from its header and its file name."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from darksound.audio.recorder_formats import FILE_FORMATS, RECORDER_FORMATS
from darksound.audio.recorder_headers import RecordingHeader, read_header
from darksound.audio.recorder_names import parse_file_name
from darksound.audio.recording_time import HeaderText
from darksound.text import path_text

__all__ = ["RecordingMetadata", "read_recording_metadata"]

logger = logging.getLogger(__name__)

# Two texts of one recording differ by at most this, where one has the time that was planned.
_SAME_START = timedelta(minutes=1)


@dataclass(frozen=True)
class RecordingMetadata:
    """Metadata of a recording; a value that is not given is None, and none is guessed.

    Attributes:
        recorded_at: start of the recording, ISO 8601; with an offset from UTC only if one is
            given.
        recorder: make, model and serial number in the header, else the prefix of the file name.
        gain: as the recorder writes it.
        by_recorder: whether the time is in a text that only recorders write.
    """

    recorded_at: str | None = None
    recorder: str | None = None
    gain: str | None = None
    by_recorder: bool = False


def read_recording_metadata(path: Path) -> RecordingMetadata:
    """Read the metadata of a recording.

    For each value, the first text that has it counts: `RECORDER_FORMATS` in their order, then the
    file name, then `FILE_FORMATS`. A local time takes the offset from UTC of another text of the
    recorder that has the same time.

    Args:
        path: of the recording; if it cannot be read, only its name is used.
    """
    header = read_header(path)
    name = parse_file_name(path_text(path.name))
    texts = [
        *_parsed(path, header, RECORDER_FORMATS),
        *([] if name is None else [name]),
        *_parsed(path, header, FILE_FORMATS),
    ]
    first = next((text for text in texts if text.start is not None), HeaderText())
    start = _with_offset(first.start, texts)
    return RecordingMetadata(
        None if start is None else start.isoformat(timespec="seconds"),
        next((text.recorder for text in texts if text.recorder), None),
        next((text.gain for text in texts if text.gain), None),
        start is not None and first.by_recorder,
    )


def _parsed(
    path: Path,
    header: RecordingHeader,
    formats: dict[str, Callable[[RecordingHeader], HeaderText | None]],
) -> list[HeaderText]:
    """Return what the formats contain that the header has."""
    texts = []
    for name, parse in formats.items():
        text = parse(header)
        if text is not None:
            texts.append(text)
            if text.start is None:
                logger.debug("%s: its %s has no valid time; ignored.", path, name)
    return texts


def _with_offset(start: datetime | None, texts: Sequence[HeaderText]) -> datetime | None:
    """Return a local time with the offset of the first text that has the same time, if any."""
    if start is None or start.tzinfo is not None:
        return start
    others = [text.start for text in texts if text.by_recorder and text.start is not None]
    zones = [
        other.tzinfo
        for other in others
        if other.tzinfo is not None and abs(other.replace(tzinfo=None) - start) <= _SAME_START
    ]
    return start.replace(tzinfo=zones[0]) if zones else start

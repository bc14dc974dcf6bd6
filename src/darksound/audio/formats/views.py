"""A file as its decoder should see it: parts of the file, with a header that tells the truth."""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import BinaryIO

__all__ = ["FileView", "Layout", "Part", "Span", "after_id3", "read_at", "whole_file"]

#: Bytes, or the first and the last but one position of a part of the file.
Span = bytes | tuple[int, int]


@dataclass(frozen=True)
class Part:
    """A part of the sound, decoded by itself.

    Attributes:
        start: first sample, counted from the start of the recording.
        frames: samples per channel.
        spans: what the decoder sees; None: the file as it is.
        origin: number that the decoder gives to the first sample when it seeks.
    """

    start: int
    frames: int
    spans: tuple[Span, ...] | None = None
    origin: int = 0


@dataclass(frozen=True)
class Layout:
    """What sound is in a file, whatever its header states.

    Between parts there is silence: sound that cannot be decoded.

    Attributes:
        parts: in order of time.
        rate: sampling rate in Hz.
        channels: number of channels.
        announced: samples per channel that the header states; None if it states nothing that could
            be true.
        damage: what else is wrong with the file, a phrase; empty if nothing is.
        filled: samples per channel within the parts that are silence in place of lost ones.
    """

    parts: tuple[Part, ...]
    rate: int
    channels: int
    announced: int | None = None
    damage: str = ""
    filled: int = 0

    @property
    def frames(self) -> int:
        """Return the samples per channel from the start to the end of the last part."""
        return self.parts[-1].start + self.parts[-1].frames if self.parts else 0

    @property
    def present(self) -> int:
        """Return the samples per channel that can be decoded."""
        return sum(part.frames for part in self.parts) - self.filled

    @property
    def missing(self) -> int:
        """Return the samples per channel that are announced, or between parts, and not present."""
        return max(max(self.announced or 0, self.frames) - self.present, 0)


@dataclass
class FileView:
    """A readable file of consecutive spans, with the methods that libsndfile calls."""

    file: BinaryIO
    spans: Sequence[Span]
    _position: int = 0
    _stops: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Compute where each span ends."""
        self._stops = list(accumulate(_length(span) for span in self.spans))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, as `io.IOBase.seek`."""
        size = self._stops[-1] if self._stops else 0
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        parts: list[bytes] = []
        while size > 0:
            index = bisect_right(self._stops, self._position)
            if index == len(self._stops):
                break
            count = min(self._stops[index] - self._position, size)
            span = self.spans[index]
            first = self._position - (self._stops[index] - _length(span))
            if isinstance(span, bytes):
                part = span[first : first + count]
            else:
                part = read_at(self.file, count, span[0] + first)
            if not part:
                break
            parts.append(part)
            self._position += len(part)
            size -= len(part)
        return b"".join(parts)


def whole_file(frames: int) -> tuple[Part, ...]:
    """Return the one part of a file that its decoder can read as it is."""
    return (Part(0, frames),)


def read_at(file: BinaryIO, size: int, offset: int) -> bytes:
    """Return so many bytes from a position on, fewer at the end of the file."""
    if hasattr(os, "pread"):
        return os.pread(file.fileno(), size, offset)
    file.seek(offset)
    return file.read(size)


def after_id3(file: BinaryIO, position: int = 0) -> int:
    """Return the position behind the ID3v2 tags at a position; the same if there are none."""
    while True:
        head = read_at(file, 10, position)
        if head[:3] != b"ID3" or len(head) < 10 or max(head[6:]) > 0x7F:
            return position
        footer = 10 if head[5] & 0x10 else 0
        position += 10 + footer + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


def _length(span: Span) -> int:
    return len(span) if isinstance(span, bytes) else span[1] - span[0]

"""A file as its decoder should see it: parts of the file, with a header that is right."""

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, BinaryIO

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
        stated: samples per channel that the header states; None if it states nothing that could
            be true.
        damage: what else is wrong with the file, a phrase; empty if nothing is.
        filled: samples per channel within the parts that are silence in place of lost ones.
    """

    parts: tuple[Part, ...]
    rate: int
    channels: int
    stated: int | None = None
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
        """Return the samples per channel that are stated, or between parts, and not present."""
        return max(max(self.stated or 0, self.frames) - self.present, 0)


class FileView(io.RawIOBase):
    """A readable file of consecutive spans."""

    def __init__(self, file: BinaryIO, spans: Sequence[Span]) -> None:
        """Compute where each span ends.

        Args:
            file: opened without a buffer.
            spans: bytes, and parts of the file.
        """
        super().__init__()
        self._file, self._spans = file, spans
        self._stops = list(accumulate(_length(span) for span in spans))
        self._position = 0

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, and return it."""
        size = self._stops[-1] if self._stops else 0
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes, and return their number, fewer at the end."""
        target, count = memoryview(buffer).cast("B"), 0
        while count < len(target):
            index = bisect_right(self._stops, self._position)
            if index == len(self._stops):
                break
            span, size = self._spans[index], self._stops[index] - self._position
            size = min(size, len(target) - count)
            first = self._position - (self._stops[index] - _length(span))
            if isinstance(span, bytes):
                content = span[first : first + size]
            else:
                content = read_at(self._file, size, span[0] + first)
            if not content:
                break
            target[count : count + len(content)] = content
            self._position += len(content)
            count += len(content)
        return count


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

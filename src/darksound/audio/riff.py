"""The chunks of RIFF, RF64 and BW64 files that tell where a recording is from."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Riff", "read_riff"]

# EBU Tech 3306 (RF64): sizes of 32 bits that stand in `ds64` instead. Recorders that lose power
# leave 0 or the largest signed size.
_UNKNOWN_SIZES = frozenset({0, 0x7FFF_FFFF, 0xFFFF_FFFF})
_MAGIC = frozenset({b"RIFF", b"RF64", b"BW64"})
# Text chunks are this long at most; what is longer is no text.
_LONGEST_TEXT = 1 << 20
_MOST_CHUNKS = 1000


@dataclass(frozen=True)
class Riff:
    """What the header of a file says.

    Attributes:
        comment: the comment in its INFO list (`ICMT`).
        guano: its GUANO metadata, undecoded.
        announced: bytes of sound that the header announces; None where it does not.
        present: bytes of sound that the file has room for.
    """

    comment: str | None = None
    guano: str | None = None
    announced: int | None = None
    present: int = 0


def read_riff(path: Path) -> Riff | None:
    """The header of a file, or None where it is no RIFF file or cannot be read.

    The sound itself is passed over, so that hours take no longer than seconds.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except OSError:
        return None


def _read(file: BinaryIO, size: int) -> Riff | None:
    magic, form = file.read(4), file.read(8)[4:]
    if magic not in _MAGIC or form != b"WAVE":
        return None
    comment = guano = announced = None
    present = 0
    large = None
    for name, length in _chunks(file, size):
        if name == b"ds64" and len(sizes := file.read(min(length, 16))) == 16:
            large = int(struct.unpack("<8xQ", sizes)[0])
        elif name == b"data":
            if length == 0xFFFF_FFFF and large is not None:
                length = large
            announced = None if length in _UNKNOWN_SIZES else length
            present = size - file.tell()
            file.seek(length, 1)
        elif name == b"LIST" and length <= _LONGEST_TEXT:
            comment = _info_comment(file.read(length)) or comment
        elif name == b"guan" and length <= _LONGEST_TEXT:
            guano = file.read(length).decode("utf-8", errors="replace")
    return Riff(comment, guano, announced, present)


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Name and length of each chunk, the file standing at its content."""
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        name, length = struct.unpack("<4sI", head)
        start = file.tell()
        yield name, length
        # A chunk that was passed over by more than its 32 bits say is one of RF64.
        end = max(start + length, file.tell()) if name == b"data" else start + length
        if end >= size:
            return
        file.seek(end + end % 2)


def _info_comment(content: bytes) -> str | None:
    if content[:4] != b"INFO":
        return None
    at = 4
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        if name == b"ICMT":
            text = content[at + 8 : at + 8 + length].split(b"\0")[0]
            return text.decode("utf-8", errors="replace").strip() or None
        at += 8 + length + length % 2
    return None

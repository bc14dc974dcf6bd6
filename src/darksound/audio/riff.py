"""The chunks of RIFF, RF64 and BW64 files that hold metadata of a recording."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["RiffHeader", "read_riff_header"]

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

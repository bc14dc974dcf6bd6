"""Metadata in the headers of sound files: chunks of WAV, comments of FLAC, Ogg and MP3.

Nothing here fails on damage: a part that is too long, cut or nonsense is left out. A few megabytes
at most are read of a file of any length.
"""

import logging
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

__all__ = ["RecordingHeader", "decode_text", "read_header"]

logger = logging.getLogger(__name__)

# EBU Tech 3306 (RF64): this 32-bit size stands for one of 64 bits in `ds64`.
_IN_DS64 = 0xFFFF_FFFF
# Longer chunks are not text, and no file has more text in all.
_MAX_TEXT_BYTES = 1 << 20
_MAX_READ_BYTES = 1 << 22
_MAX_PARTS = 1000
# Comments are in the first pages of an Ogg stream.
_OGG_BYTES = 1 << 17
_OGG_COMMENTS = re.compile(rb"\x03vorbis|OpusTags")
# EBU Tech 3285: all fields of `bext` before the history of coding.
_BEXT_BYTES = 602
_CHUNK_NAME = re.compile(rb"[ -~]{4}")
# Searched for in so many bytes at the end of a file with a wrong size of its sound.
_TRAILERS = re.compile(rb"(?P<name>bext|guan|wamd|LIST|id3 |ID3 )(?P<length>.{4})", re.DOTALL)
_TAIL_BYTES = 1 << 16
_KEPT_CHUNKS = frozenset({b"bext", b"guan", b"wamd"})
# INFO lists and ID3 have their own names for what Vorbis comments call so.
_INFO_NAMES = {b"ICMT": "comment", b"IART": "artist", b"ICRD": "date"}
_ID3_NAMES = {
    b"COM": "comment", b"COMM": "comment", b"TP1": "artist", b"TPE1": "artist", b"TDRC": "date",
    b"TXX": None, b"TXXX": None,
}  # fmt: skip
_ID3_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")


@dataclass
class RecordingHeader:
    """What the header of a sound file contains.

    Attributes:
        chunks: content of the chunks `guan`, `wamd` and `bext`; of repeated ones, the first.
        comments: text by name, in lower case as in Vorbis comments: `comment`, `artist`, `date`.
    """

    chunks: dict[str, bytes] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)

    def add_comments(self, comments: dict[str, str]) -> None:
        """Add comments; of repeated names, the first counts."""
        self.comments = comments | self.comments


class _Source:
    """An open file of which a bounded number of bytes is read."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.size = path.stat().st_size
        self._left = _MAX_READ_BYTES

    def text(self, name: str, length: int) -> bytes:
        """Return the next bytes; none, with a debug line, if they are too many."""
        if length > min(_MAX_TEXT_BYTES, self._left):
            logger.debug("%s: %s of %d bytes is too long to read.", self.path, name, length)
            return b""
        self._left -= length
        return self.file.read(length)


def read_header(path: Path) -> RecordingHeader:
    """Read the header of a file; an empty one if it has none, or cannot be read.

    The audio data is skipped, so a long recording takes no longer than a short one.
    """
    header = RecordingHeader()
    # Opening a pipe waits for its other end.
    if not path.is_file():
        return header
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            read = next((r for start, r in _CONTAINERS.items() if magic.startswith(start)), None)
            if read is not None:
                read(_Source(file, path), header)
    # A name with a NUL byte gives ValueError, a position beyond 2^63 OverflowError.
    except (OSError, ValueError, OverflowError) as error:
        logger.debug("%s: its header cannot be read (%s).", path, error)
    return header


def decode_text(content: bytes) -> str:
    """Return text that should be UTF-8; as Latin-1, which never fails, if it is not."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _read_riff(source: _Source, header: RecordingHeader) -> None:
    file = source.file
    if file.read(8)[4:] != b"WAVE":
        return
    ds64_length, samples, damaged = 0, None, False
    for name, length in _chunks(file, source.size):
        if name == b"ds64" and len(sizes := file.read(min(length, 16))) == 16:
            ds64_length = int(struct.unpack("<8xQ", sizes)[0])
        elif name == b"data" and samples is None:
            samples = file.tell()
            length = ds64_length if length == _IN_DS64 and ds64_length else length
            damaged = length == 0 or samples + length > source.size
            file.seek(min(samples + length, source.size))
        else:
            ends = file.tell() + length <= source.size or _is_known(name)
            damaged = samples is not None and not (ends and _CHUNK_NAME.fullmatch(name))
            _add_chunk(source, header, name, length)
        if damaged:
            break
    if samples is not None and damaged:
        _find_chunks(source, header, samples)


def _find_chunks(source: _Source, header: RecordingHeader, start: int) -> None:
    """Search the end of a file for chunks behind sound whose size is not what its head states."""
    start = max(start, source.size - _TAIL_BYTES)
    source.file.seek(start)
    tail = source.text("end", source.size - start)
    for match in _TRAILERS.finditer(tail):
        content = start + match.end()
        length = int.from_bytes(match["length"], "little")
        if content + length <= source.size:
            source.file.seek(content)
            _add_chunk(source, header, match["name"], length)


def _add_chunk(source: _Source, header: RecordingHeader, name: bytes, length: int) -> None:
    """Read a chunk with metadata, at whose content the file is."""
    label = name.decode("latin-1")
    if name in _KEPT_CHUNKS:
        length = min(length, _BEXT_BYTES) if name == b"bext" else length
        header.chunks.setdefault(label, source.text(label, length))
    elif name == b"LIST":
        header.add_comments(_info_comments(source.text(label, length)))
    elif name.upper() == b"ID3 ":
        header.add_comments(_id3_comments(source.text(label, length)))


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield name and length of each chunk, with the file positioned at its content."""
    for _ in range(_MAX_PARTS):
        head = file.read(8)
        if len(head) < 8:
            return
        name, length = struct.unpack("<4sI", head)
        start = file.tell()
        yield name, length
        # The caller skips a data chunk, whose length can be one of 64 bits.
        end = file.tell() if name == b"data" else start + length
        if end >= size:
            return
        file.seek(end)
        # Odd chunks are padded by a zero, which some Echo Meters omit.
        if end % 2 and file.read(1) != b"\0":
            file.seek(end if _is_known(_peek(file, end)) else end + 1)


def _peek(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.read(4)


def _is_known(name: bytes) -> bool:
    return name in _KEPT_CHUNKS or name in (b"LIST", b"data", b"id3 ", b"ID3 ")


def _info_comments(content: bytes) -> dict[str, str]:
    """Return the known entries of an INFO list."""
    comments: dict[str, str] = {}
    offset = 4 if content[:4] == b"INFO" else len(content)
    while offset + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, offset)
        if name in _INFO_NAMES:
            text = content[offset + 8 : offset + 8 + length].split(b"\0")[0]
            comments.setdefault(_INFO_NAMES[name], decode_text(text).strip())
        offset += 8 + length + length % 2
    return {name: text for name, text in comments.items() if text}


def _read_flac(source: _Source, header: RecordingHeader) -> None:
    file = source.file
    for _ in range(_MAX_PARTS):
        head = file.read(4)
        if len(head) < 4:
            return
        kind, end = head[0] & 0x7F, file.tell() + int.from_bytes(head[1:])
        if kind == 4:
            header.add_comments(_vorbis_comments(source.text("comments", end - file.tell())))
        elif kind == 2:
            _add_application(source, header, end)
        if head[0] & 0x80 or end >= source.size:
            return
        file.seek(end)


def _add_application(source: _Source, header: RecordingHeader, end: int) -> None:
    """Read a block of an application that ends there: a chunk of its own, or one of a WAV file."""
    name = source.file.read(4)
    # `flac --keep-foreign-metadata` packs chunks with their heads.
    if name == b"riff":
        name = source.file.read(4)
        length = int.from_bytes(source.file.read(4), "little")
    else:
        length = end
    _add_chunk(source, header, name, max(min(length, end - source.file.tell()), 0))


def _read_ogg(source: _Source, header: RecordingHeader) -> None:
    source.file.seek(0)
    pages, packets, offset = source.text("pages", min(_OGG_BYTES, source.size)), b"", 0
    while pages[offset : offset + 4] == b"OggS" and offset + 27 <= len(pages):
        lengths = pages[offset + 27 : offset + 27 + pages[offset + 26]]
        start = offset + 27 + len(lengths)
        offset = start + sum(lengths)
        packets += pages[start:offset]
    comments = _OGG_COMMENTS.search(packets)
    if comments is not None:
        header.add_comments(_vorbis_comments(packets[comments.end() :]))


def _vorbis_comments(content: bytes) -> dict[str, str]:
    """Return the comments of a block, and its writer under the name `vendor`."""
    comments: dict[str, str] = {}

    def take(offset: int) -> tuple[bytes, int]:
        length = int.from_bytes(content[offset : offset + 4], "little")
        return content[offset + 4 : offset + 4 + length], offset + 4 + length

    vendor, offset = take(0)
    # The number of comments, which the end of the block shows anyway.
    offset += 4
    while offset + 4 <= len(content) and len(comments) < _MAX_PARTS:
        comment, offset = take(offset)
        name, equals, text = decode_text(comment).partition("=")
        if equals:
            comments.setdefault(name.strip().casefold(), text.strip("\0 \r\n\t"))
        elif not comment:
            break
    return comments | {"vendor": decode_text(vendor)}


def _read_id3(source: _Source, header: RecordingHeader) -> None:
    """Read an ID3 tag, and the comments of a FLAC stream behind it."""
    source.file.seek(0)
    size = _syncsafe(source.file.read(10)[6:]) + 10
    source.file.seek(0)
    # A picture makes a tag long, and is behind the texts.
    header.add_comments(_id3_comments(source.text("ID3", min(size, _MAX_TEXT_BYTES))))
    source.file.seek(size)
    if source.file.read(4) == b"fLaC":
        _read_flac(source, header)


def _id3_comments(content: bytes) -> dict[str, str]:
    """Return the known texts of an ID3 tag of version 2.2, 2.3 or 2.4."""
    if content[:3] != b"ID3" or len(content) < 10:
        return {}
    version, flags = content[3], content[5]
    n_name, n_head = (3, 6) if version == 2 else (4, 10)
    offset = 10
    if flags & 0x40 and version > 2:
        extended = content[10:14]
        offset += _syncsafe(extended) if version == 4 else 4 + int.from_bytes(extended)
    comments: dict[str, str] = {}
    while offset + n_head <= len(content) and content[offset] and len(comments) < _MAX_PARTS:
        name = content[offset : offset + n_name]
        size = content[offset + n_name : offset + (6 if version == 2 else 8)]
        length = _syncsafe(size) if version == 4 else int.from_bytes(size)
        text = content[offset + n_head : offset + n_head + length]
        if name in _ID3_NAMES:
            key, value = _id3_text(name, text.replace(b"\xff\0", b"\xff") if flags & 0x80 else text)
            comments.setdefault(key, value)
        offset += n_head + length
    return {name: text for name, text in comments.items() if text}


def _id3_text(name: bytes, content: bytes) -> tuple[str, str]:
    """Return name and text of a frame; a description before the text is the name of TXXX."""
    encoding = _ID3_ENCODINGS[content[0]] if content[:1] < b"\4" and content else "latin-1"
    # A comment has a language before its description.
    body = content[4 if name.startswith(b"COM") else 1 :]
    parts = [part.strip("\ufeff\0 ") for part in body.decode(encoding, "replace").split("\0")]
    texts = [part for part in parts if part]
    key = _ID3_NAMES[name]
    if key is None:
        return (texts[0].casefold(), texts[-1]) if len(texts) > 1 else ("", "")
    return key, texts[-1] if texts else ""


def _syncsafe(size: bytes) -> int:
    return sum(
        (byte & 0x7F) << shift for byte, shift in zip(size[:4], (21, 14, 7, 0), strict=False)
    )


# By the first bytes of a file. W64, AIFF, CAF and M4A have no metadata of recorders.
_CONTAINERS: dict[bytes, Callable[[_Source, RecordingHeader], None]] = {
    b"RIFF": _read_riff,
    b"RF64": _read_riff,
    b"BW64": _read_riff,
    b"fLaC": _read_flac,
    b"OggS": _read_ogg,
    b"ID3": _read_id3,
}

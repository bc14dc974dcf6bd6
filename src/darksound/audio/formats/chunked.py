"""WAV, Wave64, AIFF, CAF and AU: where the samples are, whatever the sizes in the header state."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import soundfile as sf

from darksound.audio.formats.decoder import Decoder, decodable_frames
from darksound.audio.formats.views import Layout, Part, Span, read_at

__all__ = ["inspect_aiff", "inspect_au", "inspect_caf", "inspect_wave", "inspect_wave64"]

# Bytes of a sample by libsndfile's name of its coding; others are compressed.
_WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8,
           "ULAW": 1, "ALAW": 1}  # fmt: skip
# Tags of codings in WAV with samples of a fixed number of bytes, and of one whose tag is elsewhere.
_UNCOMPRESSED = frozenset({1, 3, 6, 7, 0xFFFE})
# Sizes that programs write before they know the size, and leave if they cannot seek or are ended:
# 0, 2^31 and 2^32, with or without the length of a header; sox takes 4096 less.
_PLACEHOLDERS = (
    (0, 0),
    (0x7FFF_EF00, 0x7FFF_F000),
    (0x7FFF_FF00, 0x8000_0000),
    (0xFFFF_FF00, 1 << 64),
)
_CHUNK_NAME = re.compile(rb"[A-Za-z0-9_()+\-][A-Za-z0-9_ ()+\-]{3}")
# Chunks that programs write behind the samples.
_TRAILERS = re.compile(
    rb"LIST|bext|guan|wamd|iXML|id3 |ID3 |cue |smpl|JUNK|junk|PAD |_PMX|afsp|fact|PEAK|MARK|ANNO|"
    rb"NAME|COMM|AUTH|\(c\) |APPL|INST|info|free"
)
# Tags that programs append to any file.
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
# First bytes of files that can follow in a file made by joining.
_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM")
# Behind a header whose sizes agree with each other, fewer bytes than this are not sound.
_MIN_SOUND_BYTES = 4096
# Chunks behind samples of unknown size are searched for in so many bytes at the end.
_SEARCHED_BYTES = 1 << 16
_MAX_CHUNKS = 10_000
_READ_BYTES = 1 << 20
# Ends of the names of chunks in Wave64.
_GUIDS = (bytes.fromhex("f3acd3118cd100c04f8edb8a"), bytes.fromhex("91cf11a5d628db04c1000000")[:10])
# RIFF has sizes of 32 bits; above this RF64 is written.
_LARGEST_RIFF = 0xFFFF_F000


@dataclass(frozen=True)
class _Syntax:
    """How a format writes the head of a chunk, and to what its length is rounded up.

    Attributes:
        head: name and size, for `struct`.
        align: content ends at a multiple of so many bytes.
    """

    head: str
    align: int = 2


_LITTLE, _BIG, _CAF = _Syntax("<4sI"), _Syntax(">4sI"), _Syntax(">4sq", 1)


@dataclass(frozen=True)
class _Chunk:
    """A chunk: its name, the position of its content, and the size that its head states."""

    name: bytes
    start: int
    size: int


@dataclass(frozen=True)
class _Samples:
    """Where the samples are.

    Attributes:
        start: position of the first byte.
        stop: position after the last byte.
        missing: bytes that the header states and the file lacks.
        corrected: whether the header's size is another one.
    """

    start: int
    stop: int
    missing: int = 0
    corrected: bool = False


def inspect_wave(file: BinaryIO, size: int) -> Layout | None:
    """Return what is in a WAV, RF64 or BW64 file; None if libsndfile must decide."""
    magic = read_at(file, 12, 0)
    syntax = _BIG if magic[:4] == b"RIFX" else _LITTLE
    chunks = _chunks_until(b"data", file, 12, size, syntax)
    if b"fmt " not in chunks or b"data" not in chunks:
        return None
    data, fmt = chunks[b"data"], chunks[b"fmt "]
    total = struct.unpack(syntax.head, magic[:8])[1]
    if b"ds64" in chunks and data.size == 0xFFFF_FFFF:
        total, claim = struct.unpack(
            "<QQ", read_at(file, 16, chunks[b"ds64"].start).ljust(16, b"\0")
        )
        data = _Chunk(data.name, data.start, claim)
    content = read_at(file, min(fmt.size, 1024), fmt.start)
    samples = _whole_blocks(_locate(file, size, data, 8 + total, syntax), content, syntax)
    header = _wave_header(syntax, content, samples)
    return _layout(file, samples, (header, (samples.start, samples.stop)))


def inspect_wave64(file: BinaryIO, size: int) -> Layout | None:
    """Return what is in a Wave64 file; None if libsndfile must decide."""
    position, fmt = 40, b""
    for _ in range(_MAX_CHUNKS):
        head = read_at(file, 24, position)
        if len(head) < 24 or not head[4:16].endswith(_GUIDS):
            return None
        length = int(struct.unpack("<Q", head[16:])[0]) - 24
        if head[:4] == b"data":
            break
        if head[:4] == b"fmt ":
            fmt = read_at(file, min(max(length, 0), 1024), position + 24)
        position += 24 + max(length, 0) + -length % 8
    else:
        return None
    start = position + 24
    there = size - start
    behind = read_at(file, 16, start + length + -length % 8) if 0 < length < there else b""
    stop, missing = size, 0
    if behind.endswith(_GUIDS) or 0 < length <= there < length + _MIN_SOUND_BYTES:
        stop = start + length
    elif length > there and not _is_placeholder(length):
        missing = _missing(length, there, start)
    samples = _whole_blocks(_Samples(start, stop, missing, stop - start != length), fmt, _LITTLE)
    return _layout(file, samples, (_wave_header(_LITTLE, fmt, samples), (start, stop)))


def inspect_aiff(file: BinaryIO, size: int) -> Layout | None:
    """Return what is in an AIFF or AIFC file; None if libsndfile must decide."""
    magic = read_at(file, 12, 0)
    chunks = _chunks_until(b"SSND", file, 12, size, _BIG)
    if b"COMM" not in chunks or b"SSND" not in chunks:
        return None
    common = read_at(file, min(chunks[b"COMM"].size, 512), chunks[b"COMM"].start)
    offsets = read_at(file, 8, chunks[b"SSND"].start)
    if len(common) < 18 or len(offsets) < 8:
        return None
    channels, _, bits = struct.unpack(">HIH", common[:8])
    offset = min(struct.unpack(">II", offsets)[0], size)
    block = max(channels * -(-bits // 8), 1)
    claim = chunks[b"SSND"].size - 8 - offset
    data = _Chunk(b"SSND", chunks[b"SSND"].start + 8 + offset, max(claim, 0))
    samples = _locate(file, size, data, 8 + struct.unpack(">I", magic[4:8])[0], _BIG)
    length = samples.stop - samples.start
    common = common[:2] + struct.pack(">I", length // block) + common[6:]
    version = b"FVER" + struct.pack(">II", 4, 0xA280_5140) if magic[8:] == b"AIFC" else b""
    body = magic[8:] + version + b"COMM" + struct.pack(">I", len(common)) + common
    body += b"\0" * (len(body) % 2) + b"SSND" + struct.pack(">III", length + 8, 0, 0)
    header = b"FORM" + struct.pack(">I", len(body) + length) + body
    return _layout(file, samples, (header, (samples.start, samples.stop)))


def inspect_caf(file: BinaryIO, size: int) -> Layout | None:
    """Return what is in a CAF file; None if libsndfile must decide."""
    data = _chunks_until(b"data", file, 8, size, _CAF).get(b"data")
    if data is None:
        return None
    # The samples follow a counter of edits. A size of -1 means up to the end.
    claim = max(data.size - 4, 0)
    samples = _locate(file, size, _Chunk(b"data", data.start + 4, claim), 0, _CAF)
    length = struct.pack(">q", samples.stop - data.start)
    return _layout(file, samples, ((0, data.start - 8), length, (data.start, samples.stop)))


def inspect_au(file: BinaryIO, size: int) -> Layout | None:
    """Return what is in an AU file; None if libsndfile must decide."""
    head = read_at(file, 12, 0)
    start, claim = struct.unpack((">" if head[:4] == b".snd" else "<") + "II", head[4:])
    if not 24 <= start < size:
        return None
    missing = 0 if _is_placeholder(claim) else _missing(claim, size - start, start)
    # Nothing follows the samples of an AU file.
    samples = _Samples(start, size, missing, claim != size - start)
    return _layout(file, samples, (head[:8], b"\xff" * 4, (12, size)))


def _layout(file: BinaryIO, samples: _Samples, spans: tuple[Span, ...]) -> Layout | None:
    """Return the file as it is if libsndfile finds the same samples, else with another header.

    Args:
        file: the file.
        samples: where the samples are.
        spans: the samples behind a header that states where they are.
    """
    available = samples.stop - samples.start
    decoder, corrected = _decoder(file, None), Part(0, 0, spans)
    part = None
    if decoder is None or _frames(decoder, available, samples.corrected) != decoder.frames:
        decoder, part = _decoder(file, corrected), corrected
    if decoder is None:
        return None
    frames = stated = decoder.frames
    if samples.missing and decoder.subtype not in _WIDTHS:
        # Compressed samples have no fixed number of bytes.
        frames = decodable_frames(file, part)
    if samples.missing and frames == stated:
        stated += round(samples.missing * frames / available) if available else 0
    parts = (Part(0, frames, None if part is None else part.spans),)
    follows = read_at(file, 5, samples.stop).lstrip(b"\0").startswith(_MAGIC)
    damage = "another file is joined to its end, which is not used" if follows else ""
    return Layout(parts, decoder.rate, decoder.channels, stated, damage)


def _decoder(file: BinaryIO, part: Part | None) -> Decoder | None:
    try:
        return Decoder(file, part)
    except sf.SoundFileError:
        return None


def _frames(decoder: Decoder, available: int, corrected: bool) -> int:
    """Return the number of samples in so many bytes; -1 if it is not known."""
    width = _WIDTHS.get(decoder.subtype)
    if width is not None:
        return available // (width * decoder.channels)
    return -1 if corrected else decoder.frames


def _chunks(file: BinaryIO, position: int, size: int, syntax: _Syntax) -> Iterator[_Chunk]:
    """Yield the chunks from a position on, as their sizes lead from one to the next."""
    n_head = struct.calcsize(syntax.head)
    for _ in range(_MAX_CHUNKS):
        head = read_at(file, n_head, position)
        if len(head) < n_head:
            return
        name, length = struct.unpack(syntax.head, head)
        yield _Chunk(name, position + n_head, length)
        position += n_head + max(length, 0)
        position += -position % syntax.align
        if position >= size:
            return


def _chunks_until(
    last: bytes, file: BinaryIO, position: int, size: int, syntax: _Syntax
) -> dict[bytes, _Chunk]:
    """Return the first chunk of each name, up to the one with the samples."""
    found: dict[bytes, _Chunk] = {}
    for chunk in _chunks(file, position, size, syntax):
        found.setdefault(chunk.name, chunk)
        if chunk.name == last:
            break
    return found


def _locate(file: BinaryIO, size: int, data: _Chunk, total: int, syntax: _Syntax) -> _Samples:
    """Compare the size in the head of the samples with what is there.

    Args:
        file: the file.
        size: its bytes.
        data: position and stated size of the samples.
        total: end of the file that the header states.
        syntax: of chunks.
    """
    there = size - data.start
    if data.size >= there or _is_placeholder(data.size):
        stop = size if data.size == there else _end_before_trailers(file, data.start, size, syntax)
        missing = 0
        if not _is_placeholder(data.size):
            missing = _missing(data.size, there, data.start)
        return _Samples(data.start, stop, missing, data.size != there)
    stop = data.start + data.size
    padded = stop + -stop % syntax.align
    if (
        size - padded <= 1
        or _is_chain(file, padded, size, syntax)
        or _is_chain(file, stop, size, syntax)
        or read_at(file, 12, stop).startswith(_TAGS)
        or (total in {stop, padded} and size - stop < _MIN_SOUND_BYTES)
        or _is_zero(file, stop, size)
    ):
        return _Samples(data.start, stop)
    stop = _end_before_trailers(file, data.start, size, syntax)
    return _Samples(data.start, stop, corrected=True)


def _is_placeholder(size: int) -> bool:
    return any(low <= size <= high for low, high in _PLACEHOLDERS)


def _missing(claim: int, there: int, header: int) -> int:
    """Return the missing bytes; a size that counts the header, too, lacks nothing."""
    return 0 if claim - there <= header else claim - there


def _is_chain(
    file: BinaryIO, position: int, size: int, syntax: _Syntax, *, may_be_cut: bool = True
) -> bool:
    """Return whether chunks follow one another from a position to the end of the file."""
    end = position
    for chunk in _chunks(file, position, size, syntax):
        if not _CHUNK_NAME.fullmatch(chunk.name) or chunk.size < 0:
            return False
        end = chunk.start + chunk.size
        # The last chunk can be cut short; an unknown name is then no evidence.
        if end > size + 1:
            return may_be_cut and _TRAILERS.fullmatch(chunk.name) is not None
    # Fewer bytes than the head of a chunk can follow the last one.
    return end > position and size - end < struct.calcsize(syntax.head)


def _end_before_trailers(file: BinaryIO, first: int, size: int, syntax: _Syntax) -> int:
    """Return where chunks behind the samples begin; the end of the file if there are none."""
    low = max(size - _SEARCHED_BYTES, first)
    content = read_at(file, size - low, low)
    for match in _TRAILERS.finditer(content):
        if _is_chain(file, low + match.start(), size, syntax, may_be_cut=False):
            return low + match.start()
    return size


def _whole_blocks(samples: _Samples, fmt: bytes, syntax: _Syntax) -> _Samples:
    """Return compressed samples without the part of a block at the end, which is no sound."""
    if len(fmt) < 16 or not samples.corrected:
        return samples
    tag, block = struct.unpack_from(syntax.head[0] + "H10xH", fmt)
    if tag in _UNCOMPRESSED or not block:
        return samples
    return replace(samples, stop=samples.stop - (samples.stop - samples.start) % block)


def _is_zero(file: BinaryIO, start: int, stop: int) -> bool:
    for position in range(start, stop, _READ_BYTES):
        if read_at(file, min(_READ_BYTES, stop - position), position).strip(b"\0"):
            return False
    return True


def _wave_header(syntax: _Syntax, fmt: bytes, samples: _Samples) -> bytes:
    """Return the header of a WAV file, or of an RF64 file above 4 GB."""
    length = samples.stop - samples.start
    order = syntax.head[0]
    body = b"fmt " + struct.pack(order + "I", len(fmt)) + fmt + b"\0" * (len(fmt) % 2) + b"data"
    if length < _LARGEST_RIFF:
        magic = b"RIFX" if syntax is _BIG else b"RIFF"
        total = struct.pack(order + "I", 4 + len(body) + 4 + length)
        return magic + total + b"WAVE" + body + struct.pack(order + "I", length)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, 40 + len(body) + length, length, 0, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + sizes + body + b"\xff" * 4

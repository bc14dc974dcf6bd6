"""FLAC: how many samples decode, whatever STREAMINFO states (RFC 9639)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import BinaryIO

import soundfile as sf

from darksound.audio.formats.decoder import Decoder
from darksound.audio.formats.views import Layout, Part, Span, after_id3, read_at, whole_file

__all__ = ["inspect_flac", "repair_flac"]

_SYNC = re.compile(rb"\xff[\xf8\xf9]")
# The longest head of a frame.
_MAX_HEAD = 16
# The last frame is searched for in so many bytes at first, then in steps of so many.
_TAIL_BYTES, _READ_BYTES = 1 << 16, 1 << 20
# Frames at the end of a file that are tried before all of it is decoded.
_MAX_TRIED = 20
# Damaged places that are passed over; at the next one the sound ends.
_MAX_DAMAGES = 1000
_MAX_TOTAL, _MAX_BLOCK = (1 << 36) - 1, 65_536
# Codes in the head of a frame: samples per channel, rate in Hz, bits of a sample.
_BLOCKS = {1: 192, 2: 576, 3: 1152, 4: 2304, 5: 4608} | {n: 256 << (n - 8) for n in range(8, 16)}
_RATES = {1: 88_200, 2: 176_400, 3: 192_000, 4: 8_000, 5: 16_000, 6: 22_050, 7: 24_000, 8: 32_000,
          9: 44_100, 10: 48_000, 11: 96_000}  # fmt: skip
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}


@dataclass(frozen=True)
class _Stream:
    """What STREAMINFO states, and where the frames begin.

    Attributes:
        content: of STREAMINFO.
        first: position of the first frame.
        block: samples of all frames but the last, or the largest number of them.
        is_fixed: whether all frames but the last have so many.
        is_consistent: whether STREAMINFO states what the first frame does.
    """

    content: bytes
    first: int
    block: int
    is_fixed: bool = False
    is_consistent: bool = True

    @property
    def rate(self) -> int:
        """Return the sampling rate in Hz."""
        return int.from_bytes(self.content[10:13], "big") >> 4

    @property
    def channels(self) -> int:
        """Return the number of channels."""
        return (self.content[12] >> 1 & 7) + 1

    @property
    def bits(self) -> int:
        """Return the bits of a sample."""
        return (self.content[12] << 4 & 16 | self.content[13] >> 4) + 1

    @property
    def total(self) -> int:
        """Return the samples per channel; 0 if it is not known."""
        return int.from_bytes(self.content[13:18], "big") & _MAX_TOTAL

    def spans(self, total: int, frames: Span) -> tuple[Span, ...]:
        """Return a stream of these frames whose STREAMINFO states another number of samples."""
        content = self.content[:13] + (
            (self.content[13] >> 4) << 36 | min(total, _MAX_TOTAL)
        ).to_bytes(5, "big")
        blocks = self.block.to_bytes(2, "big") * 2 if self.is_fixed else content[:4]
        # The sizes of frames and the checksum of the sound are set to "unknown". The block of
        # STREAMINFO is marked as the last one before the frames.
        return (b"fLaC\x80\0\0\x22" + blocks + bytes(6) + content[10:] + bytes(16), frames)


@dataclass(frozen=True)
class _Frame:
    """A frame: its position in the file, its first sample, and its samples per channel."""

    offset: int
    start: int
    block: int

    @property
    def stop(self) -> int:
        """Return the sample after its last one."""
        return self.start + self.block


def inspect_flac(file: BinaryIO, size: int) -> Layout | None:
    """Return what is in a FLAC file; None if libsndfile must decide.

    The number of samples is trusted if the last frame ends there and can be decoded.
    """
    stream = _read_stream(file, size)
    if stream is None:
        return None
    tail = max(size - _TAIL_BYTES, stream.first)
    last = next(_frames_backwards(file, stream, tail, size), None)
    is_right = last is not None and last.stop == stream.total and stream.is_consistent
    if is_right and _decodes(file, None, stream.total):
        return Layout(whole_file(stream.total), stream.rate, stream.channels, stream.total)
    for count, last in enumerate(_frames_backwards(file, stream, stream.first, size)):
        part = Part(0, last.stop, stream.spans(last.stop, (stream.first, size)))
        if _decodes(file, part, last.stop):
            damage = "its last frames cannot be decoded" if count else ""
            return _layout(stream, (part,), damage)
        if count == _MAX_TRIED:
            break
    return repair_flac(file, size)


def repair_flac(file: BinaryIO, size: int) -> Layout | None:
    """Return those frames of a FLAC file that can be decoded, at their places in time.

    All of it is decoded. Returns None if libsndfile must decide.
    """
    stream = _read_stream(file, size)
    if stream is None:
        return None
    frames = _consistent([*_frames_backwards(file, stream, stream.first, size)][::-1])
    parts: list[Part] = []
    first = 0
    while first < len(frames) and len(parts) < _MAX_DAMAGES:
        n_good = _count_decodable(file, size, stream, frames[first:])
        if n_good:
            begin, end = frames[first], frames[first + n_good - 1].stop
            spans = stream.spans(end, (begin.offset, size))
            parts.append(Part(begin.start, end - begin.start, spans, begin.start))
        first += n_good or 1
    return _layout(stream, tuple(parts), "some of its frames cannot be decoded") if parts else None


def _layout(stream: _Stream, parts: tuple[Part, ...], damage: str) -> Layout:
    return Layout(parts, stream.rate, stream.channels, stream.total or None, damage)


def _decodes(file: BinaryIO, part: Part | None, stop: int) -> bool:
    """Return whether the sample before `stop` can be decoded."""
    try:
        decoder = Decoder(file, part)
        decoder.seek(stop - 1)
        return len(decoder.read(1)) == 1
    except (sf.SoundFileError, OSError):
        return False


def _consistent(frames: Sequence[_Frame]) -> list[_Frame]:
    """Return the frames whose numbers increase.

    Bytes that look like the head of a frame by chance have any number: they are left out where the
    frame behind them continues what is before them.
    """
    kept: list[_Frame] = []
    for frame, after in zip_longest(frames, frames[1:]):
        stop = kept[-1].stop if kept else 0
        if frame.start < stop or (frame.start > stop and after and after.start == stop):
            continue
        kept.append(frame)
    return kept


def _count_decodable(file: BinaryIO, size: int, stream: _Stream, frames: Sequence[_Frame]) -> int:
    """Return how many of the frames, from the first one on, follow one another and decode."""
    spans = stream.spans(_MAX_TOTAL, (frames[0].offset, size))
    count, stop = 0, frames[0].start
    try:
        decoder = Decoder(file, Part(0, 0, spans))
        for frame in frames:
            if frame.start != stop or len(decoder.read(frame.block)) < frame.block:
                break
            count, stop = count + 1, frame.stop
    except (sf.SoundFileError, OSError):
        pass
    return count


def _read_stream(file: BinaryIO, size: int) -> _Stream | None:
    """Read the blocks of metadata; None if there is no STREAMINFO, or no frame behind them."""
    position = after_id3(file)
    if read_at(file, 4, position) != b"fLaC":
        return None
    position += 4
    content = b""
    while position < size:
        head = read_at(file, 4, position)
        if len(head) < 4:
            return None
        length = int.from_bytes(head[1:], "big")
        if head[0] & 0x7F == 0 and not content:
            content = read_at(file, 34, position + 4)
        position += 4 + length
        if head[0] & 0x80:
            return _stream(file, content, position) if len(content) == 34 else None
    return None


def _stream(file: BinaryIO, content: bytes, first: int) -> _Stream:
    """Return a stream with the block length of its first frame, which is what decoders use."""
    head = read_at(file, _MAX_HEAD, first)
    for stated in (content, _as_in_frame(content, head)):
        parsed = _parse_frame(head, _Stream(stated, first, _MAX_BLOCK))
        if parsed is not None:
            is_fixed, block = not head[1] & 1, parsed[1]
            is_right = stated == content and (
                not is_fixed or content[2:4] == block.to_bytes(2, "big")
            )
            return _Stream(stated, first, block, is_fixed, is_right)
    return _Stream(content, first, int.from_bytes(content[2:4], "big"))


def _as_in_frame(content: bytes, head: bytes) -> bytes:
    """Return STREAMINFO with rate, channels and bits of the head of a frame that states them."""
    if len(head) < 4 or (head[3] >> 4) > 10:
        return content
    rate, bits = _RATES.get(head[2] & 15), _BITS.get(head[3] >> 1 & 7)
    if rate is None or bits is None:
        return content
    channels = head[3] >> 4 if head[3] >> 4 < 8 else 1
    total = int.from_bytes(content[10:18], "big") & _MAX_TOTAL
    stated = rate << 44 | channels << 41 | (bits - 1) << 36 | total
    return content[:10] + stated.to_bytes(8, "big") + content[18:]


def _frames_backwards(file: BinaryIO, stream: _Stream, first: int, stop: int) -> Iterator[_Frame]:
    """Yield the frames between two positions, the last one first."""
    for high in range(stop, first, -_READ_BYTES):
        low = max(high - _READ_BYTES, first)
        content = read_at(file, high - low + _MAX_HEAD, low)
        for match in reversed([*_SYNC.finditer(content, 0, high - low + 1)]):
            parsed = _parse_frame(content[match.start() : match.start() + _MAX_HEAD], stream)
            if parsed is not None and low + match.start() < high:
                yield _Frame(low + match.start(), *parsed)


def _parse_frame(head: bytes, stream: _Stream) -> tuple[int, int] | None:
    """Return first sample and number of samples of a frame; None if it is not the head of one."""
    if len(head) < 6 or head[3] & 1:
        return None
    block_code, rate_code = head[2] >> 4, head[2] & 15
    channel_code, bits_code = head[3] >> 4, head[3] >> 1 & 7
    channels = channel_code + 1 if channel_code < 8 else 2
    if (
        channel_code > 10
        or channels != stream.channels
        or _BITS.get(bits_code, stream.bits) != stream.bits
        or _RATES.get(rate_code, stream.rate) != stream.rate
        or rate_code == 15
    ):
        return None
    number, position = _utf_8_number(head)
    n_block, n_rate = {6: 1, 7: 2}.get(block_code, 0), {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    end = position + n_block + n_rate
    if number is None or len(head) <= end or _crc_8(head[:end]) != head[end]:
        return None
    written = int.from_bytes(head[position : position + n_block], "big") + 1
    block = written if n_block else _BLOCKS.get(block_code, 0)
    is_variable = head[1] & 1
    if not 0 < block <= (_MAX_BLOCK if is_variable else stream.block):
        return None
    # A stream with frames of one length counts frames, others count samples.
    return (number if is_variable else number * stream.block), block


def _utf_8_number(head: bytes) -> tuple[int | None, int]:
    """Return the number from byte 4 on, coded as UTF-8 of up to 7 bytes, and where it ends."""
    lead = head[4]
    n_more = 0 if lead < 0x80 else 7 - (lead ^ 0xFF).bit_length()
    if (n_more == 0 and lead >= 0x80) or len(head) < 5 + n_more:
        return None, 0
    value = lead if n_more == 0 else lead & (0x3F >> n_more)
    for byte in head[5 : 5 + n_more]:
        if byte >> 6 != 2:
            return None, 0
        value = value << 6 | byte & 0x3F
    return value, 5 + n_more


def _crc_8(content: bytes) -> int:
    """Return the cyclic redundancy check of 8 bits with the polynomial x^8 + x^2 + x + 1."""
    crc = 0
    for byte in content:
        crc = _CRC_8[crc ^ byte]
    return crc


def _crc_8_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte << 1) ^ (0x107 if byte & 0x80 else 0)
    return byte


_CRC_8 = bytes(_crc_8_of(byte) for byte in range(256))

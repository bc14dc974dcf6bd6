"""Ogg (Vorbis, Opus, Speex, FLAC): which pages are there and whole (RFC 3533).

libsndfile reads the first stream of a file to the time of its last page, and passes over damaged
pages, so that what follows them is too early. Here each run of whole pages is a part of its own.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import soundfile as sf

from darksound.audio.formats.decoder import Decoder, decodable_frames
from darksound.audio.formats.views import Layout, Part, Span, read_at, whole_file

__all__ = ["inspect_ogg"]

_MAGIC = b"OggS"
_HEAD = struct.Struct("<4sBBqIIIB")
_BEGINS, _ENDS = 2, 4
_READ_BYTES = 1 << 20
_LONGEST_PAGE = 27 + 255 + 255 * 255
# A packet has at most so many samples: 120 ms of Opus, half of the longest block of Vorbis.
_MAX_PACKET = 5760
# No stream begins later than after 10,000 hours at 1 MHz.
_LATEST = 36_000_000_000_000
# Ticks of Opus, whatever the rate of the decoder.
_OPUS_RATE = 48_000
# A gap is at most so many times the longest page for each page that is missing.
_MAX_GAP = 4
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class _Page:
    """A page that is whole.

    Attributes:
        start: position of its first byte.
        stop: position after its last byte.
        flags: 2 at the begin of a stream, 4 at its end.
        time: sample that it ends at; -1 if no packet ends in it.
        serial: number of its stream.
        number: of the page in its stream.
        n_packets: packets that end in it.
    """

    start: int
    stop: int
    flags: int
    time: int
    serial: int
    number: int
    n_packets: int


@dataclass
class _Stream:
    """A stream: the pages with its headers, and the runs of the pages behind them."""

    headers: list[_Page]
    runs: list[list[_Page]]
    preskip: int = 0
    ticks: int = 0

    @property
    def is_whole(self) -> bool:
        """Return whether no page is missing."""
        return (
            len(self.runs) == 1
            and self.runs[0][0].number == self.headers[-1].number + 1
            and bool(self.runs[0][-1].flags & _ENDS)
        )


def inspect_ogg(file: BinaryIO, size: int) -> Layout | None:
    """Return what is in an Ogg file; None if libsndfile must decide."""
    pages = [*_pages(file, size)]
    streams = _streams(file, pages)
    if not streams or not streams[0].runs:
        return None
    n_packets = sum(page.n_packets for page in pages)
    if len(streams) == 1 and streams[0].is_whole:
        decoder = Decoder(file)
        if 0 < decoder.frames <= n_packets * _MAX_PACKET:
            return Layout(whole_file(decoder.frames), decoder.rate, decoder.channels)
    parts: list[Part] = []
    first: Decoder | None = None
    for stream in streams:
        begin = parts[-1].start + parts[-1].frames if parts else 0
        for part, decoder in _parts(file, stream, begin):
            first = first or decoder
            if (decoder.rate, decoder.channels) == (first.rate, first.channels):
                parts.append(part)
    if first is None:
        return None
    frames, damage = parts[-1].start + parts[-1].frames, ""
    last = [run for stream in streams for run in stream.runs][-1][-1]
    if not all(stream.is_whole for stream in streams):
        damage = "some of its pages are damaged or missing"
        if len(parts) == len(streams) == 1 and not last.flags & _ENDS:
            damage = "its end is missing"
    # What the bytes behind the last page, if they are a part of the stream, had room for.
    lost = 0 if last.flags & _ENDS else round(frames * (size - last.stop) / last.stop)
    return Layout(tuple(parts), first.rate, first.channels, frames + lost, damage)


def _parts(file: BinaryIO, stream: _Stream, begin: int) -> Iterator[tuple[Part, Decoder]]:
    """Yield a part for each run of pages, at its place in time.

    Args:
        file: the file.
        stream: of it.
        begin: first sample of the stream.
    """
    origin, stop, before = 0, begin, stream.headers[-1]
    headers: list[Span] = [(page.start, page.stop) for page in stream.headers]
    for run in stream.runs:
        spans = (*headers, (run[0].start, run[-1].stop))
        try:
            decoder = Decoder(file, Part(0, 0, spans))
            frames = decodable_frames(file, Part(0, 0, spans))
        except sf.SoundFileError:
            continue
        if not frames:
            continue
        ticks = stream.ticks or decoder.rate
        end = (max(page.time for page in run) - stream.preskip) * decoder.rate // ticks
        start = begin + end - frames - origin
        n_lost = run[0].number - before.number - 1
        if before is stream.headers[-1] and n_lost == 0:
            # A stream may begin at any time.
            origin, start = end - frames, begin
        longest = max(frames // len(run), decoder.rate)
        if not stop <= start <= stop + _MAX_GAP * longest * max(n_lost, 1):
            start = stop
        yield Part(start, frames, spans), decoder
        stop, before = start + frames, run[-1]


def _streams(file: BinaryIO, pages: Sequence[_Page]) -> list[_Stream]:
    """Return the streams that follow one another; none if they are interleaved or unknown."""
    streams: list[_Stream] = []
    n_missing = serial = 0
    before: _Page | None = None
    for page in pages:
        if page.flags & _BEGINS:
            if before is not None and before.flags & _BEGINS:
                return []
            n_missing, preskip, ticks = _header_packets(file, page)
            n_missing -= page.n_packets
            serial = page.serial
            streams.append(_Stream([page], [], preskip, ticks))
        elif page.serial != serial or not streams:
            # Another stream, whose headers are not there.
            continue
        elif n_missing > 0:
            if page.number != streams[-1].headers[-1].number + 1:
                serial = -1
                streams.pop()
                continue
            n_missing -= page.n_packets
            streams[-1].headers.append(page)
        else:
            runs = streams[-1].runs
            follows = bool(runs) and before is not None and page.number == before.number + 1
            if not _is_plausible(page, runs[-1] if follows else []):
                continue
            if follows:
                runs[-1].append(page)
            else:
                runs.append([page])
        before = page
    return streams


def _is_plausible(page: _Page, run: Sequence[_Page]) -> bool:
    """Return whether the packets of a page can fill the time since the pages before it."""
    if page.n_packets == 0 and page.time == -1:
        return True
    if not run:
        return 0 <= page.time < _LATEST
    before = max(other.time for other in run)
    return before <= page.time <= before + (page.n_packets + 1) * _MAX_PACKET


def _header_packets(file: BinaryIO, page: _Page) -> tuple[int, int, int]:
    """Return the packets in front of the sound, samples of Opus to leave out, and its ticks."""
    content = read_at(file, 64, page.start + 28)
    if content[:7] == b"\x01vorbis":
        return 3, 0, 0
    if content[:8] == b"OpusHead":
        return 2, int.from_bytes(content[10:12], "little"), _OPUS_RATE
    if content[:5] == b"\x7fFLAC":
        return 1 + int.from_bytes(content[7:9], "big"), 0, 0
    return 2, 0, 0


def _pages(file: BinaryIO, size: int) -> Iterator[_Page]:
    """Yield the pages whose checksum is right, wherever they are."""
    content, base, position = b"", 0, 0
    while position < size:
        if position + _LONGEST_PAGE > base + len(content) < size:
            content, base = read_at(file, _READ_BYTES, position), position
        page = _parse_page(content, position - base, base)
        if page is not None:
            yield page
            position = page.stop
            continue
        found = content.find(_MAGIC, position - base + 1)
        # The end of the block may have the begin of the mark.
        position = base + (found if found >= 0 else max(len(content) - 3, position - base + 1))


def _parse_page(content: bytes, offset: int, base: int) -> _Page | None:
    """Return the page at an offset; None if there is none, or it is damaged."""
    head = content[offset : offset + 27]
    if len(head) < 27 or head[:4] != _MAGIC:
        return None
    _, _, flags, time, serial, number, checksum, n_segments = _HEAD.unpack(head)
    segments = content[offset + 27 : offset + 27 + n_segments]
    stop = offset + 27 + n_segments + sum(segments)
    if len(segments) < n_segments or stop > len(content):
        return None
    if _checksum(head[:22] + bytes(4) + content[offset + 26 : stop]) != checksum:
        return None
    n_packets = n_segments - segments.count(255)
    return _Page(base + offset, base + stop, flags, time, serial, number, n_packets)


def _checksum(content: bytes) -> int:
    """Return the cyclic redundancy check of a page.

    It is that of zlib with the bits of each byte and of the result in reverse order, and without
    the inversions at both ends.
    """
    crc = zlib.crc32(content.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")

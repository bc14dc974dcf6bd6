"""MP3: the frames that are there, counted without decoding them (ISO/IEC 11172-3 and 13818-3).

A header of the encoder (Xing, Info or VBRI) that states their number is optional, and wrong where
files were joined or cut.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

import soundfile as sf

from darksound.audio.formats.decoder import Decoder, count_frames
from darksound.audio.formats.views import Layout, Part, Span, after_id3, read_at, whole_file

__all__ = ["inspect_mpeg"]

_KBIT = {
    # By version 1 or not, and layer.
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
# Version by its two bits: 2.5, none, 2, 1; as the divisor of rates.
_DIVISORS = {0: 4, 2: 2, 3: 1}
# So many frames in a row are sound, not chance.
_MIN_CHAIN = 3
_READ_BYTES = 1 << 20
_LONGEST_FRAME = 4096
# Junk in front of the first frame is passed over up to so many bytes.
_MAX_JUNK = 1 << 20
# Samples by which libmpg123's output is late.
_DECODER_DELAY = 529


@dataclass(frozen=True)
class _Kind:
    """What is the same in all frames of a stream, and what this frame has.

    Attributes:
        length: bytes of the frame.
        samples: per channel.
        rate: sampling rate in Hz.
        side: bytes between the head of the frame and the data, in layer 3.
        same: the bits that all frames of a stream share.
        layer: 1, 2 or 3.
    """

    length: int
    samples: int
    rate: int
    side: int
    same: int
    layer: int


@dataclass(frozen=True)
class _Run:
    """Consecutive frames.

    Attributes:
        start: position of the first one.
        stop: position after the last one.
        count: their number.
        gap: bytes in front of them that are neither frames nor tags.
    """

    start: int
    stop: int
    count: int
    gap: int = 0


@dataclass(frozen=True)
class _Index:
    """What the encoder's header states: frames, and samples to leave out at both ends."""

    frames: int | None = None
    delay: int = 0
    padding: int = 0
    has_delay: bool = False


def inspect_mpeg(file: BinaryIO, size: int) -> Layout | None:
    """Return what is in an MP3 file; None if libsndfile must decide.

    Layers 1 and 2 have no header of the encoder.
    """
    stop = _before_tags(file, size)
    start = after_id3(file)
    first = _first_frame(file, start, stop)
    if first is None:
        return None
    kind = _kind(int.from_bytes(read_at(file, 4, first), "big"))
    if kind is None or kind.layer != 3:
        return None
    runs = [*_runs(file, first, stop, kind)]
    index = _read_index(read_at(file, kind.length, first), kind)
    if index is not None and runs:
        runs[0] = _Run(first + kind.length, runs[0].stop, runs[0].count - 1)
    n_frames = sum(run.count for run in runs)
    decoder = _decoder(file, None)
    if decoder is not None and len(runs) == 1 and n_frames:
        # libmpg123 leaves out its own delay and what the encoder added at both ends.
        trimmed = index.delay + index.padding + 2 * _DECODER_DELAY if index is not None else 0
        is_complete = runs[0].stop == stop if index is None else index.frames == n_frames
        if is_complete and 0 <= n_frames * kind.samples - decoder.frames <= trimmed:
            damage = _other_frames(file, runs[0].stop, stop)
            parts = whole_file(decoder.frames)
            return Layout(parts, decoder.rate, decoder.channels, None, damage)
    if index is None and runs and not _is_padding(file, first, start):
        runs[0] = _Run(first, runs[0].stop, runs[0].count, first - start)
    return _corrected(file, stop, [run for run in runs if run.count], index or _Index(), kind)


def _corrected(
    file: BinaryIO, stop: int, runs: list[_Run], index: _Index, kind: _Kind
) -> Layout | None:
    """Return the frames behind a header that states their number, with silence for lost ones."""
    if not runs:
        return None
    n_frames = sum(run.count for run in runs)
    mean_length = sum(run.stop - run.start for run in runs) / n_frames
    gaps = [run.gap for run in runs]
    lost: list[int] = [round(gap / mean_length) for gap in gaps]
    if index.frames is not None and any(gaps):
        # What is missing may be missing at the end, too.
        n_lost = min(max(index.frames - n_frames, 0), round(1.1 * sum(lost)) + 1)
        lost = [round(n_lost * gap / sum(gaps)) for gap in gaps]
    head = read_at(file, 4, runs[0].start)
    silence = _silence(head)
    spans: list[Span] = [_index_frames(head, n_frames + sum(lost), index)]
    for run, n_silent in zip(runs, lost, strict=True):
        spans += [silence * n_silent, (run.start, run.stop)]
    part = Part(0, 0, tuple(spans))
    decoder = _decoder(file, part)
    if decoder is None:
        return None
    frames, damage = decoder.frames, ""
    if any(gaps) or stop - runs[-1].stop >= _LONGEST_FRAME:
        frames = min(frames, count_frames(decoder, kind.samples))
        if frames < decoder.frames or any(lost):
            damage = "some of its frames cannot be decoded"
    damage = damage or _other_frames(file, runs[-1].stop, stop)
    n_tail = int((stop - runs[-1].stop) / mean_length)
    if index.frames is None and _is_frame(file, runs[-1].stop, kind.same):
        # The last frame is cut, as programs that copy a part of a file leave it.
        n_tail = 0
    stated = decoder.frames + n_tail * kind.samples
    if index.frames is not None:
        stated = index.frames * kind.samples - index.delay - index.padding
    part = Part(0, frames, part.spans)
    return Layout((part,), decoder.rate, decoder.channels, stated, damage, sum(lost) * kind.samples)


def _decoder(file: BinaryIO, part: Part | None) -> Decoder | None:
    try:
        return Decoder(file, part)
    except sf.SoundFileError:
        return None


@lru_cache(maxsize=4096)
def _kind(head: int) -> _Kind | None:
    """Return what the four bytes at the start of a frame state; None if they start none."""
    divisor = _DIVISORS.get(head >> 19 & 3)
    layer, bitrate, rate = 4 - (head >> 17 & 3), head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or divisor is None or layer == 4 or rate == 3 or not 0 < bitrate < 15:
        return None
    hz = _RATES[rate] // divisor
    bits = 1000 * _KBIT[divisor == 1, layer][bitrate - 1]
    padding, is_mono = head >> 9 & 1, head >> 6 & 3 == 3
    if layer == 1:
        length, samples = 4 * (12 * bits // hz + padding), 384
    else:
        samples = 576 if layer == 3 and divisor > 1 else 1152
        length = samples // 8 * bits // hz + padding
    side = (17 if is_mono else 32) if divisor == 1 else (9 if is_mono else 17)
    return _Kind(length, samples, hz, side, head & 0xFFFE_0C00 | is_mono, layer)


def _before_tags(file: BinaryIO, size: int) -> int:
    """Return where the tags at the end of a file begin: APEv2, and ID3v1 behind it."""
    stop = size
    if read_at(file, 3, max(stop - 128, 0)) == b"TAG":
        stop -= 128
    footer = read_at(file, 32, max(stop - 32, 0))
    if footer[:8] == b"APETAGEX":
        length, flags = struct.unpack("<12xI4xI8x", footer)
        stop -= min(length + (32 if flags >> 31 else 0), stop)
    return stop


def _is_padding(file: BinaryIO, first: int, start: int) -> bool:
    """Return whether the bytes in front of the first frame are the padding behind a tag."""
    return start > 0 and not read_at(file, first - start, start).strip(b"\0")


def _after_tags(file: BinaryIO, position: int) -> int:
    """Return the position behind the tags at a position, as they are between joined files."""
    if read_at(file, 3, position) == b"TAG":
        position += 128
    return after_id3(file, position)


def _other_frames(file: BinaryIO, position: int, stop: int) -> str:
    """Return what is wrong if frames of another kind follow the last one; else an empty text."""
    if stop - position < _LONGEST_FRAME or _first_frame(file, position, stop) is None:
        return ""
    return "another rate or number of channels begins within it, which is left out"


def _is_frame(file: BinaryIO, position: int, same: int) -> bool:
    """Return whether a frame of a kind begins at a position."""
    kind = _kind(int.from_bytes(read_at(file, 4, position), "big"))
    return kind is not None and kind.same == same


def _first_frame(file: BinaryIO, start: int, stop: int) -> int | None:
    """Return the position of the first frame that others of its kind follow."""
    content = read_at(file, min(stop - start, _MAX_JUNK + _LONGEST_FRAME), start)
    for match in re.finditer(rb"\xff[\xe2-\xff][\x10-\xeb]", content):
        kind = _kind(int.from_bytes(content[match.start() : match.start() + 4], "big"))
        if kind and _is_chain(file, start + match.start(), stop, kind.same):
            return start + match.start()
    return None


def _is_chain(file: BinaryIO, position: int, stop: int, same: int) -> bool:
    """Return whether frames of a kind follow one another from a position on."""
    for count in range(_MIN_CHAIN):
        kind = _kind(int.from_bytes(read_at(file, 4, position), "big"))
        if kind is None or kind.same != same or position + kind.length > stop:
            return count > 0 and position == stop
        position += kind.length
    return True


def _runs(file: BinaryIO, position: int, stop: int, kind: _Kind) -> Iterator[_Run]:
    """Yield the runs of consecutive frames of a kind; what lies between them is passed over."""
    following: int | None = position
    while following is not None:
        start, gap, count = following, following - position, 0
        position = start
        for end in _frame_ends(file, position, stop, kind.same):
            position, count = end, count + 1
        yield _Run(start, position, count, gap)
        position = _after_tags(file, position)
        following = _resync(file, position, stop, kind.same)


def _frame_ends(file: BinaryIO, position: int, stop: int, same: int) -> Iterator[int]:
    """Yield the end of each frame that follows from a position on."""
    content, base = b"", position
    while True:
        offset = position - base
        if offset + 4 > len(content):
            content, base, offset = read_at(file, _READ_BYTES, position), position, 0
        kind = _kind(int.from_bytes(content[offset : offset + 4], "big"))
        if kind is None or kind.same != same or position + kind.length > stop:
            return
        position += kind.length
        yield position


def _resync(file: BinaryIO, position: int, stop: int, same: int) -> int | None:
    """Return the position of the next frame of a kind, past tags and junk; None at the end."""
    second, third = same >> 16 & 0xFE, same >> 8 & 0x0C
    thirds = bytes(b << 4 | third | low for b in range(1, 15) for low in range(4))
    sync = re.compile(b"\xff[%s][%s]" % (re.escape(bytes({second, second | 1})), re.escape(thirds)))
    while position < stop:
        content = read_at(file, min(_READ_BYTES, stop - position), position)
        for match in sync.finditer(content):
            if _is_chain(file, position + match.start(), stop, same):
                return position + match.start()
        position += max(len(content) - 2, 1)
    return None


def _read_index(frame: bytes, kind: _Kind) -> _Index | None:
    """Return what the encoder's header states; None if the frame is none."""
    if frame[36:40] == b"VBRI":
        return _Index(int.from_bytes(frame[50:54], "big"))
    start = 4 + kind.side
    if frame[start : start + 4] not in {b"Xing", b"Info"}:
        return None
    flags = int.from_bytes(frame[start + 4 : start + 8], "big")
    position = start + 8
    frames = int.from_bytes(frame[position : position + 4], "big") if flags & 1 else None
    position += 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags & 8) // 2
    has_delay = len(frame) >= position + 24 and any(frame[position : position + 4])
    ends = int.from_bytes(frame[position + 21 : position + 24], "big") if has_delay else 0
    return _Index(frames, ends >> 12, ends & 0xFFF, has_delay)


def _index_frames(head: bytes, n_frames: int, index: _Index) -> bytes:
    """Return a frame with a header of an encoder that states the number of frames.

    libmpg123 then leaves out at least its own delay at the start. Where the file has no such
    header, and nothing is to be left out, a frame of silence is put in front of the others.
    """
    for bitrate in range(1, 15):
        candidate = head[:1] + bytes([head[1] | 1, bitrate << 4 | head[2] & 0x0C]) + head[3:]
        kind = _kind(int.from_bytes(candidate, "big"))
        if kind is not None and kind.length >= 4 + kind.side + 64:
            break
    assert kind is not None
    delay, padding, silence = kind.samples - _DECODER_DELAY, _DECODER_DELAY, _silence(head)
    if index.has_delay:
        delay, silence = index.delay, b""
        padding = index.padding if index.frames == n_frames else _DECODER_DELAY
    content = b"Info" + struct.pack(">II", 1, n_frames + bool(silence)) + b"LAME3.100" + bytes(12)
    content += (delay << 12 | padding).to_bytes(3, "big")
    return (candidate + bytes(kind.side) + content).ljust(kind.length, b"\0") + silence


def _silence(head: bytes) -> bytes:
    """Return a frame without sound."""
    kind = _kind(int.from_bytes(head, "big"))
    assert kind is not None
    return (head[:1] + bytes([head[1] | 1]) + head[2:4]).ljust(kind.length, b"\0")

"""Metadata in sound files made by hand, byte by byte: WAV, FLAC, Ogg and MP3; damage."""

import logging
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from darksound.audio.recorder_headers import read_header
from darksound.audio.recording_metadata import read_recording_metadata

GUANO = b"GUANO|Version:1.0\nTimestamp:2022-01-01T05:30:00+1:00\nMake:Titley\nModel:Swift\n"
WAMD = struct.pack("<HI", 0, 2) + b"\1\0" + struct.pack("<HI", 5, 25) + b"2019-05-22 05:00:00-03:30"
BEXT = struct.pack("<256s32s32s10s8s", b"", b"ZOOM", b"", b"2023-06-01", b"05:30:07") + bytes(264)
MOTH = b"Recorded at 05:30:00 01/02/2022 (UTC+2) by AudioMoth 24F319055FDF2902 at high gain."


def chunk(name: bytes, content: bytes, length: int | None = None, padding: bytes = b"\0") -> bytes:
    """Return a chunk of RIFF; `length` is stated in place of its real one."""
    stated = len(content) if length is None else length
    return struct.pack("<4sI", name, stated) + content + padding * (len(content) % 2)


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))
DATA = chunk(b"data", struct.pack("<100h", *range(100)))


def info(*entries: tuple[bytes, bytes]) -> bytes:
    return chunk(b"LIST", b"INFO" + b"".join(chunk(name, text) for name, text in entries))


def wav(path: Path, *chunks: bytes, magic: bytes = b"RIFF") -> Path:
    body = b"WAVE" + b"".join(chunks)
    path.write_bytes(magic + struct.pack("<I", len(body)) + body)
    return path


def vorbis(*comments: bytes, vendor: bytes = b"tests") -> bytes:
    lengths = (vendor, *comments)
    texts = [struct.pack("<I", len(text)) + text for text in lengths]
    return texts[0] + struct.pack("<I", len(comments)) + b"".join(texts[1:])


def flac(path: Path, *blocks: tuple[int, bytes], before: bytes = b"") -> Path:
    """Write the metadata blocks of FLAC after its first one; no sound follows."""
    parts = [(0, bytes(34)), *blocks]
    content = before + b"fLaC"
    for number, (kind, block) in enumerate(parts, start=1):
        last = 0x80 if number == len(parts) else 0
        content += bytes([kind | last]) + len(block).to_bytes(3) + block
    path.write_bytes(content)
    return path


def ogg(path: Path, packet: bytes) -> Path:
    """Write the first page of an Ogg stream, and its second packet on several more."""
    pages = b"OggS" + bytes(22) + b"\1\x1e" + b"\x01vorbis" + bytes(23)
    for at in range(0, len(packet), 255 * 200):
        part = packet[at : at + 255 * 200]
        laces = bytes([255] * (len(part) // 255) + [len(part) % 255])
        pages += b"OggS" + bytes(22) + bytes([len(laces)]) + laces + part
    path.write_bytes(pages)
    return path


def id3(*frames: tuple[bytes, bytes], version: int = 4, flags: int = 0) -> bytes:
    body = b""
    for name, text in frames:
        if version == 2:
            body += name + len(text).to_bytes(3) + text
        elif version == 3:
            body += name + len(text).to_bytes(4) + b"\0\0" + text
        else:
            size = len(text)
            body += name + bytes([0, 0, size >> 7, size & 0x7F]) + b"\0\0" + text
    size = len(body)
    return b"ID3" + bytes([version, 0, flags, 0, 0, size >> 7, size & 0x7F]) + body


@pytest.mark.parametrize(
    ("part", "start"),
    [
        (chunk(b"guan", GUANO), "2022-01-01T05:30:00+01:00"),
        (chunk(b"wamd", WAMD), "2019-05-22T05:00:00-03:30"),
        (chunk(b"bext", BEXT), "2023-06-01T05:30:07"),
        (info((b"IART", b"moth\0"), (b"ICMT", MOTH + b"\0")), "2022-02-01T05:30:00+02:00"),
        (info((b"ICRD", b"2022-01-01 05:30:00\0")), "2022-01-01T05:30:00"),
        (chunk(b"id3 ", id3((b"TDRC", b"\x032022-01-01T05:30:00"))), "2022-01-01T05:30:00"),
    ],
)
@pytest.mark.parametrize("magic", [b"RIFF", b"RF64"])
def test_chunks_before_and_after_the_sound_are_read(part, start, magic, tmp_path):
    for chunks in ((part, FMT, DATA), (FMT, DATA, part), (FMT, chunk(b"junk", b"abc"), DATA, part)):
        path = wav(tmp_path / "a.wav", *chunks, magic=magic)
        assert read_recording_metadata(path).recorded_at == start


def test_chunks_behind_the_sound_of_a_file_with_64_bit_sizes_are_read(tmp_path):
    sizes = chunk(b"ds64", struct.pack("<QQQI", 0, 200, 100, 0))
    data = struct.pack("<4sI", b"data", 0xFFFF_FFFF) + bytes(200)
    path = wav(tmp_path / "a.wav", sizes, FMT, data, chunk(b"guan", GUANO), magic=b"RF64")
    assert read_recording_metadata(path).recorded_at == "2022-01-01T05:30:00+01:00"


@pytest.mark.parametrize("stated", [0, 44, 244, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_chunks_behind_sound_of_another_size_than_stated_are_found(stated, tmp_path):
    silence = struct.pack("<4sI", b"data", stated) + bytes(200)
    path = wav(tmp_path / "a.wav", FMT, silence, chunk(b"guan", GUANO), chunk(b"wamd", WAMD))
    assert set(read_header(path).chunks) == {"guan", "wamd"}
    assert read_recording_metadata(path).recorded_at == "2022-01-01T05:30:00+01:00"


def test_a_chunk_behind_an_odd_one_is_found_with_and_without_padding(tmp_path):
    odd = GUANO + b"\n" if len(GUANO) % 2 == 0 else GUANO
    for padding in (b"\0", b" ", b""):
        path = wav(
            tmp_path / "a.wav", FMT, DATA, chunk(b"guan", odd, padding=padding),
            chunk(b"wamd", WAMD),
        )  # fmt: skip
        assert set(read_header(path).chunks) == {"guan", "wamd"}


@pytest.mark.parametrize(
    ("comments", "start", "recorder"),
    [
        ((b"RecordingStart=2021-02-05T03:59:46+1000", b"SensorUid=0012"),
         "2021-02-05T03:59:46+10:00", "0012"),
        ((b"RECORDINGSTART=2021-02-05 03:59:46",), "2021-02-05T03:59:46", None),
        ((b"COMMENT=" + MOTH, b"artist=AudioMoth"), "2022-02-01T05:30:00+02:00",
         "AudioMoth 24F319055FDF2902"),
        ((b"GUANO=" + GUANO,), "2022-01-01T05:30:00+01:00", "Titley Swift"),
        ((b"DATE=2022-01-01T05:30:00Z",), "2022-01-01T05:30:00+00:00", None),
        ((b"DATE=2022-01-01",), None, None),
    ],
)  # fmt: skip
def test_comments_of_flac_and_ogg_files_are_read(comments, start, recorder, tmp_path):
    block = vorbis(*comments)
    for path in (
        flac(tmp_path / "a.flac", (4, block)),
        flac(tmp_path / "b.flac", (6, b"picture" * 50), (4, block), (1, bytes(9000))),
        flac(tmp_path / "c.flac", (4, block), before=id3((b"TIT2", b"\3wren"))),
        ogg(tmp_path / "a.ogg", b"\x03vorbis" + block),
        ogg(tmp_path / "a.opus", b"OpusTags" + block),
    ):
        metadata = read_recording_metadata(path)
        assert (metadata.recorded_at, metadata.recorder) == (start, recorder)


def test_comments_that_libsndfile_writes_are_read(tmp_path):
    for suffix in ("flac", "ogg"):
        path = tmp_path / f"a.{suffix}"
        with sf.SoundFile(path, "w", 16_000, 1) as file:
            file.comment = MOTH.decode()
            file.write(np.zeros(1000))
        assert read_recording_metadata(path).recorded_at == "2022-02-01T05:30:00+02:00"
    path = tmp_path / "a.wav"
    with sf.SoundFile(path, "w", 16_000, 1) as file:
        file.date = "2022-01-01T05:30:00"
        file.write(np.zeros(1000))
    assert read_recording_metadata(path).recorded_at == "2022-01-01T05:30:00"


def test_chunks_that_are_blocks_of_applications_in_flac_are_read(tmp_path):
    block = b"riff" + chunk(b"guan", GUANO)
    for blocks in ((b"riff" + b"RIFF" + bytes(8), block), (b"guan" + GUANO,)):
        path = flac(tmp_path / "a.flac", *((2, content) for content in blocks))
        assert read_recording_metadata(path).recorded_at == "2022-01-01T05:30:00+01:00"


@pytest.mark.parametrize(
    ("tag", "start"),
    [
        (id3((b"TDRC", b"\x032022-01-01T05:30:00")), "2022-01-01T05:30:00"),
        (id3((b"TIT2", b"\0wren"), (b"COMM", b"\0eng\0" + MOTH)), "2022-02-01T05:30:00+02:00"),
        (
            id3((b"COMM", b"\1eng" + "\ufeff\0".encode("utf-16-le")
                 + ("\ufeff" + MOTH.decode()).encode("utf-16-le")), version=3),
            "2022-02-01T05:30:00+02:00",
        ),
        (id3((b"COM", b"\0eng\0" + MOTH), version=2), "2022-02-01T05:30:00+02:00"),
        (id3((b"TXXX", b"\0RecordingStart\0" + b"2022-01-01T05:30:00Z")),
         "2022-01-01T05:30:00+00:00"),
        (id3((b"TDRC", b"\x032022")), None),
        (id3((b"TDRC", b"\x07\xff\xfe")), None),
    ],
)  # fmt: skip
def test_tags_of_mp3_files_are_read(tag, start, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(tag + b"\xff\xfb" + bytes(400))
    assert read_recording_metadata(path).recorded_at == start


def test_texts_that_are_not_utf8_are_read_as_latin1(tmp_path):
    content = b"Timestamp:2022-01-01T05:30:00\nMake:M\xfcller\n"
    path = wav(tmp_path / "a.wav", FMT, DATA, chunk(b"guan", content))
    metadata = read_recording_metadata(path)
    assert (metadata.recorded_at, metadata.recorder) == ("2022-01-01T05:30:00", "Müller")


def test_parts_that_are_too_long_are_left_out_with_a_debug_line(tmp_path, caplog):
    path = tmp_path / "20220101_053000.wav"
    long = b"Timestamp:2000-01-01T00:00:00\n" + b" " * (1 << 20)
    with caplog.at_level(logging.DEBUG):
        wav(path, FMT, chunk(b"guan", long), chunk(b"guan", GUANO, length=0xFFFF_FFF0), DATA)
        assert read_recording_metadata(path).recorded_at == "2022-01-01T05:30:00"
        wav(path, FMT, DATA, chunk(b"guan", b"Timestamp:0000-13-01T00:00:00+99:00\n"))
        assert read_recording_metadata(path).recorded_at == "2022-01-01T05:30:00"
    assert "is too long to read" in caplog.text
    assert "its GUANO metadata has no valid time; ignored" in caplog.text


def test_little_is_read_of_a_file_full_of_text(tmp_path, monkeypatch):
    taken: list[bytes] = []

    def take(text: bytes) -> dict[str, str]:
        taken.append(text)
        return {}

    path = wav(tmp_path / "a.wav", FMT, *[chunk(b"LIST", b"INFO" + bytes(1 << 20 - 1))] * 20, DATA)
    monkeypatch.setattr("darksound.audio.recorder_headers._info_comments", take)
    read_header(path)
    assert sum(map(len, taken)) <= 1 << 22


SEEDS = [
    ("a.wav", lambda p: wav(p, FMT, DATA, chunk(b"guan", GUANO))),
    ("a.wav", lambda p: wav(p, FMT, DATA, chunk(b"wamd", WAMD))),
    ("a.wav", lambda p: wav(p, FMT, DATA, chunk(b"bext", BEXT))),
    ("a.wav", lambda p: wav(p, FMT, DATA, info((b"ICMT", MOTH), (b"ICRD", b"2022-01-01 05:30")))),
    ("a.wav", lambda p: wav(p, chunk(b"ds64", bytes(28)), FMT, DATA, magic=b"RF64")),
    ("a.wav", lambda p: wav(p, FMT, DATA, chunk(b"id3 ", id3((b"TDRC", b"\x032022"))))),
    ("a.flac", lambda p: flac(p, (4, vorbis(b"RecordingStart=2022-01-01T05:30:00Z")))),
    ("a.flac", lambda p: flac(p, (2, b"riff" + chunk(b"guan", GUANO)))),
    ("a.ogg", lambda p: ogg(p, b"\x03vorbis" + vorbis(b"COMMENT=" + MOTH))),
    ("a.mp3", lambda p: p.write_bytes(id3((b"COMM", b"\0eng\0" + MOTH)))),
    ("a.mp3", lambda p: p.write_bytes(id3((b"TXX", b"\1a"), version=2, flags=0xC0))),
]


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_damage_of_any_kind_raises_no_error(number, tmp_path):
    name, write = SEEDS[number]
    path = tmp_path / name
    write(path)
    good, draw = path.read_bytes(), random.Random(number)
    for _ in range(200):
        content = bytearray(good)
        for _ in range(draw.randrange(6)):
            content[draw.randrange(len(content))] = draw.choice((0, 255, draw.randrange(256)))
        if draw.random() < 0.3:
            del content[draw.randrange(len(content)) :]
        content += draw.randbytes(draw.choice((0, 3, 60, 2000)))
        path.write_bytes(content)
        metadata = read_recording_metadata(path)
        assert metadata.recorder is None or metadata.recorder.isprintable()

"""Date, time, zone, recorder and gain from file names, comments and GUANO metadata."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from darksound.audio.recording_metadata import (
    RecordingMetadata,
    parse_audiomoth_comment,
    parse_file_name,
    parse_guano,
    read_recording_metadata,
    read_riff_header,
)


@pytest.mark.parametrize(
    ("name", "start", "prefix"),
    [
        ("20220101_053000.WAV", "2022-01-01T05:30:00", None),
        ("20220101_053000T.WAV", "2022-01-01T05:30:00", None),
        ("24F31901_20220101_053000.WAV", "2022-01-01T05:30:00", "24F31901"),
        ("5EC5A158.WAV", "2020-05-20T21:30:00+00:00", None),
        ("S4A03895_20190522_050000.wav", "2019-05-22T05:00:00", "S4A03895"),
        ("POND_A_0+1_20120101_053000.wav", "2012-01-01T05:30:00", "POND_A"),
        ("SMM01_20220101_053000_003.wav", "2022-01-01T05:30:00", "SMM01"),
        ("20220101T053000+1000_REC [-27.4 153.0].flac", "2022-01-01T05:30:00+10:00", None),
        ("20220101T053000-0330_x.wav", "2022-01-01T05:30:00-03:30", None),
        ("20220101T053000Z_x.wav", "2022-01-01T05:30:00+00:00", None),
        ("S20240815T043000.123456+0930_E20240815T053000.flac", "2024-08-15T04:30:00+09:30", None),
    ],
)
def test_file_names_of_recorders_are_parsed(name, start, prefix):
    parsed = parse_file_name(name)
    assert parsed is not None
    assert parsed.start is not None
    assert parsed.start.isoformat() == start
    assert parsed.recorder == prefix


@pytest.mark.parametrize(
    "name",
    ["xc123456.mp3", "20220101.wav", "20229901_053000.wav", "20220101_256000.wav", "12345678.WAV",
     "5ec5a158.wav", "DEADBEEF.WAV", "FFFFFFFF.WAV", "20220101T053000+9900_x.wav", "a.wav",
     "1234567890_123456.wav", "clip_20220101_0530.wav"],
)  # fmt: skip
def test_other_file_names_are_not_parsed(name):
    assert parse_file_name(name) is None


@pytest.mark.parametrize(
    ("text", "start", "gain"),
    [
        ("Recorded at 05:30:00 01/02/2022 (UTC+2) by AudioMoth 24F319055FDF2902 at medium gain "
         "while battery was 4.2V and it was 21.3C.", "2022-02-01T05:30:00+02:00", "medium"),
        ("Recorded at 05:30:00 01/02/2022 (UTC-5:30) by AudioMoth 24F319055FDF2902 at low-medium "
         "gain while battery was greater than 4.9V", "2022-02-01T05:30:00-05:30", "low-medium"),
        ("Recorded at 05:30:00 01/02/2019 (UTC) by AudioMoth 24F319055FDF2902 at gain setting 2 "
         "while battery state was 3.6V", "2019-02-01T05:30:00+00:00", "2"),
        ("Recorded at 05:30:00 01/02/2018 by AudioMoth 24F319055FDF2902 at gain setting 3 while "
         "battery state was < 3.6V", "2018-02-01T05:30:00", "3"),
    ],
)  # fmt: skip
def test_comments_of_audiomoth_are_parsed(text, start, gain):
    parsed = parse_audiomoth_comment(text)
    assert parsed is not None
    assert parsed.start is not None
    assert parsed.start.isoformat() == start
    assert (parsed.recorder, parsed.gain) == ("AudioMoth 24F319055FDF2902", gain)


def test_comments_of_other_recorders_and_damaged_comments():
    assert parse_audiomoth_comment("Recorded at 05:30:00 01/02/2022 by my phone") is None
    damaged = parse_audiomoth_comment(
        "Recorded at 25:30:00 41/02/2022 (UTC) by AudioMoth 24F3 at gain"
    )
    assert damaged is not None
    assert (damaged.start, damaged.gain) == (None, None)


def test_guano_metadata_are_parsed():
    parsed = parse_guano(
        "GUANO|Version: 1.0\nTimestamp: 2022-01-01T05:30:00+02:00\nMake: Wildlife Acoustics\n"
        "Model: Song Meter Mini\nSerial: SMM00123\nWA|Gain: 18\nNote: 05:30: a wren\n\0"
    )
    assert parsed.start is not None
    assert parsed.start.isoformat() == "2022-01-01T05:30:00+02:00"
    assert parsed.recorder == "Wildlife Acoustics Song Meter Mini SMM00123"
    assert parsed.gain == "18"
    local = parse_guano("Timestamp: 2022-01-01 05:30:00")
    assert local.start is not None
    assert local.start.isoformat() == "2022-01-01T05:30:00"
    empty = parse_guano("Timestamp: this morning\nno colon\n")
    assert (empty.start, empty.recorder, empty.gain) == (None, None, None)


def riff(path: Path, *chunks: tuple[bytes, bytes], magic: bytes = b"RIFF", declared=None) -> Path:
    """Write a WAV file of 100 samples with more chunks after the audio data."""
    audio = struct.pack("<100h", *range(100))
    body = b"WAVE" + _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))
    size = len(audio) if declared is None else declared
    body += struct.pack("<4sI", b"data", size) + audio
    body += b"".join(_chunk(*chunk) for chunk in chunks)
    path.write_bytes(magic + struct.pack("<I", len(body)) + body)
    return path


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


COMMENT = b"Recorded at 05:30:00 01/02/2022 (UTC+2) by AudioMoth 24F319055FDF2902 at high gain."


def test_guano_takes_precedence_over_the_comment_and_that_over_the_name(tmp_path):
    info = (b"LIST", b"INFO" + _chunk(b"IART", b"moth") + _chunk(b"ICMT", COMMENT + b"\0"))
    guano = (b"guan", b"Timestamp: 2020-03-04T05:06:07Z\nMake: Petter\n")
    name = "HILL_20210101_000000.wav"
    assert read_recording_metadata(riff(tmp_path / name)) == RecordingMetadata(
        "2021-01-01T00:00:00", "HILL"
    )
    assert read_recording_metadata(riff(tmp_path / name, info)) == RecordingMetadata(
        "2022-02-01T05:30:00+02:00", "AudioMoth 24F319055FDF2902", "high"
    )
    assert read_recording_metadata(riff(tmp_path / name, info, guano)) == RecordingMetadata(
        "2020-03-04T05:06:07+00:00", "Petter", "high"
    )
    assert read_recording_metadata(riff(tmp_path / "a.wav")) == RecordingMetadata()
    assert read_recording_metadata(tmp_path / "20210101_000000.mp3") == RecordingMetadata(
        "2021-01-01T00:00:00"
    )


def test_audio_that_the_header_declares_and_the_file_lacks_is_missing(tmp_path):
    assert read_recording_metadata(
        riff(tmp_path / "a.wav", declared=400)
    ).missing_share == pytest.approx(0.5)
    for unknown in (0, 0xFFFFFFFF, 0x7FFFFFFF, 208):
        assert (
            read_recording_metadata(riff(tmp_path / "a.wav", declared=unknown)).missing_share == 0
        )


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
def test_nothing_is_missing_in_files_of_libsndfile(form, tmp_path):
    path = tmp_path / "20210101_000000.wav"
    sf.write(path, np.zeros((1000, 2)), 16_000, format=form, subtype="PCM_24")
    assert read_recording_metadata(path) == RecordingMetadata("2021-01-01T00:00:00")
    header = read_riff_header(path)
    assert header is not None
    assert header.declared_bytes == 6000


@given(st.binary(max_size=200), st.sampled_from([b"RIFF", b"RF64", b"BW64"]))
def test_no_header_raises_an_error(tmp_path_factory, content, magic):
    path = tmp_path_factory.mktemp("riff") / "a.wav"
    path.write_bytes(magic + b"\0\0\0\0WAVE" + content)
    read_riff_header(path)
    path.write_bytes(content)
    read_recording_metadata(path)

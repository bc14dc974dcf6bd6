"""Metadata of a recording from all its texts: precedence and offsets."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from darksound.audio.recorder_headers import read_header
from darksound.audio.recording_metadata import RecordingMetadata, read_recording_metadata


def riff(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """Write a WAV file of 100 samples with more chunks after the audio data."""
    audio = struct.pack("<100h", *range(100))
    body = b"WAVE" + _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))
    body += _chunk(b"data", audio)
    body += b"".join(_chunk(*chunk) for chunk in chunks)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


COMMENT = b"Recorded at 05:30:00 01/02/2022 (UTC+2) by AudioMoth 24F319055FDF2902 at high gain."
INFO = (b"LIST", b"INFO" + _chunk(b"IART", b"moth") + _chunk(b"ICMT", COMMENT + b"\0"))
GUANO = (b"guan", b"Timestamp: 2020-03-04T05:06:07Z\nMake: Petter\n")
WAMD = (b"wamd", struct.pack("<HI", 5, 19) + b"2019-05-22 05:00:00")


def test_guano_takes_precedence_over_wamd_the_comment_and_the_name(tmp_path):
    name = "HILL_20210101_000000.wav"
    assert read_recording_metadata(riff(tmp_path / name)) == RecordingMetadata(
        "2021-01-01T00:00:00", "HILL", by_recorder=True
    )
    assert read_recording_metadata(riff(tmp_path / name, INFO)) == RecordingMetadata(
        "2022-02-01T05:30:00+02:00", "AudioMoth 24F319055FDF2902", "high", by_recorder=True
    )
    assert read_recording_metadata(riff(tmp_path / name, INFO, WAMD)) == RecordingMetadata(
        "2019-05-22T05:00:00", "AudioMoth 24F319055FDF2902", "high", by_recorder=True
    )
    assert read_recording_metadata(riff(tmp_path / name, INFO, GUANO, WAMD)) == RecordingMetadata(
        "2020-03-04T05:06:07+00:00", "Petter", "high", by_recorder=True
    )
    assert read_recording_metadata(riff(tmp_path / "a.wav")) == RecordingMetadata()
    assert read_recording_metadata(tmp_path / "20210101_000000.mp3") == RecordingMetadata(
        "2021-01-01T00:00:00", by_recorder=True
    )


def test_times_that_editors_write_count_after_the_name_and_are_not_a_recorders(tmp_path):
    def bext(maker: bytes) -> tuple[bytes, bytes]:
        fields = struct.pack("<256s32s32s10s8s", b"", maker, b"", b"2023-06-01", b"05:30:07")
        return b"bext", fields + bytes(264)

    edited = read_recording_metadata(riff(tmp_path / "a.wav", bext(b"Editor")))
    assert edited == RecordingMetadata("2023-06-01T05:30:07", by_recorder=False)
    zoom = read_recording_metadata(riff(tmp_path / "a.wav", bext(b"ZOOM H5")))
    assert zoom == RecordingMetadata("2023-06-01T05:30:07", "ZOOM H5", by_recorder=True)
    named = read_recording_metadata(riff(tmp_path / "20210101_000000.wav", bext(b"Editor")))
    assert named == RecordingMetadata("2021-01-01T00:00:00", by_recorder=True)


def test_a_local_time_takes_the_offset_of_another_text_with_the_same_time(tmp_path):
    wamd = (b"wamd", struct.pack("<HI", 5, 19) + b"2023-06-10 05:00:20")
    same = read_recording_metadata(riff(tmp_path / "20230610T050000+1000_REC.wav", wamd))
    assert same.recorded_at == "2023-06-10T05:00:20+10:00"
    other = read_recording_metadata(riff(tmp_path / "20230610T060000+1000_REC.wav", wamd))
    assert other.recorded_at == "2023-06-10T05:00:20"


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
def test_files_of_libsndfile_have_the_time_of_their_name(form, tmp_path):
    path = tmp_path / "20210101_000000.wav"
    sf.write(path, np.zeros((1000, 2)), 16_000, format=form, subtype="PCM_24")
    assert read_recording_metadata(path) == RecordingMetadata(
        "2021-01-01T00:00:00", by_recorder=True
    )


def test_names_that_are_not_utf8_give_text_that_tables_can_hold(tmp_path):
    path = tmp_path / "K\udce4uz_20210101_000000.wav"
    assert read_recording_metadata(path).recorder == r"K\xe4uz"


def test_a_path_with_a_null_byte_gives_the_name_alone():
    assert read_recording_metadata(Path("a\0/20210101_000000.wav")).recorded_at is not None


@given(st.binary(max_size=200), st.sampled_from([b"RIFF", b"RF64", b"BW64"]))
def test_no_header_raises_an_error(tmp_path_factory, content, magic):
    path = tmp_path_factory.mktemp("riff") / "a.wav"
    path.write_bytes(magic + b"\0\0\0\0WAVE" + content)
    read_header(path)
    path.write_bytes(content)
    read_recording_metadata(path)


@pytest.mark.audio
def test_real_recordings_of_a_song_meter_give_their_hour(audio_root):
    files = sorted((audio_root / "maad").glob("S4A*.wav"))
    metadata = [read_recording_metadata(path) for path in files]
    assert [each.recorded_at for each in metadata] == [
        f"2019-05-22T{path.stem[-6:-4]}:00:00" for path in files
    ]
    assert {each.recorder for each in metadata} == {"S4A03895"}

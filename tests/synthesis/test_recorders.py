"""Files as AudioMoth writes them, byte by byte, and as our own reader of headers reads them."""

import io
import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import soundfile

from darksound.audio.recording_metadata import read_recording_metadata
from darksound.synthesis.recorders import RECORDERS, Deployed, audiomoth_header

START = datetime(2025, 6, 1, 5, 0, 0, tzinfo=timezone(timedelta(hours=-5)))
DEPLOYED = Deployed("24F319055FDF2902", START, battery_v=4.24, celsius=-3.06)


def test_a_header_has_the_layout_of_the_firmware() -> None:
    header = audiomoth_header(DEPLOYED, 32_000, 5)
    # wavHeader_t of the firmware: RIFF, WAVE, fmt of 16 bytes, LIST of 436, INFO, ICMT of 384,
    # IART of 32, data.
    assert len(header) == 488
    assert header[:12] == b"RIFF" + struct.pack("<I", 488 - 8 + 10) + b"WAVE"
    assert header[12:20] == b"fmt " + struct.pack("<I", 16)
    assert struct.unpack("<HHIIHH", header[20:36]) == (1, 1, 32_000, 64_000, 2, 16)
    assert header[36:56] == b"LIST" + struct.pack("<I", 436) + b"INFOICMT" + struct.pack("<I", 384)
    comment = (
        b"Recorded at 05:00:00 01/06/2025 (UTC-5) by AudioMoth 24F319055FDF2902 at medium gain "
        b"while battery was 4.2V and temperature was -3.1C."
    )
    assert header[56:440] == comment.ljust(384, b"\0")
    assert header[440:448] == b"IART" + struct.pack("<I", 32)
    assert header[448:480] == b"AudioMoth 24F319055FDF2902".ljust(32, b"\0")
    assert header[480:] == b"data" + struct.pack("<I", 10)


def test_a_battery_that_is_empty_is_in_the_comment() -> None:
    stopped = Deployed("24F319055FDF2902", START, 2.8, 20.0, stopped=True)
    assert b"20.0C. Recording stopped due to low voltage.\0" in audiomoth_header(stopped, 8000, 0)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (UTC, b"(UTC)"),
        (timezone(timedelta(hours=2)), b"(UTC+2)"),
        (timezone(timedelta(hours=-3, minutes=-30)), b"(UTC-3:30)"),
        (timezone(timedelta(hours=5, minutes=45)), b"(UTC+5:45)"),
    ],
)
def test_offsets_are_written_as_the_firmware_writes_them(zone: timezone, text: bytes) -> None:
    deployed = Deployed("24F319055FDF2902", START.replace(tzinfo=zone), 4.0, 20.0)
    assert text in audiomoth_header(deployed, 8000, 0)


def test_files_are_read_by_the_reader_of_recorders(tmp_path: Path) -> None:
    kind = RECORDERS["audiomoth"]
    path = tmp_path / kind.name(START)
    assert path.name == "20250601_050000.WAV"
    content = kind.header(DEPLOYED, kind.rate, 3) + struct.pack("<3h", 1, -2, 300)
    path.write_bytes(content)
    metadata = read_recording_metadata(path)
    assert metadata.recorded_at == "2025-06-01T05:00:00-05:00"
    assert metadata.recorder == "AudioMoth 24F319055FDF2902"
    assert metadata.gain == "medium"
    assert metadata.by_recorder
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == 32_000
    assert samples.tolist() == [1, -2, 300]


def test_serial_numbers_are_of_16_digits_and_differ() -> None:
    serials = [RECORDERS["audiomoth"].serial(site) for site in range(999)]
    assert len(set(serials)) == 999
    assert all(len(serial) == 16 and int(serial, 16) for serial in serials)

"""Metadata of recorders: GUANO, wamd, AudioMoth, Frontier Labs, bext, by texts made by hand."""

import struct

import pytest

from darksound.audio.recorder_formats import (
    FILE_FORMATS,
    RECORDER_FORMATS,
    parse_audiomoth_comment,
    parse_bext,
    parse_guano,
    parse_wamd,
)
from darksound.audio.recorder_headers import RecordingHeader
from darksound.audio.recording_time import parse_time, parse_utc_offset


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-01-01T05:30:00", "2022-01-01T05:30:00"),
        ("2022-01-01 05:30:00", "2022-01-01T05:30:00"),
        ("2022-01-01T05:30:00Z", "2022-01-01T05:30:00+00:00"),
        ("2022-01-01T05:30:00+01:00", "2022-01-01T05:30:00+01:00"),
        ("2022-01-01T05:30:00+1:00", "2022-01-01T05:30:00+01:00"),
        ("2022-01-01 05:30:00 -03:30", "2022-01-01T05:30:00-03:30"),
        ("2022-01-01T05:30:00+1000", "2022-01-01T05:30:00+10:00"),
        ("2022-01-01T05:30:00-5", "2022-01-01T05:30:00-05:00"),
        ("2022-01-01T05:30:00.123456789+02:00", "2022-01-01T05:30:00+02:00"),
        ("2022-01-01T05:30:00,5", "2022-01-01T05:30:00"),
        ("2022-01-01T05:30", "2022-01-01T05:30:00"),
        ("20220101T053000Z", "2022-01-01T05:30:00+00:00"),
        ("2022:01:01 05:30:00", "2022-01-01T05:30:00"),
        # No time of day, no such time, or no such offset.
        ("2022-01-01", None),
        ("2022", None),
        ("2022-13-01T05:30:00", None),
        ("2022-02-30T05:30:00", None),
        ("2022-01-01T25:30:00", None),
        ("0000-01-01T00:00:00", None),
        ("9999-12-31T23:59:59", None),
        ("2022-01-01T05:30:00+99:00", None),
        ("2022-01-01T05:30:00+01:75", None),
        ("NaN", None),
        ("this morning", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_parsed_or_give_none(text, expected):
    start = parse_time(text)
    assert (start and start.isoformat()) == expected


@pytest.mark.parametrize("text", ["", "5", "+99", "+15:00", "-24:00", "+1:2", "+-1", "east"])
def test_texts_that_are_no_offset_are_errors(text):
    with pytest.raises(ValueError, match="UTC"):
        parse_utc_offset(text)


@pytest.mark.parametrize(
    ("text", "start", "gain"),
    [
        ("Recorded at 05:30:00 01/02/2022 (UTC+2) by AudioMoth 24F319055FDF2902 at medium gain "
         "while battery was 4.2V and temperature was 21.3C.", "2022-02-01T05:30:00+02:00",
         "medium"),
        ("Recorded at 05:30:00 01/02/2022 (UTC-5:30) by AudioMoth 24F319055FDF2902 at low-medium "
         "gain while battery was greater than 4.9V", "2022-02-01T05:30:00-05:30", "low-medium"),
        ("Recorded at 05:30:00 01/02/2022 (UTC+5:30) by AudioMoth 24F319055FDF2902 using external "
         "microphone at medium-high gain while battery was less than 2.5V and temperature was "
         "-3.1C. Amplitude threshold was 512 with 1s minimum trigger duration. Band-pass filter "
         "applied with cut-off frequencies of 1.0kHz and 12.0kHz. Recording stopped due to file "
         "size limit.", "2022-02-01T05:30:00+05:30", "medium-high"),
        ("Recorded at 05:30:00.250 01/02/2022 (UTC-0:30) by AudioMoth 24F319055FDF2902 at low gain "
         "setting while battery state was 4.0V.", "2022-02-01T05:30:00-00:30", "low"),
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


def test_a_comment_with_a_deployment_has_its_device_in_the_artist():
    text = (
        "Recorded at 05:30:00 01/06/2023 (UTC-5) during deployment 5A1B2C3D4E5F6A7B at medium gain "
        "while battery was 4.1V and temperature was 12.3C."
    )
    parsed = parse_audiomoth_comment(text, "AudioMoth 24F3190361DA539A")
    assert parsed is not None
    assert parsed.start is not None
    assert parsed.start.isoformat() == "2023-06-01T05:30:00-05:00"
    assert (parsed.recorder, parsed.gain) == ("AudioMoth 24F3190361DA539A", "medium")
    alone = parse_audiomoth_comment(text)
    assert alone is not None
    assert alone.recorder == "AudioMoth deployment 5A1B2C3D4E5F6A7B"


def test_comments_of_other_recorders_and_damaged_comments():
    assert parse_audiomoth_comment("Recorded at 05:30:00 01/02/2022 by my phone") is None
    assert parse_audiomoth_comment("with an AudioMoth in our garden, 12:00h") is None
    assert parse_audiomoth_comment("a walk during deployment 5A1B2C3D4E5F6A7B") is None
    damaged = parse_audiomoth_comment(
        "Recorded at 25:30:00 41/02/2022 (UTC) by AudioMoth 24F3 at gain"
    )
    assert damaged is not None
    assert (damaged.start, damaged.gain) == (None, None)
    far = parse_audiomoth_comment("Recorded at 05:30:00 01/02/2022 (UTC+99) by AudioMoth 24F3")
    assert far is not None
    assert far.start is None


def test_guano_metadata_are_parsed():
    parsed = parse_guano(
        "GUANO|Version: 1.0\nTimestamp: 2022-01-01T05:30:00+02:00\nMake: Wildlife Acoustics\n"
        "Model: Song Meter Mini\nSerial: SMM00123\nWA|Gain: 18\nNote: 05:30: a wren\n"
        "Loc Position: 50.1 8.2\n\0"
    )
    assert parsed.start is not None
    assert parsed.start.isoformat() == "2022-01-01T05:30:00+02:00"
    assert parsed.recorder == "Wildlife Acoustics Song Meter Mini SMM00123"
    assert parsed.gain == "18"
    short = parse_guano("timestamp:2022-01-01 05:30:00.5+1:00\r\nmodel:D500X")
    assert short.start is not None
    assert (short.start.isoformat(), short.recorder) == ("2022-01-01T05:30:00+01:00", "D500X")
    empty = parse_guano("Timestamp: this morning\nno colon\nSerial: NaN\nMake: \x07\nGain: \n")
    assert (empty.start, empty.recorder, empty.gain) == (None, None, None)


def wamd(*fields: tuple[int, bytes]) -> bytes:
    """Return a chunk as Wildlife Acoustics' wa_meta.h describes it."""
    return b"".join(struct.pack("<HI", number, len(value)) + value for number, value in fields)


def test_wamd_chunks_are_parsed():
    content = wamd(
        (0, b"\1\0"), (1, b"SM4"), (2, b"S4A03895\0"), (3, b"2.1.1"), (4, b"POND"),
        (5, b"2019-05-22 05:00:00.125+02:00"), (6, b"WGS84,47.1,N,8.2,E"), (0xFFFF, b"\0" * 9),
    )  # fmt: skip
    parsed = parse_wamd(content)
    assert parsed.start is not None
    assert parsed.start.isoformat() == "2019-05-22T05:00:00+02:00"
    assert parsed.recorder == "Wildlife Acoustics SM4 S4A03895"
    local = parse_wamd(wamd((0, b"\1\0"), (5, b"2019-05-22 05:00:00")))
    assert local.start is not None
    assert (local.start.isoformat(), local.recorder) == ("2019-05-22T05:00:00", None)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\5", b"\5\0\xff\xff\xff\xff2019", wamd((0, b"\2\0"), (5, b"2019-05-22 05:00:00")),
        wamd((5, b"2019-05-22 05:00:00+99:00")), wamd((5, b"\xff\xfe" * 50)), wamd((1, b"")) * 99,
    ],
)  # fmt: skip
def test_damaged_wamd_chunks_have_no_time(content):
    assert parse_wamd(content).start is None


def bext(originator: bytes, date: bytes, clock: bytes, description: bytes = b"") -> bytes:
    """Return the fields of EBU Tech 3285 up to the version, and the beginning of the rest."""
    fields = struct.pack("<256s32s32s10s8s", description, originator, b"REF", date, clock)
    return fields + struct.pack("<QH", 909090, 1) + bytes(254)


def test_bext_chunks_of_recorders_and_editors_are_parsed():
    zoom = parse_bext(bext(b"ZOOM Handy Recorder H4n", b"2023-06-01", b"05:30:07"))
    assert zoom.start is not None
    assert zoom.start.isoformat() == "2023-06-01T05:30:07"
    assert (zoom.recorder, zoom.by_recorder) == ("ZOOM Handy Recorder H4n", True)
    # Other separators are in use.
    tascam = parse_bext(bext(b"", b"2023_06_01", b"05-30-07", b"TASCAM DR-05X"))
    assert tascam.start == zoom.start
    assert tascam.by_recorder
    editor = parse_bext(bext(b"REAPER", b"2023-06-01", b"05:30:07"))
    assert (editor.start, editor.recorder, editor.by_recorder) == (zoom.start, None, False)


@pytest.mark.parametrize(
    ("date", "clock"),
    [
        (b"", b""),
        (b"0000-00-00", b"00:00:00"),
        (b"2023-13-01", b"05:30:07"),
        (b"2023-06-01", b"25:30:07"),
        (b"2023-06-01", b""),
        (b"9999-12-31", b"00:00:00"),
        (b"\xff\xfe\xfd", b"\0\1"),
    ],
)
def test_damaged_bext_chunks_have_no_time(date, clock):
    assert parse_bext(bext(b"ZOOM", date, clock)).start is None
    assert parse_bext(b"ZOOM").start is None


COMMENTS = [
    ("GUANO metadata", {"guano": "Timestamp: 2022-01-01T05:30:00Z"}, "2022-01-01T05:30:00+00:00"),
    (
        "GUANO metadata",
        {"guano|version": "1.0", "timestamp": "2022-01-01T05:30:00+1:00"},
        "2022-01-01T05:30:00+01:00",
    ),
    (
        "comment of AudioMoth",
        {"description": "Recorded at 05:30:00 01/02/2022 (UTC) by AudioMoth 24F319055FDF2902 at"},
        "2022-02-01T05:30:00+00:00",
    ),
    (
        "comments of Frontier Labs",
        {"recordingstart": "2022-01-01T05:30:00+1000", "sensoruid": "00012345"},
        "2022-01-01T05:30:00+10:00",
    ),
    ("comments of Frontier Labs", {"recordingstart": "2022-01-01 05:30:00"}, "2022-01-01T05:30:00"),
    ("date", {"date": "2022-01-01T05:30:00"}, "2022-01-01T05:30:00"),
]


@pytest.mark.parametrize(("name", "comments", "start"), COMMENTS)
def test_times_in_comments_are_found_by_their_format_alone(name, comments, start):
    header = RecordingHeader(comments=comments)
    parsed = {
        key: text.start.isoformat()
        for key, parse in (RECORDER_FORMATS | FILE_FORMATS).items()
        if (text := parse(header)) is not None and text.start is not None
    }
    assert parsed == {name: start}


def test_comments_of_frontier_labs_name_the_recorder_and_its_gain():
    header = RecordingHeader(
        comments={
            "vendor": "Frontier Labs",
            "recordingstart": "2022-01-01T05:30:00+10:00",
            "sensoruid": "00012345",
            "channelgain1": "unknown",
            "channelgain2": "40dB",
        }
    )
    parsed = RECORDER_FORMATS["comments of Frontier Labs"](header)
    assert parsed is not None
    assert (parsed.recorder, parsed.gain) == ("Frontier Labs 00012345", "40dB")


def test_dates_without_a_time_of_day_give_no_time():
    assert FILE_FORMATS["date"](RecordingHeader(comments={"date": "2022-01-01"})) is None

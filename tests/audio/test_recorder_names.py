"""Times and recorders in file names of recorders, one case a form, and names that have none."""

from pathlib import PurePath

import pytest

from darksound.audio.recorder_names import NAME_FORMATS, parse_file_name

# Name, time, prefix or serial number.
NAMES = [
    ("20220101_053000.WAV", "2022-01-01T05:30:00", None),
    ("20220101_053000T.WAV", "2022-01-01T05:30:00", None),
    ("24F31901_20220101_053000.WAV", "2022-01-01T05:30:00", "24F31901"),
    ("5EC5A158.WAV", "2020-05-20T21:30:00+00:00", None),
    ("5B1E2F60.WAV", "2018-06-11T08:14:24+00:00", None),
    ("24F31901_5EC5A158.WAV", "2020-05-20T21:30:00+00:00", "24F31901"),
    ("S4A03895_20190522_050000.wav", "2019-05-22T05:00:00", "S4A03895"),
    ("S4A03895_20190522$050000.wav", "2019-05-22T05:00:00", "S4A03895"),
    ("20160506$175304.wav", "2016-05-06T17:53:04", None),
    ("SM4A_202306 2_ 50000.wav", "2023-06-02T05:00:00", "SM4A"),
    ("POND_A_0+1_20120101_053000.wav", "2012-01-01T05:30:00", "POND_A"),
    ("POND_A_0+1_20120101$053000.wav", "2012-01-01T05:30:00", "POND_A"),
    ("POND__0__20120101_053000.wav", "2012-01-01T05:30:00", "POND"),
    ("SMM01_20220101_053000_003.wav", "2022-01-01T05:30:00", "SMM01"),
    ("EPFU_20190601_213000.wav", "2019-06-01T21:30:00", "EPFU"),
    ("20220101T053000+1000_REC [-27.4 153.0].flac", "2022-01-01T05:30:00+10:00", None),
    ("202306 8T050000+1000_REC.wav", "2023-06-08T05:00:00+10:00", None),
    ("2023 6 8T 5 0 0+1000_REC.wav", "2023-06-08T05:00:00+10:00", None),
    ("20220101T053000-0330_x.wav", "2022-01-01T05:30:00-03:30", None),
    ("20220101T053000Z_x.wav", "2022-01-01T05:30:00+00:00", None),
    ("33901_Site_20250710T130000-0300.wav", "2025-07-10T13:00:00-03:00", "33901_Site"),
    ("S20240815T043000.123456+0930_E20240815T053000.flac", "2024-08-15T04:30:00+09:30", None),
    (
        "S20210205T035946676+1000_E20210205T040446501+1000_-08.0000+000.0000.wav",
        "2021-02-05T03:59:46+10:00",
        None,
    ),
    ("5678.230601050000.wav", "2023-06-01T05:00:00", "5678"),
    ("1677738025.180912060340.wav", "2018-09-12T06:03:40", "1677738025"),
    ("REEF_5678.230601050000.wav", "2023-06-01T05:00:00", "5678"),
    ("SWIFT_20190517_050000-0400.wav", "2019-05-17T05:00:00-04:00", "SWIFT"),
    ("SWIFT_20190517_050000_(UTC-4).wav", "2019-05-17T05:00:00-04:00", "SWIFT"),
    ("SWIFT_20190517_050000 (UTC).wav", "2019-05-17T05:00:00+00:00", "SWIFT"),
    ("AMAR668.9.32000.20170501T012205Z.wav", "2017-05-01T01:22:05+00:00", "AMAR668.9.32000"),
    ("2018-06-05 21-18-05.wav", "2018-06-05T21:18:05", None),
    ("SITE-2017-05-05_06-30.flac", "2017-05-05T06:30:00", "SITE"),
    ("SITE_2017-05-05_063000.flac", "2017-05-05T06:30:00", "SITE"),
    ("2017-05-05T06-30-00Z.flac", "2017-05-05T06:30:00+00:00", None),
    ("20220101T053000+10_x.wav", "2022-01-01T05:30:00+10:00", None),
    ("20230601050000.wav", "2023-06-01T05:00:00", None),
    # A counter after the time is no offset from UTC.
    ("20220101_053000-0001.wav", "2022-01-01T05:30:00", None),
    ("20220101_053000-01.wav", "2022-01-01T05:30:00", None),
    ("20230601_050000(1).wav", "2023-06-01T05:00:00", None),
]


@pytest.mark.parametrize(("name", "start", "prefix"), NAMES)
def test_file_names_of_recorders_are_parsed(name, start, prefix):
    parsed = parse_file_name(name)
    assert parsed is not None
    assert parsed.start is not None
    assert (parsed.start.isoformat(), parsed.recorder, parsed.gain) == (start, prefix, None)
    assert parsed.by_recorder


def test_every_name_format_has_a_case():
    used = {
        next(key for key, parse in NAME_FORMATS.items() if parse(PurePath(name)))
        for name, _, _ in NAMES
    }
    assert used == set(NAME_FORMATS)


@pytest.mark.parametrize(
    "name",
    ["xc123456.mp3", "XC123456 - Common Cuckoo - Cuculus canorus.mp3", "20220101.wav",
     "20229901_053000.wav", "20231301_000000.wav", "20220101_256000.wav", "00000101_000000.wav",
     "99991231_235959.wav", "12345678.WAV", "5ec5a158.wav", "DEADBEEF.WAV", "FFFFFFFF.WAV",
     "20220101T053000+9900_x.wav", "20220101T053000+1500_x.wav", "a.wav", "M00123.wav",
     "1234567890_123456.wav", "123456_123456.wav", "clip_20220101_0530.wav", "ZOOM0001.WAV",
     "5678.231301050000.wav", "2018-13-05 21-18-05.wav", "99999999999999.wav", "", ".wav"],
)  # fmt: skip
def test_other_file_names_are_not_parsed(name):
    assert parse_file_name(name) is None


@pytest.mark.parametrize("prefix", ["A\x1b[31m", "A\nB", "A" * 250])
def test_a_prefix_that_no_table_should_hold_is_left_out(prefix):
    parsed = parse_file_name(f"{prefix}_20220101_053000.wav")
    assert parsed is not None
    assert parsed.start is not None
    assert parsed.recorder is None

"""Sizes in the headers of WAV, Wave64, AIFF, CAF and AU."""

import struct

import numpy as np
import pytest
from tests.audio.formats.conftest import RATE, encoded, sound

SAMPLES = (sound(2.0) * 32_767).astype("<i2")
PCM = SAMPLES.tobytes()
FMT = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
LIST = b"INFOICMT" + struct.pack("<I", 6) + b"hello\0"


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """Return a chunk of RIFF, with a size that may be wrong."""
    stated = len(content) if size is None else size
    return name + struct.pack("<I", stated) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes, size: int | None = None, fmt: bytes = FMT) -> bytes:
    """Return a WAV file of these chunks behind that of the format."""
    body = b"WAVE" + chunk(b"fmt ", fmt) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def test_a_file_joined_to_the_end_is_listed_as_not_used(read_bytes):
    file = read_bytes(2 * riff(chunk(b"data", PCM)), ".wav")
    np.testing.assert_array_equal(file.samples * 32_768, SAMPLES)
    assert "another file is joined to its end, which is not used; 2.0 s are" in file.problem


@pytest.mark.parametrize(
    "size",
    [0, 44, 1000, len(PCM) // 2, len(PCM) - 10_000, 0x7FFF_F000, 0x7FFF_FFFF, 0x7FFF_FFDB,
     0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFDB],
)  # fmt: skip
@pytest.mark.parametrize("consistent", [True, False])
def test_a_size_that_is_none_or_too_small_leaves_nothing_out(read_bytes, size, consistent):
    total = (36 + size) & 0xFFFF_FFFF if consistent else None
    for behind in (b"", chunk(b"LIST", LIST), chunk(b"LIST", LIST) + chunk(b"bext", bytes(602))):
        file = read_bytes(riff(chunk(b"data", PCM, size), behind, size=total), ".wav")
        np.testing.assert_array_equal(file.samples * 32_768, SAMPLES)
        assert file.problem is None


@pytest.mark.parametrize("too_large", [2, 8, 36, 44])
def test_a_size_that_counts_the_header_lacks_nothing(read_bytes, too_large):
    for behind in (b"", chunk(b"LIST", LIST)):
        file = read_bytes(riff(chunk(b"data", PCM, len(PCM) + too_large), behind), ".wav")
        np.testing.assert_array_equal(file.samples * 32_768, SAMPLES)
        assert file.problem is None


@pytest.mark.parametrize(
    "behind",
    [
        chunk(b"LIST", LIST),
        chunk(b"bext", bytes(602)) + chunk(b"iXML", b"<x/>") + chunk(b"id3 ", b"ID3abc"),
        chunk(b"JUNK", b"\x55" * 9_999),
        chunk(b"Own1", b"\x55" * 9_999),
        chunk(b"LIST", LIST)[:-3],
        b"TAG" + b"\x55" * 125,
        b"\x55" * 100,
        bytes(50_000),
    ],
)
def test_what_follows_the_samples_is_not_sound(read_bytes, behind):
    content = riff(chunk(b"data", PCM))
    file = read_bytes(content + behind, ".wav")
    np.testing.assert_array_equal(file.samples * 32_768, SAMPLES)
    assert file.problem is None


def test_chunks_behind_an_odd_number_of_bytes_follow_with_or_without_padding(read_bytes):
    fmt = struct.pack("<HHIIHH", 1, 1, RATE, RATE, 1, 8)
    for padding in (b"", b"\0"):
        data = b"data" + struct.pack("<I", 9_999) + PCM[:9_999] + padding
        assert read_bytes(riff(data, chunk(b"LIST", LIST), fmt=fmt), ".wav").frames == 9_999


@pytest.mark.parametrize(("size", "stated"), [(3 * len(PCM), "6.0 s"), (len(PCM) + 96, "2.002 s")])
def test_a_size_beyond_the_end_is_reported_with_what_is_there(read_bytes, size, stated):
    file = read_bytes(riff(chunk(b"data", PCM, size)), ".wav")
    assert file.frames == len(SAMPLES)
    there = "2.0 s" if stated == "6.0 s" else "2.000 s"
    assert f"truncated: its header states {stated}, the file has {there}" in file.problem


def test_sizes_of_the_whole_file_do_not_matter(read_bytes):
    for size in (0, 36, 1_000, 0xFFFF_FFFF):
        file = read_bytes(riff(chunk(b"data", PCM), size=size), ".wav")
        assert (file.frames, file.problem) == (len(SAMPLES), None)


# Container, coding, suffix, name and layout of the size in front of the samples, and what that
# size counts beside them.
CONTAINERS = [
    ("WAV", "PCM_24", ".wav", b"data", "<I", 0),
    ("WAV", "FLOAT", ".wav", b"data", "<I", 0),
    ("WAV", "ULAW", ".wav", b"data", "<I", 0),
    ("WAVEX", "PCM_16", ".wav", b"data", "<I", 0),
    ("W64", "PCM_16", ".w64", b"data\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a", "<Q", 24),
    ("AIFF", "PCM_24", ".aiff", b"SSND", ">I", 8),
    ("AIFF", "FLOAT", ".aifc", b"SSND", ">I", 8),
    ("CAF", "PCM_16", ".caf", b"data", ">q", 4),
]


@pytest.mark.parametrize(("container", "coding", "suffix", "name", "layout", "extra"), CONTAINERS)
def test_all_containers_give_their_samples_whatever_the_size(
    read_bytes, container, coding, suffix, name, layout, extra
):
    content = encoded(sound(1.0), container, subtype=coding)
    good = read_bytes(content, suffix)
    assert (good.frames, good.problem) == (RATE, None)
    place = content.index(name) + len(name)
    width = struct.calcsize(layout)
    (size,) = struct.unpack(layout, content[place : place + width])
    for wrong in (0, 44, size // 2):
        changed = content[:place] + struct.pack(layout, wrong) + content[place + width :]
        file = read_bytes(changed, suffix)
        np.testing.assert_array_equal(file.samples[:RATE], good.samples)
        assert file.frames - RATE < 100, "chunks behind the samples are short"
        assert file.problem is None
    double = content[:place] + struct.pack(layout, 2 * size - extra) + content[place + width :]
    file = read_bytes(double, suffix)
    np.testing.assert_array_equal(file.samples[:RATE], good.samples)
    assert "states 2.0" in file.problem
    half = read_bytes(content[: len(content) // 2], suffix)
    np.testing.assert_array_equal(half.samples, good.samples[: half.frames])
    assert half.frames / RATE == pytest.approx(0.5, abs=0.05)
    assert "its header states 1.0 s, the file has 0.5 s" in half.problem


@pytest.mark.parametrize("size", [0, 44, 2 * RATE, 0xFFFF_FFFF])
def test_the_samples_of_an_au_file_reach_its_end(read_bytes, size):
    content = encoded(sound(1.0), "AU", subtype="PCM_16")
    file = read_bytes(content[:8] + struct.pack(">I", size) + content[12:], ".au")
    np.testing.assert_array_equal(file.samples, read_bytes(content, ".au").samples)
    assert file.problem is None


def test_sizes_of_64_bits_are_claims_too(read_bytes):
    content = encoded(sound(1.0), "RF64", subtype="PCM_16")
    place = content.index(b"ds64") + 16
    for size, stated in ((0, None), (44, None), (4 * RATE, "2.0 s"), (1 << 50, None)):
        changed = content[:place] + struct.pack("<Q", size) + content[place + 8 :]
        file = read_bytes(changed, ".wav")
        assert file.frames == RATE
        assert stated is None or f"states {stated}" in file.problem


@pytest.mark.parametrize("coding", ["IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_compressed_samples_are_read_to_the_end_of_the_file(read_bytes, coding):
    content = encoded(sound(1.0), "WAV", subtype=coding)
    place = content.index(b"data") + 4
    good = read_bytes(content, ".wav")
    for size in (0, 44):
        changed = content[:place] + struct.pack("<I", size) + content[place + 4 :]
        # The last block is filled up with what is no sound.
        samples = read_bytes(changed, ".wav").samples
        np.testing.assert_array_equal(samples[:RATE], good.samples[:RATE])
    half = read_bytes(content[: len(content) // 2], ".wav")
    # libsndfile decodes the last block of GSM 6.10 as if its end were missing.
    np.testing.assert_array_equal(half.samples[:-320], good.samples[: half.frames - 320])
    assert half.frames / good.frames == pytest.approx(0.5, abs=0.1)
    assert "truncated" in half.problem


def test_excerpts_behind_a_wrong_size_are_those_of_the_whole(read_bytes):
    file = read_bytes(riff(chunk(b"data", PCM, 44)), ".wav")
    np.testing.assert_array_equal(file.excerpt(30_000, 5_000) * 32_768, SAMPLES[30_000:35_000])

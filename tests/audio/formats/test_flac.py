"""FLAC files whose header or frames are wrong."""

import re

import numpy as np
import pytest
import soundfile as sf
from tests.audio.formats.conftest import RATE, encoded, sound

from darksound.audio.files import read
from darksound.audio.formats.flac import _crc_8
from darksound.errors import InputError

SOUND = sound(4.0)
CONTENT = encoded(SOUND, "FLAC", subtype="PCM_16")
# The block length that libFLAC chooses.
BLOCK = 4096


def stating(total: int) -> bytes:
    """Return the file with another number of samples in STREAMINFO."""
    bits = int.from_bytes(CONTENT[18:26], "big")
    return CONTENT[:18] + (bits >> 36 << 36 | total).to_bytes(8, "big") + CONTENT[26:]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "a.flac"
    path.write_bytes(CONTENT)
    return sf.read(path, dtype="float32")[0]


def test_the_check_of_a_frame_head_is_that_of_the_specification():
    # The example of RFC 9639, appendix D.1: the head of a frame and its check.
    assert _crc_8(bytes.fromhex("fff869180000")) == 0xBF


@pytest.mark.parametrize("total", [0, 1, 1_000, len(SOUND) // 2, len(SOUND) - 1])
def test_a_length_that_is_none_or_too_small_leaves_nothing_out(read_bytes, good, total):
    file = read_bytes(stating(total), ".flac")
    np.testing.assert_array_equal(file.samples, good)
    assert file.problem is None


@pytest.mark.parametrize(
    ("total", "stated"),
    [(2 * len(SOUND), "8.0 s"), ((1 << 36) - 1, "2863311.5 s"), (len(SOUND) + RATE, "5.0 s")],
)
def test_a_length_that_is_too_large_is_reported_and_all_is_read(read_bytes, good, total, stated):
    file = read_bytes(stating(total), ".flac")
    np.testing.assert_array_equal(file.samples, good)
    assert f"truncated: its header states {stated}, the file has 4.0 s" in file.problem


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8, 0.99])
def test_a_cut_file_keeps_every_frame_that_is_whole(read_bytes, good, share):
    cut = round(len(CONTENT) * share)
    file = read_bytes(CONTENT[:cut], ".flac")
    assert file.frames % BLOCK == 0
    # Frames have about the same number of bytes: at most one is lost.
    assert file.frames >= len(SOUND) * share - 2 * BLOCK
    np.testing.assert_array_equal(file.samples, good[: file.frames])
    assert file.frames + file.missing == len(SOUND)
    assert re.search(r"damaged: its last frames .* s of 4\.0+ s are there", file.problem)
    unknown = read_bytes(stating(0)[:cut], ".flac")
    assert unknown.frames == file.frames
    assert "its last frames cannot be decoded" in unknown.problem


def test_bad_last_frames_are_left_out_to_the_frame(read_bytes, good):
    file = read_bytes(CONTENT[:-2_000] + b"\xff" * 2_000, ".flac")
    assert len(SOUND) - 2 * BLOCK <= file.frames < len(SOUND)
    np.testing.assert_array_equal(file.samples, good[: file.frames])
    assert "its last frames cannot be decoded" in file.problem


@pytest.mark.parametrize("kind", ["random bytes", "zeros", "removed", "inserted", "one bit"])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6])
def test_damage_within_is_silence_and_all_else_stays_in_its_place(read_bytes, good, kind, place):
    first = 200 + round(len(CONTENT) * place)
    changed = bytearray(CONTENT)
    junk = np.random.default_rng(1).bytes(600)
    if kind == "random bytes":
        changed[first : first + 600] = junk
    elif kind == "zeros":
        changed[first : first + 9_000] = bytes(9_000)
    elif kind == "removed":
        del changed[first : first + 9_000]
    elif kind == "inserted":
        changed[first:first] = junk
    else:
        changed[first + 500] ^= 16
    file = read_bytes(bytes(changed), ".flac")
    assert file.frames == len(SOUND)
    lost = file.samples != good
    first_lost, last_lost = np.flatnonzero(lost)[[0, -1]]
    assert not file.samples[lost].any()
    assert last_lost - first_lost < 5 * BLOCK
    assert file.missing % BLOCK == 0
    assert file.missing >= lost.sum() > 0.9 * file.missing
    assert "some of its frames cannot be decoded" in file.problem
    before, behind = good[:first_lost], good[last_lost + 1 :]
    np.testing.assert_array_equal(file.excerpt(0, len(before)), before)
    np.testing.assert_array_equal(file.excerpt(last_lost + 1, len(behind)), behind)


def test_an_excerpt_with_damage_is_an_error_and_others_are_read(tmp_path, good):
    changed = bytearray(CONTENT)
    changed[len(CONTENT) // 2] ^= 16
    path = tmp_path / "a.flac"
    path.write_bytes(changed)
    for _ in range(2):
        with pytest.raises(InputError, match="some of its frames cannot be decoded"):
            read(path, 1.5, 2.5, None)
        np.testing.assert_array_equal(read(path, 0.2, 1.2, None)[0], good[4_800:28_800])
        np.testing.assert_array_equal(read(path, 2.6, 3.6, None)[0], good[62_400:86_400])


def test_another_block_length_in_the_header_changes_nothing(read_bytes, good):
    changed = CONTENT[:8] + (5_000).to_bytes(2, "big") * 2 + CONTENT[12:]
    np.testing.assert_array_equal(read_bytes(changed, ".flac").samples, good)


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("coding", ["PCM_S8", "PCM_16", "PCM_24"])
def test_all_widths_and_numbers_of_channels_are_cut_alike(read_bytes, channels, coding):
    samples = np.stack([sound(1.0, seed) for seed in range(channels)], axis=1)
    content = encoded(samples, "FLAC", subtype=coding)
    whole = read_bytes(content, ".flac")
    assert (whole.frames, whole.channels, whole.problem) == (RATE, channels, None)
    cut = read_bytes(content[: len(content) * 3 // 4], ".flac")
    assert cut.frames >= 0.75 * RATE - 2 * BLOCK
    np.testing.assert_array_equal(cut.samples, whole.samples[: cut.frames])

"""Ogg files (Vorbis, Opus) that are cut, chained or damaged."""

import struct

import numpy as np
import pytest
import soundfile as sf
from tests.audio.formats.conftest import RATE, encoded, sound

from darksound.audio.formats.ogg import _checksum

SOUND = sound(12.0)
CODINGS = ["VORBIS", "OPUS"]
CONTENTS = {coding: encoded(SOUND, "OGG", subtype=coding) for coding in CODINGS}
# The longest page is about a second.
PAGE = RATE


def pages(content: bytes) -> list[tuple[int, int, int]]:
    """Return start, stop and time (in the samples of the file) of each page."""
    found, start = [], 0
    while start < len(content):
        n_segments = content[start + 26]
        stop = start + 27 + n_segments + sum(content[start + 27 : start + 27 + n_segments])
        found.append((start, stop, struct.unpack("<q", content[start + 6 : start + 14])[0]))
        start = stop
    return found


def decode(content: bytes, tmp_path) -> np.ndarray:
    """Return what libsndfile decodes of a good file."""
    path = tmp_path / "oracle.ogg"
    path.write_bytes(content)
    return sf.read(path, dtype="float32")[0]


def test_the_checksum_is_that_of_pages_that_libogg_wrote():
    for content in CONTENTS.values():
        for start, stop, _ in pages(content):
            page = content[start:stop]
            (stated,) = struct.unpack("<I", page[22:26])
            assert _checksum(page[:22] + bytes(4) + page[26:]) == stated


@pytest.mark.parametrize("coding", CODINGS)
def test_a_good_file_is_read_as_libsndfile_does(read_bytes, coding, tmp_path):
    content = CONTENTS[coding]
    file = read_bytes(content + b"\x55" * 3_000, ".ogg")
    np.testing.assert_array_equal(file.samples, decode(content, tmp_path))
    assert file.problem is None


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_file_is_used_to_its_last_whole_page_and_reported(
    read_bytes, coding, share, tmp_path
):
    content = CONTENTS[coding]
    cut = round(len(content) * share)
    file = read_bytes(content[:cut], ".ogg")
    assert len(SOUND) * share - 2 * PAGE < file.frames < len(SOUND) * share + PAGE
    np.testing.assert_allclose(file.samples, decode(content, tmp_path)[: file.frames], atol=1e-3)
    assert "its end is missing" in file.problem
    # A cut between two pages shows only in the mark of the end that is missing.
    whole = [stop for _, stop, _ in pages(content) if stop <= cut][-1]
    between = read_bytes(content[:whole], ".ogg")
    assert between.frames == file.frames
    assert "its end is missing" in between.problem


@pytest.mark.parametrize("coding", CODINGS)
def test_chained_streams_are_read_one_after_the_other(read_bytes, coding, tmp_path):
    content = CONTENTS[coding]
    good = decode(content, tmp_path)
    file = read_bytes(content * 3, ".ogg")
    np.testing.assert_allclose(file.samples, np.tile(good, 3), atol=1e-3)
    assert file.problem is None
    cut = read_bytes(content + content[: len(content) // 2], ".ogg")
    assert len(good) < cut.frames < 2 * len(good)
    assert "damaged" in cut.problem


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", ["random bytes", "zeros", "removed", "inserted", "one bit"])
@pytest.mark.parametrize("place", [0.3, 0.7])
def test_damage_is_silence_and_all_else_stays_in_its_place(
    read_bytes, coding, kind, place, tmp_path
):
    content = CONTENTS[coding]
    good = decode(content, tmp_path)
    first, changed = round(len(content) * place), bytearray(content)
    junk = np.random.default_rng(1).bytes(300)
    if kind == "random bytes":
        changed[first : first + 300] = junk
    elif kind == "zeros":
        changed[first : first + 5_000] = bytes(5_000)
    elif kind == "removed":
        del changed[first : first + 5_000]
    elif kind == "inserted":
        changed[first:first] = junk
    else:
        changed[first] ^= 4
    file = read_bytes(bytes(changed), ".ogg")
    assert file.frames == len(file.samples) == len(SOUND)
    assert 0 < file.missing < 4 * PAGE
    assert "some of its pages are damaged or missing" in file.problem
    silent = np.flatnonzero(file.samples == 0)
    assert len(silent) >= file.missing
    first_lost, last_lost = silent[0], silent[-1]
    assert last_lost - first_lost < file.missing + 10
    np.testing.assert_allclose(file.samples[:first_lost], good[:first_lost], atol=1e-3)
    # The codec needs some time to be right again.
    behind = last_lost + 1 + RATE // 4
    np.testing.assert_allclose(file.samples[behind:], good[behind:], atol=0.02)
    excerpt = file.excerpt(behind, RATE)
    np.testing.assert_allclose(excerpt, file.samples[behind : behind + RATE], atol=1e-3)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("time", [1 << 62, 1 << 40, -2, 0])
def test_a_time_that_cannot_be_is_no_length(read_bytes, coding, time):
    content = CONTENTS[coding]
    start, stop, _ = pages(content)[-1]
    page = bytearray(content[start:stop])
    page[6:14], page[22:26] = struct.pack("<q", time), bytes(4)
    page[22:26] = struct.pack("<I", _checksum(bytes(page)))
    file = read_bytes(content[:start] + bytes(page), ".ogg")
    assert len(SOUND) - PAGE < file.frames < len(SOUND) + PAGE
    assert file.frames == len(file.samples)
    assert "its end is missing" in file.problem

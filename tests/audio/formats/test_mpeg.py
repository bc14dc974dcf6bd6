"""MP3 files without an index, with tags, joined, cut and damaged."""

import io

import numpy as np
import pytest
import soundfile as sf
from tests.audio.formats.conftest import RATE, encoded, sound

SOUND = sound(6.0)
CONSTANT = encoded(SOUND, "MP3")
VARIABLE = encoded(SOUND, "MP3", bitrate_mode="VARIABLE", compression_level=0.5)
# Samples of a frame at this rate, and its bytes at a constant bitrate of 64 kbit/s.
FRAME = 576
ID3V2 = b"ID3\x04\0\0\0\0\x02\0" + bytes(256)
ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(16)


def index_bytes(content: bytes) -> int:
    """Return the length of the first frame, which has the index."""
    return content.index(b"\xff" + content[1:2], 20)


def n_frames(content: bytes) -> int:
    """Return the number of frames that the index states."""
    place = content.index(b"Xing" if b"Xing" in content[:100] else b"Info") + 8
    return int.from_bytes(content[place : place + 4], "big")


def decode(content: bytes, tmp_path) -> np.ndarray:
    """Return what libsndfile decodes of a good file."""
    path = tmp_path / "oracle.mp3"
    path.write_bytes(content)
    return sf.read(path, dtype="float32")[0]


@pytest.mark.parametrize("content", [CONSTANT, VARIABLE], ids=["constant", "variable"])
def test_a_file_without_an_index_is_read_whole(read_bytes, content, tmp_path):
    file = read_bytes(content[index_bytes(content) :], ".mp3")
    assert file.frames == len(file.samples) == n_frames(content) * FRAME
    assert file.problem is None
    # Without an index, nothing is left out at the start: 576 samples of the encoder, 529 of the
    # decoder.
    np.testing.assert_allclose(
        file.samples[1105 + FRAME : 1105 + len(SOUND)], decode(content, tmp_path)[FRAME:], atol=1e-4
    )


@pytest.mark.parametrize("content", [CONSTANT, VARIABLE], ids=["constant", "variable"])
def test_tags_change_nothing(read_bytes, content, tmp_path):
    good = decode(content, tmp_path)
    for tagged in (ID3V2 + content, content + ID3V1, content + bytes(1968) + APE + ID3V1):
        file = read_bytes(tagged, ".mp3")
        np.testing.assert_allclose(file.samples, good, atol=1e-6)
        assert file.problem is None
        bare = tagged.replace(content, content[index_bytes(content) :])
        assert read_bytes(bare, ".mp3").frames == n_frames(content) * FRAME


@pytest.mark.parametrize("between", [b"", ID3V2, ID3V1 + ID3V2])
@pytest.mark.parametrize("content", [CONSTANT, VARIABLE], ids=["constant", "variable"])
def test_two_joined_files_are_read_whole(read_bytes, content, between, tmp_path):
    good = decode(content, tmp_path)
    file = read_bytes(content + between + content, ".mp3")
    # The second index is a frame of silence; its encoder's and decoder's delays are in it.
    total = (2 * n_frames(content) + 1) * FRAME - 1105
    assert file.frames == len(file.samples) == total
    assert file.problem is None
    np.testing.assert_allclose(file.samples[: len(good)], good, atol=1e-3)
    second = file.samples[total + 1105 - n_frames(content) * FRAME :][: len(good)]
    np.testing.assert_allclose(second[FRAME : len(good)], good[FRAME:], atol=1e-3)


def test_a_joined_file_of_another_rate_is_reported(read_bytes):
    file = io.BytesIO()
    sf.write(file, sound(6.0), 44_100, format="MP3")
    joined = read_bytes(CONSTANT + file.getvalue(), ".mp3")
    assert joined.frames == len(SOUND)
    assert "another rate or number of channels begins within it" in joined.problem


@pytest.mark.parametrize("content", [CONSTANT, VARIABLE], ids=["constant", "variable"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_file_with_an_index_is_reported(read_bytes, content, share, tmp_path):
    good = decode(content, tmp_path)
    file = read_bytes(content[: round(len(content) * share)], ".mp3")
    np.testing.assert_allclose(file.samples, good[: file.frames], atol=1e-4)
    assert file.frames + file.missing == len(SOUND)
    assert file.frames / len(SOUND) == pytest.approx(share, abs=0.05)
    assert "truncated: its header states 6.0 s" in file.problem


def test_zeros_within_are_silence_and_what_follows_stays_in_its_place(read_bytes, tmp_path):
    good = decode(CONSTANT, tmp_path)
    first = len(CONSTANT) // 3
    changed = CONSTANT[:first] + bytes(6_000) + CONSTANT[first + 6_000 :]
    file = read_bytes(changed, ".mp3")
    assert file.frames == len(SOUND)
    lost = file.missing / RATE
    assert lost == pytest.approx(6.0 * 6_000 / len(CONSTANT), abs=0.1)
    assert "some of its frames cannot be decoded" in file.problem
    behind = round((6.0 * (first + 6_000) / len(CONSTANT) + 0.2) * RATE)
    np.testing.assert_allclose(file.samples[behind:], good[behind:], atol=1e-3)


def test_junk_that_was_put_in_leaves_no_frame_out(read_bytes):
    first = len(CONSTANT) // 2
    junk = np.random.default_rng(0).bytes(70)
    file = read_bytes(CONSTANT[:first] + junk + CONSTANT[first:], ".mp3")
    assert len(file.samples) == file.frames == len(SOUND)


@pytest.mark.parametrize("junk", [bytes(500), b"\xff" * 500, b"\xff\xfb" * 250, b"text" * 200])
def test_junk_in_front_is_passed_over(read_bytes, junk, tmp_path):
    file = read_bytes(junk + CONSTANT, ".mp3")
    np.testing.assert_allclose(file.samples, decode(CONSTANT, tmp_path), atol=1e-6)


@pytest.mark.parametrize("content", [CONSTANT, VARIABLE], ids=["constant", "variable"])
@pytest.mark.parametrize("kind", ["no index", "joined", "zeros"])
def test_excerpts_are_those_of_the_whole(read_bytes, content, kind):
    half = len(content) // 2
    changed = {
        "no index": content[index_bytes(content) :],
        "joined": content + content,
        "zeros": content[:half] + bytes(3_000) + content[half + 3_000 :],
    }[kind]
    file = read_bytes(changed, ".mp3")
    for start in np.random.default_rng(0).integers(0, file.frames - 3_000, 12).tolist():
        np.testing.assert_allclose(
            file.excerpt(start, 3_000), file.samples[start : start + 3_000], atol=1e-3
        )


@pytest.mark.audio
def test_real_files_with_a_right_index_are_read_as_libsndfile_does(audio_root, read_bytes):
    for path in sorted((audio_root / "phoebe").rglob("*.mp3"))[::20]:
        file = read_bytes(path.read_bytes(), ".mp3")
        whole, _ = sf.read(path, dtype="float32", always_2d=True)
        np.testing.assert_array_equal(file.samples, whole[:, 0])
        assert file.problem is None

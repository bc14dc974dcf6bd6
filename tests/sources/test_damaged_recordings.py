"""Recordings whose header or content is wrong, in each way to divide files into ROIs."""

import io

import numpy as np
import pytest
import soundfile as sf

import darksound as ds

RATE = 24_000


def song(seconds: float) -> np.ndarray:
    """Return a chirp every two seconds in noise."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.003, round(seconds * RATE))
    time = np.arange(round(0.35 * RATE)) / RATE
    for start in np.arange(0.7, seconds - 0.6, 2.0):
        first = round(start * RATE)
        chirp = np.sin(2 * np.pi * (3_000 + 1_500 * time) * time) * np.hanning(len(time))
        samples[first : first + len(time)] += 0.3 * chirp
    return samples.astype(np.float32)


def encoded(samples: np.ndarray, container: str) -> bytes:
    """Return the bytes of a sound file."""
    file = io.BytesIO()
    sf.write(file, samples, RATE, format=container)
    return file.getvalue()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Return a folder of good and of damaged recordings of 12 s."""
    root = tmp_path_factory.mktemp("recordings")
    samples = song(12.0)
    wav, flac, mp3, ogg = (encoded(samples, name) for name in ("WAV", "FLAC", "MP3", "OGG"))
    total = int.from_bytes(flac[18:26], "big")
    middle = len(flac) // 2
    contents = {
        "good.wav": wav,
        "size-44.wav": wav[:40] + (44).to_bytes(4, "little") + wav[44:],
        "no-length.flac": flac[:18] + (total >> 36 << 36).to_bytes(8, "big") + flac[26:],
        "joined.mp3": mp3 + mp3,
        "cut.wav": wav[: 44 + 8 * 2 * RATE],
        "doubled.flac": flac[:18] + (total + len(samples)).to_bytes(8, "big") + flac[26:],
        "one-bit.flac": flac[:middle] + bytes([flac[middle] ^ 8]) + flac[middle + 1 :],
        "cut.ogg": ogg[: len(ogg) * 3 // 4],
        "cut.mp3": mp3[: len(mp3) * 3 // 4],
    }
    for name, content in contents.items():
        (root / name).write_bytes(content)
    (root / "._joined.mp3").write_bytes(b"\0\x05\x16\x07" + bytes(4_092))
    return root


@pytest.mark.parametrize("mode", ["segment", "windows"])
def test_sound_that_is_there_is_used_and_what_is_missing_is_a_problem(recordings, mode, tmp_path):
    settings = ds.Settings().replace(compute={"cache_dir": tmp_path, "workers": 1})
    rois = ds.load_rois(recordings, settings=settings, rois=mode)
    last = rois.table.groupby("recording")["end_s"].max()
    expected = {
        "good.wav": 11, "size-44.wav": 11, "no-length.flac": 11, "joined.mp3": 23, "cut.wav": 6,
        "doubled.flac": 11, "one-bit.flac": 11, "cut.ogg": 7, "cut.mp3": 7,
    }  # fmt: skip
    assert {name: end for name, end in expected.items() if last[name] < end} == {}
    causes = {problem.recording: problem.cause for problem in rois.problems}
    assert set(causes) == {"cut.wav", "doubled.flac", "one-bit.flac", "cut.ogg", "cut.mp3"}
    assert "its header states 12.0 s, the file has 8.0 s" in causes["cut.wav"]
    assert "its header states 24.0 s, the file has 12.0 s" in causes["doubled.flac"]
    assert "11.8 s of 12.0 s are there" in causes["one-bit.flac"]


def test_files_that_are_taken_whole_are_reported_alike(recordings, tmp_path):
    settings = ds.Settings().replace(compute={"cache_dir": tmp_path, "workers": 1})
    rois = ds.load_rois(recordings, settings=settings, rois="whole")
    ends = rois.table.set_index("recording")["end_s"]
    assert ends["cut.wav"] == 8.0
    assert ends["size-44.wav"] == ends["doubled.flac"] == ends["good.wav"] == 12.0
    # Damage within frames of FLAC shows when they are decoded, which nothing did yet.
    assert {problem.recording for problem in rois.problems} == {
        "cut.wav", "doubled.flac", "cut.ogg", "cut.mp3",
    }  # fmt: skip

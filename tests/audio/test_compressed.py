"""AAC through the optional decoder."""

from pathlib import Path

import numpy as np
import pytest

from darksound.audio import compressed
from darksound.audio.files import open_audio, probe, problem_of, read
from darksound.errors import InputError

av = pytest.importorskip("av")
RATE = 44_100


@pytest.fixture
def tone(tmp_path):
    time = np.arange(3 * RATE) / RATE
    wave = (0.4 * np.sin(2 * np.pi * (500 + 400 * time) * time)).astype(np.float32)
    for name, container_format in (("a.m4a", None), ("a.AAC", "adts")):
        with av.open(str(tmp_path / name), "w", format=container_format or "mp4") as container:
            stream = container.add_stream("aac", rate=RATE)
            stream.layout = "stereo"
            for start in range(0, len(wave), 1024):
                part = np.stack([wave[start : start + 1024]] * 2)
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
                frame.rate, frame.pts = RATE, start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return tmp_path, wave


def test_m4a_is_read_by_seek_at_the_right_position(tone):
    folder, wave = tone
    info = probe(folder / "a.m4a")
    assert (info.rate, info.channels) == (RATE, 2)
    assert info.duration_s == pytest.approx(3.0, abs=0.03)
    samples, _ = read(folder / "a.m4a", 1.0, 2.0, None)
    expected = wave[RATE : 2 * RATE]
    assert np.corrcoef(samples, expected)[0, 1] > 0.999
    whole, _ = read(folder / "a.m4a", 0.0, 2.9, None)
    np.testing.assert_allclose(samples, whole[RATE : 2 * RATE], atol=1e-3)


def test_the_length_of_a_bare_stream_is_that_of_its_packets(tone):
    folder, _ = tone
    assert probe(folder / "a.AAC").duration_s == pytest.approx(3.0, abs=0.1)
    assert len(read(folder / "a.AAC", 0.5, 1.0, 22_050)[0]) == 11_025


def _faststart(folder):
    """Return the bytes of an M4A file whose table is in front of the sound."""
    with (
        av.open(str(folder / "a.m4a")) as source,
        av.open(str(folder / "f.m4a"), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return (folder / "f.m4a").read_bytes()


def test_a_cut_m4a_is_used_so_far_and_is_a_problem(tone):
    folder, wave = tone
    content = _faststart(folder)
    assert probe(folder / "f.m4a").problem is None
    (folder / "cut.m4a").write_bytes(content[: len(content) * 2 // 3])
    info = probe(folder / "cut.m4a")
    assert info.duration_s == pytest.approx(2.0, abs=0.2)
    assert "truncated: its header states 3.0 s, the file has" in info.problem
    samples, _ = read(folder / "cut.m4a", 0.5, 1.5, None)
    assert np.corrcoef(samples, wave[RATE // 2 : RATE * 3 // 2])[0, 1] > 0.999


@pytest.mark.parametrize("name", ["f.m4a", "a.AAC"])
def test_damage_within_is_passed_over_and_is_a_problem(tone, name):
    folder, _ = tone
    _faststart(folder)
    content = bytearray((folder / name).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3_000] = bytes(3_000)
    path = folder / f"damaged{Path(name).suffix}"
    path.write_bytes(content)
    with open_audio(path) as file:
        samples = file.read(file.frames)
        assert len(samples) == file.frames
        assert 0.05 * RATE < file.missing < RATE
        assert "are there" in problem_of(file)


def test_a_missing_decoder_and_a_damaged_file_are_errors(tone, monkeypatch):
    folder, _ = tone
    (folder / "b.m4a").write_bytes(b"no sound " * 99)
    with pytest.raises(InputError, match=r"b\.m4a: not a sound file"):
        probe(folder / "b.m4a")
    monkeypatch.setattr(compressed, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'darksound\[aac\]'"):
        probe(folder / "a.m4a")

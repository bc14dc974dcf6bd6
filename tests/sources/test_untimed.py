"""Files without times: windows of damaged, silent, short and long files, and the first lines."""

import logging
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from darksound.audio import files
from darksound.audio.files import AudioInfo, probe
from darksound.errors import InputError
from darksound.settings import Settings
from darksound.sources import load_rois, untimed
from darksound.sources.untimed import loud_windows

RATE = 8000


def causes(root: Path, mode: str = "windows") -> tuple[dict[str, int], dict[str, str]]:
    """Return the number of ROIs of each recording, and the cause of each that is a problem."""
    rois = load_rois(root, rois=mode)
    counts = {str(name): n for name, n in rois.table["recording"].value_counts().items()}
    return counts, {problem.recording: problem.cause for problem in rois.problems}


def write(path: Path, wave: np.ndarray, subtype: str = "FLOAT") -> Path:
    sf.write(path, wave, RATE, subtype=subtype)
    return path


def noise(seconds: float, channels: int = 1) -> np.ndarray:
    wave = np.random.default_rng(0).normal(0, 0.1, (round(seconds * RATE), channels))
    return wave.astype(np.float32)


def test_each_file_that_cannot_be_divided_is_a_problem_and_the_others_are_used(tmp_path):
    write(tmp_path / "good.wav", noise(9))
    write(tmp_path / "silent.wav", np.zeros(9 * RATE))
    write(tmp_path / "short.wav", noise(0.5))
    wave = noise(9)
    wave[5 * RATE] = np.nan
    write(tmp_path / "nan.wav", wave)
    wave[5 * RATE] = np.inf
    write(tmp_path / "infinite.wav", wave)
    counts, problems = causes(tmp_path)
    assert counts == {"good.wav": 3}
    assert set(problems) == {"silent.wav", "short.wav", "nan.wav", "infinite.wav"}
    assert "silent, every sample is zero" in problems["silent.wav"]
    assert "less than half a window" in problems["short.wav"]
    for name in ("nan.wav", "infinite.wav"):
        assert "samples that are not numbers (NaN or infinity) from 3.0 s on" in problems[name]


def test_numbers_beyond_single_precision_when_squared_are_loud(tmp_path):
    write(tmp_path / "a.wav", 1e30 * noise(9))
    assert causes(tmp_path) == ({"a.wav": 3}, {})


def test_channels_in_opposite_phase_are_not_silence(tmp_path):
    wave = noise(9)
    write(tmp_path / "a.wav", np.hstack([wave, -wave]))
    assert causes(tmp_path) == ({"a.wav": 3}, {})


def test_a_file_that_cannot_be_opened_again_is_a_problem(tmp_path, monkeypatch):
    for name in ("gone.wav", "odd.wav", "good.wav"):
        write(tmp_path / name, noise(9))

    def open_audio(path):
        if path.name == "gone.wav":
            raise InputError(f"{path}: there is no such file.")
        if path.name == "odd.wav":
            raise RuntimeError("the library failed")
        return files.open_audio(path)

    monkeypatch.setattr(untimed, "open_audio", open_audio)
    counts, problems = causes(tmp_path)
    assert counts == {"good.wav": 3}
    assert "no such file" in problems["gone.wav"]
    assert "RuntimeError: the library failed" in problems["odd.wav"]


def test_a_file_that_ends_before_its_header_states_is_used_so_far_and_is_a_problem(tmp_path):
    path = write(tmp_path / "a.wav", noise(9))
    info = AudioInfo(20 * RATE, RATE, 1, 20.0)
    divided = loud_windows(path, info, 3.0, 60.0)
    assert divided.rows["start_s"].tolist() == [0.0, 3.0, 6.0]
    assert divided.cause is not None
    assert "ends after 9.0 s, and its header states 20.0 s" in divided.cause
    assert loud_windows(path, probe(path), 3.0, 60.0).cause is None


def test_a_long_file_is_read_a_window_at_a_time(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", noise(3))

    class Endless:
        """A file of 10 hours, of which each block is made when it is read."""

        missing, damage = 0, ""

        def __init__(self) -> None:
            self.left = 36_000 * RATE

        def read(self, frames: int, dtype: str, always_2d: bool) -> np.ndarray:
            frames = min(frames, self.left)
            self.left -= frames
            return np.ones((frames, 1), np.float32)

        def __enter__(self) -> "Endless":
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(untimed, "open_audio", lambda _: Endless())
    info = AudioInfo(36_000 * RATE, RATE, 1, 36_000.0)
    tracemalloc.start()
    divided = loud_windows(path, info, 60.0, 60.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(divided.rows) == 600
    # A window of samples is 1.9 MB, the whole file 1.2 GB.
    assert peak < 20e6


def test_a_header_of_many_hours_without_sound_behind_it_takes_no_memory_and_no_time(tmp_path):
    path = write(tmp_path / "a.wav", noise(3))
    info = AudioInfo(10**15, RATE, 1, 10**15 / RATE)
    divided = loud_windows(path, info, 0.25, 60.0)
    assert len(divided.rows) == 12
    assert divided.cause is not None


def name_files(root: Path, *names: str) -> None:
    for name in names:
        write(root / name, noise(9), subtype="PCM_16")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings().replace(compute={"cache_dir": tmp_path / "cache", "workers": 1})


def test_the_first_lines_name_what_is_segmented_and_what_becomes_windows(
    tmp_path, settings, caplog
):
    root = tmp_path / "in"
    root.mkdir()
    name_files(root, "SM4_20230601_050000.wav", "SM4_20230601$060000.wav", "a.wav", "b.wav")
    write(root / "clip.wav", noise(2))
    with caplog.at_level(logging.INFO):
        load_rois(root, settings=settings)
    lines = [record.getMessage() for record in caplog.records]
    treatments = (
        f"{root}: 2 recordings segmented (a recorder's name or header), 2 cut into windows of 3 s "
        "(no recorder's name or header), 1 whole (up to 6 s); --rois segment or --rois windows "
        "treats all in one way."
    )
    times = (
        "3 of 5 recordings give no time of recording (a.wav, b.wav, clip.wav): plots by hour of "
        "the day leave them out."
    )
    assert lines[: lines.index(times) + 1] == [treatments, times]


def test_recordings_that_are_segmented_without_any_time_are_counted(tmp_path, settings, caplog):
    root = tmp_path / "in"
    root.mkdir()
    name_files(root, *(f"{letter}.wav" for letter in "abcd"))
    with caplog.at_level(logging.INFO):
        load_rois(root, settings=settings, rois="segment")
    assert (
        "4 of 4 recordings give no time of recording (a.wav, b.wav, c.wav, ...): plots by hour "
        "count the hours of the recording."
    ) in caplog.text
    assert "treats all in one way" not in caplog.text


def test_clips_without_times_need_no_line(tmp_path, settings, caplog):
    root = tmp_path / "in"
    root.mkdir()
    for name in "ab":
        write(root / f"{name}.wav", noise(2))
    with caplog.at_level(logging.INFO):
        load_rois(root, settings=settings)
    assert "give no time" not in caplog.text
    assert "whole" not in caplog.text


def test_recordings_of_a_table_with_times_are_counted(tmp_path, settings, caplog):
    name_files(tmp_path, "20230601_050000.wav", "b.wav")
    table = tmp_path / "rois.csv"
    table.write_text("recording,start_s,end_s\n20230601_050000.wav,0,1\nb.wav,0,1\nb.wav,2,3\n")
    with caplog.at_level(logging.INFO):
        load_rois(table, settings=settings)
    assert "1 of 2 recordings give no time of recording (b.wav)" in caplog.text


def test_a_recorders_time_in_any_header_decides_what_is_segmented(tmp_path, settings):
    root = tmp_path / "in"
    root.mkdir()
    name_files(root, "a.wav", "b.wav")
    content = (root / "a.wav").read_bytes()
    guano = b"Timestamp:2022-01-01T05:30:00+1:00"
    date = b"INFOICRD" + struct.pack("<I", 20) + b"2022-01-01T05:30:00\0"
    for name, chunk, text in (("a.wav", b"guan", guano), ("b.wav", b"LIST", date)):
        (root / name).write_bytes(content + chunk + struct.pack("<I", len(text)) + text)
    table = load_rois(root, settings=settings).table
    # The date that editors write too is a time, but no sign of a recorder.
    assert table.loc[table["recording"] == "b.wav", "start_s"].tolist() == [0.0, 3.0, 6.0]
    assert set(table.loc[table["recording"] == "b.wav", "recorded_at"]) == {"2022-01-01T05:30:00"}
    segmented = table[table["recording"] == "a.wav"]
    assert segmented["low_hz"].notna().all()

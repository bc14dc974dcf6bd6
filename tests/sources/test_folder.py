"""Folders of sound files: depth, labels, splits, windows, and unusable files."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from darksound.errors import InputError
from darksound.settings import Settings
from darksound.sources import load_rois


def test_depth_labels_splits_and_suffixes(tmp_path: Path, tone) -> None:
    for name in (
        "loose.wav",
        "owl/a.WAV",
        "test/Strigidae/owl/b.flac",
        "train/potoo/c.Ogg",
        "train/d.wav",
        "far/test/potoo/e.aiff",
    ):
        suffix = Path(name).suffix.lower()[1:]
        tone(tmp_path / name, format={"aiff": "AIFF"}.get(suffix, suffix.upper()))
    table = load_rois(tmp_path).table.set_index("recording")
    got = table[["label", "split"]].astype(object).where(table[["label", "split"]].notna(), None)
    assert {name: tuple(row) for name, row in zip(got.index, got.to_numpy(), strict=True)} == {
        "far/test/potoo/e.aiff": ("potoo", None),
        "loose.wav": (None, None),
        "owl/a.WAV": ("owl", None),
        "test/Strigidae/owl/b.flac": ("owl", "test"),
        "train/d.wav": (None, "train"),
        "train/potoo/c.Ogg": ("potoo", "train"),
    }
    assert (table["start_s"] == 0).all()
    assert table["end_s"].to_numpy() == pytest.approx(1.0)
    assert (table["root"] == str(tmp_path.resolve())).all()


def test_hidden_and_other_files_are_skipped(
    tmp_path: Path, tone, caplog: pytest.LogCaptureFixture
) -> None:
    tone(tmp_path / "owl" / "a.wav")
    (tmp_path / "owl" / "._a.wav").write_bytes(b"resource fork")
    tone(tmp_path / ".Trash" / "b.wav")
    (tmp_path / "owl" / "notes.txt").write_text("recorded at night")
    with caplog.at_level(logging.INFO):
        rois = load_rois(tmp_path)
    assert rois.table["recording"].tolist() == ["owl/a.wav"]
    assert rois.problems == ()
    assert "skipped 1 files" in caplog.text


def test_linked_folders_are_followed_once(tmp_path: Path, tone) -> None:
    tone(tmp_path / "disk" / "owl" / "a.wav")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "owl" / "loop").symlink_to(tmp_path / "data")
    assert load_rois(tmp_path / "data").table["recording"].tolist() == ["mine/owl/a.wav"]


def test_single_sound_file_is_a_source(tmp_path: Path, tone) -> None:
    rois = load_rois(tone(tmp_path / "night.flac", seconds=10))
    assert rois.table["recording"].tolist() == ["night.flac"] * 3
    assert rois.labels is None


def test_bad_files_among_good_ones_become_problems(tmp_path: Path, tone) -> None:
    tone(tmp_path / "owl" / "good.wav")
    (tmp_path / "owl" / "empty.wav").touch()
    (tmp_path / "owl" / "text.mp3").write_text("this is not sound " * 50)
    header = tone(tmp_path / "owl" / "header.wav").read_bytes()[:44]
    (tmp_path / "owl" / "header.wav").write_bytes(header)
    (tmp_path / "owl" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    rois = load_rois(tmp_path)
    assert rois.table["recording"].tolist() == ["owl/good.wav"]
    causes = {problem.recording: problem.cause for problem in rois.problems}
    assert set(causes) == {"owl/empty.wav", "owl/text.mp3", "owl/header.wav", "owl/gone.wav"}
    assert "0 bytes" in causes["owl/empty.wav"]
    assert "without samples" in causes["owl/header.wav"]


@pytest.mark.parametrize("content", [None, "notes.txt", "broken.wav"])
def test_folders_without_usable_sound_are_errors(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / content).write_text("not sound")
    expected = "None of the 1 inputs" if content == "broken.wav" else "no sound files there"
    with pytest.raises(InputError, match=expected):
        load_rois(tmp_path)


def test_folders_that_cannot_be_opened_become_problems(
    tmp_path: Path, tone, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone(tmp_path / "owl" / "a.wav")
    tone(tmp_path / "locked" / "b.wav")
    scan = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    rois = load_rois(tmp_path)
    assert rois.table["recording"].tolist() == ["owl/a.wav"]
    assert [problem.recording for problem in rois.problems] == ["locked"]


@pytest.mark.parametrize(
    ("mode", "seconds", "expected"),
    [
        ("auto", 6.0, [(0, 6)]),
        ("auto", 7.0, [(0, 3), (3, 6)]),
        ("auto", 7.6, [(0, 3), (3, 6), (6, 7.6)]),
        ("whole", 30.0, [(0, 30)]),
        ("windows", 6.0, [(0, 3), (3, 6)]),
        ("windows", 1.0, []),
    ],
)
def test_mode_and_length_decide_how_a_file_is_divided(
    mode: str, seconds: float, expected: list[tuple[float, float]], tmp_path: Path, tone
) -> None:
    tone(tmp_path / "a.wav", seconds=seconds)
    tone(tmp_path / "b.wav", seconds=3.0)
    rois = load_rois(tmp_path, rois=mode)
    table = rois.table
    times = table.loc[table["recording"] == "a.wav", ["start_s", "end_s"]].to_numpy()
    np.testing.assert_allclose(times.reshape(-1), np.array(expected).reshape(-1))
    assert ["less than half a window" in problem.cause for problem in rois.problems] == (
        [] if expected else [True]
    )


def test_quiet_windows_are_left_out(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav", seconds=12.0, level=0.001, loud=(3.5, 5.0))
    settings = Settings().replace(audio={"roi_s": 1.0})
    table = load_rois(tmp_path, settings=settings).table
    assert table["start_s"].tolist() == [3.0, 4.0]
    everything = settings.replace(rois={"window_threshold_db": 60.0})
    assert len(load_rois(tmp_path, settings=everything)) == 12


def test_window_starts_do_not_drift_at_odd_sample_rates(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav", seconds=100.0, rate=11_025)
    settings = Settings().replace(audio={"roi_s": 0.3})
    starts = load_rois(tmp_path, settings=settings).table["start_s"].to_numpy()
    np.testing.assert_allclose(starts, np.arange(len(starts)) * 0.3, atol=1e-4)


def test_silent_recordings_and_nan_samples_become_problems(tmp_path: Path, tone) -> None:
    tone(tmp_path / "good.wav", seconds=9.0)
    tone(tmp_path / "silent.wav", seconds=9.0, level=0.0)
    wave = np.full(9 * 8000, 0.1, np.float32)
    wave[40_000] = np.nan
    sf.write(tmp_path / "nan.wav", wave, 8000, subtype="FLOAT")
    rois = load_rois(tmp_path)
    assert set(rois.table["recording"]) == {"good.wav"}
    causes = {problem.recording: problem.cause for problem in rois.problems}
    assert "silent" in causes["silent.wav"]
    assert "from 3.0 s on" in causes["nan.wav"]


def test_damaged_recording_keeps_the_windows_before_the_damage(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 30 * 16_000)
    path = tmp_path / "night.flac"
    sf.write(path, wave, 16_000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    rois = load_rois(tmp_path)
    assert 3 <= len(rois) < 10
    assert rois.table["end_s"].max() < 18
    assert "s of 30.0 s are there, which are used" in rois.problems[0].cause


def test_table_is_the_same_for_any_number_of_workers(tmp_path: Path, tone) -> None:
    for number in range(12):
        tone(tmp_path / f"{number % 3}" / f"{number}.wav", seconds=7 + number / 4)
    one_worker, four_workers = (
        load_rois(tmp_path, settings=Settings().replace(compute={"workers": n})).table
        for n in (1, 4)
    )
    assert one_worker.equals(four_workers)

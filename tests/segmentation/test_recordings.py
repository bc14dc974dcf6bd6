"""Segmentation as a source of ROIs: the table, the cache, workers and errors."""

import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from darksound.errors import InputError, SettingsError
from darksound.rois.roi_set import write_roi_table
from darksound.segmentation import block, grid, recordings
from darksound.settings import Settings
from darksound.sources import load_rois

RATE = 24_000


def write_recording(path: Path, seconds: float = 12, seed: int = 0, **options) -> Path:
    """Write noise with two simultaneous tones every two seconds, apart in frequency."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    wave = 1e-3 * rng.normal(size=len(t))
    on = (t % 2 > 0.5) & (t % 2 < 0.9)
    wave += on * (0.1 * np.sin(2 * np.pi * 1500 * t) + 0.1 * np.sin(2 * np.pi * 6300 * t))
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, wave, RATE, **options)
    return path


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings().replace(compute={"cache_dir": tmp_path / "cache", "workers": 1})


@pytest.fixture
def segmented(monkeypatch) -> list[str]:
    """Return the list of the recordings whose blocks are segmented, in order."""
    names: list[str] = []
    original = block.segment_block

    def spy(path, *rest):
        names.append(path.name)
        return original(path, *rest)

    monkeypatch.setattr(recordings, "segment_block", spy)
    return names


def test_rows_have_bands_snr_and_metadata_and_simultaneous_tones_are_two(tmp_path, settings):
    write_recording(tmp_path / "in" / "wren" / "HILL_20220101_053000.wav")
    settings = settings.replace(rois={"folders": "label"})
    table = load_rois(tmp_path / "in", settings=settings, rois="segment").table
    assert len(table) == 12
    assert table["roi_id"].is_unique
    assert (table["label"] == "wren").all()
    assert (table["recorded_at"] == "2022-01-01T05:30:00").all()
    assert (table["recorder"] == "HILL").all()
    assert table[["gain", "quality_flags"]].isna().all(axis=None)
    assert (table["snr_db"] > 20).all()
    pairs = table.groupby("start_s")
    assert len(pairs) == 6
    for _, pair in pairs:
        lower, upper = pair.sort_values("low_hz").to_dict("records")
        assert lower["low_hz"] < 1500 < lower["high_hz"] < upper["low_hz"]
        assert upper["low_hz"] < 6300 < upper["high_hz"]
        assert lower["end_s"] == upper["end_s"]
    assert ((table["end_s"] - table["start_s"] - 0.5).abs() < 0.05).all()


def test_the_table_is_read_from_disk_unchanged(tmp_path, settings):
    write_recording(tmp_path / "in" / "a.wav")
    rois = load_rois(tmp_path / "in", settings=settings, rois="segment")
    write_roi_table(rois.table, tmp_path / "rois.parquet")
    rois.table.drop(columns="roi_id").to_csv(tmp_path / "rois.csv", index=False)
    for name in ("rois.parquet", "rois.csv"):
        again = load_rois(tmp_path / name)
        assert again.problems == ()
        pd.testing.assert_frame_equal(again.table, rois.table)


def test_files_of_recorders_are_segmented_by_default(tmp_path, settings, caplog):
    write_recording(tmp_path / "in" / "20220101_053000.WAV", format="WAV")
    write_recording(tmp_path / "in" / "20220101_060000.WAV", seconds=4, format="WAV")
    write_recording(tmp_path / "in" / "mine.wav")
    with caplog.at_level(logging.INFO):
        table = load_rois(tmp_path / "in", settings=settings).table
    assert table["recording"].value_counts().to_dict() == {
        "20220101_053000.WAV": 12, "mine.wav": 4, "20220101_060000.WAV": 1
    }  # fmt: skip
    assert (
        f"{tmp_path / 'in'}: 1 recording segmented (a recorder's name or header), "
        "1 cut into windows of 3 s (no recorder's name or header), 1 whole (up to 6 s); "
        "--rois segment"
    ) in caplog.text
    assert "1 of 3 recordings give no time of recording (mine.wav): plots by hour" in caplog.text
    windows = load_rois(tmp_path / "in", settings=settings, rois="windows").table
    assert windows["low_hz"].isna().all()


def test_unusable_files_are_problems_with_their_cause_and_the_others_are_used(tmp_path, settings):
    root = tmp_path / "in"
    write_recording(root / "good.wav")
    (root / "zero.wav").touch()
    header = write_recording(root / "header.wav").read_bytes()[:44]
    (root / "header.wav").write_bytes(header)
    (root / "text.flac").write_text("not audio at all\n" * 99)
    sf.write(root / "silent.wav", np.zeros(5 * RATE), RATE)
    nan = np.zeros(5 * RATE, np.float32)
    nan[RATE] = np.nan
    sf.write(root / "nan.wav", nan, RATE, subtype="FLOAT")
    for name in ("half.wav", "half.flac"):
        content = write_recording(root / name, seconds=60).read_bytes()
        (root / name).write_bytes(content[: len(content) // 2])
    # libsndfile detects the format by content, not by name.
    (root / "flac.wav").write_bytes(write_recording(tmp_path / "a.flac").read_bytes())
    rois = load_rois(root, settings=settings, rois="segment")
    counts = rois.table["recording"].value_counts().to_dict()
    assert counts.pop("half.wav") in range(28, 32)
    assert counts.pop("half.flac") in range(20, 34)
    assert counts == {"good.wav": 12, "flac.wav": 12}
    causes = {problem.recording: problem.cause for problem in rois.problems}
    expected = {
        "zero.wav": "0 bytes",
        "header.wav": "header without samples",
        "text.flac": "not a sound file",
        "silent.wav": "silent",
        "nan.wav": "not finite",
        "half.wav": "truncated: its header states 60.0 s, the file has 30.0 s",
        "half.flac": "its last frames cannot be decoded; 29.9 s of 60.0 s are there",
    }
    assert set(causes) == set(expected)
    for name, words in expected.items():
        assert words in causes[name], name
        assert name in causes[name]


def test_too_many_unusable_recordings_are_an_error(tmp_path, settings):
    for number in range(9):
        write_recording(tmp_path / "in" / f"{number}.wav", seconds=3)
    (tmp_path / "in" / "bad.wav").touch()
    strict = settings.replace(segmentation={"max_unusable": "5%"})
    with pytest.raises(InputError, match=r"1 of 10 .* more than the 5 %.*\n.*0 bytes"):
        load_rois(tmp_path / "in", settings=strict, rois="segment")
    loose = settings.replace(segmentation={"max_unusable": "10%"})
    assert len(load_rois(tmp_path / "in", settings=loose, rois="segment").problems) == 1


def test_quiet_recordings_give_no_rows_and_no_problem(tmp_path, settings):
    sf.write(tmp_path / "a.wav", 1e-3 * np.random.default_rng(0).normal(size=5 * RATE), RATE)
    rois = load_rois(tmp_path / "a.wav", settings=settings, rois="segment")
    assert (len(rois), rois.problems) == (0, ())


def test_only_missing_or_changed_recordings_are_segmented_again(tmp_path, settings, segmented):
    root = tmp_path / "in"
    for name in "ab":
        write_recording(root / f"{name}.wav")
    first = load_rois(root, settings=settings, rois="segment").table
    assert sorted(segmented) == ["a.wav", "b.wav"]
    again = load_rois(root, settings=settings, rois="segment").table
    pd.testing.assert_frame_equal(first, again)
    assert len(segmented) == 2
    os.utime(root / "a.wav", ns=(1, 1))
    load_rois(root, settings=settings, rois="segment")
    assert segmented[2:] == ["a.wav"]
    # Margins are added later; thresholds need another segmentation.
    wider = settings.replace(segmentation={"pad_s": 0.05, "pad_hz": 100})
    assert load_rois(root, settings=wider, rois="segment").table["low_hz"].max() < 6300
    assert segmented[3:] == []
    load_rois(root, settings=settings.replace(segmentation={"high_db": 21}), rois="segment")
    assert sorted(segmented[3:]) == ["a.wav", "b.wav"]


def test_a_damaged_cache_file_is_written_again(tmp_path, settings, segmented, caplog):
    write_recording(tmp_path / "in" / "a.wav")
    first = load_rois(tmp_path / "in", settings=settings, rois="segment").table
    (path,) = (tmp_path / "cache" / "segments").rglob("*.json")
    whole = path.read_text()
    other_number = whole.replace("0.48", "0.49", 1)
    assert other_number != whole
    for content in ("", '{"boxes": [[1, 2]]}', whole[:-9], other_number):
        path.write_text(content)
        again = load_rois(tmp_path / "in", settings=settings, rois="segment").table
        pd.testing.assert_frame_equal(first, again)
        assert f"{path} is damaged" in caplog.text
        caplog.clear()
    assert path.read_text() == whole
    assert len(segmented) == 5


def test_a_change_within_one_size_and_time_is_seen_with_verify_cache(tmp_path, settings, segmented):
    path = write_recording(tmp_path / "in" / "a.wav")
    status, verified = path.stat(), settings.replace(compute={"verify_cache": True})
    first = load_rois(tmp_path / "in", settings=settings, rois="segment").table
    load_rois(tmp_path / "in", settings=verified, rois="segment")
    sound, rate = sf.read(path, dtype="int16")
    sf.write(path, np.roll(sound, RATE), rate, subtype="PCM_16")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    unseen = load_rois(tmp_path / "in", settings=settings, rois="segment").table
    pd.testing.assert_frame_equal(unseen, first)
    seen = load_rois(tmp_path / "in", settings=verified, rois="segment").table
    assert abs(seen["start_s"][0] - first["start_s"][0]) > 0.5
    again = load_rois(tmp_path / "in", settings=verified, rois="segment").table
    pd.testing.assert_frame_equal(again, seen)
    assert len(segmented) == 3


@pytest.mark.parametrize(
    "error", [MemoryError(), ValueError("bad\nshape"), RuntimeError("decoder"), RecursionError()]
)
def test_whatever_one_recording_raises_is_its_problem(tmp_path, settings, monkeypatch, error):
    original = block.segment_block
    for name in "abc":
        write_recording(tmp_path / "in" / f"{name}.wav")

    def fail(path, *rest):
        if path.name == "b.wav":
            raise error
        return original(path, *rest)

    monkeypatch.setattr(recordings, "segment_block", fail)
    rois = load_rois(tmp_path / "in", settings=settings, rois="segment")
    assert sorted(rois.table["recording"].unique()) == ["a.wav", "c.wav"]
    (problem,) = rois.problems
    assert problem.recording == "b.wav"
    text = " ".join(str(error).split())
    assert f"b.wav: cannot be processed ({type(error).__name__}{': ' * bool(text)}{text}" in (
        problem.cause
    )
    assert "at recordings.py, line " in problem.cause


@pytest.mark.parametrize("change", ["delete", "cut", "rate", "text", "touch"])
def test_a_recording_that_changes_after_its_header_was_read_is_a_problem(
    tmp_path, settings, monkeypatch, change
):
    path = write_recording(tmp_path / "in" / "b.wav")
    write_recording(tmp_path / "in" / "a.wav")
    original = recordings.plan_recording
    sound, _ = sf.read(path)

    planned_lengths = []

    def replace(info, options):
        planned = original(info, options)
        planned_lengths.append(info.frames)
        changes = {
            "delete": path.unlink,
            "cut": lambda: sf.write(path, sound[: 3 * RATE], RATE),
            "rate": lambda: sf.write(path, sound, RATE // 2),
            "text": lambda: path.write_text("no sound"),
            "touch": lambda: os.utime(path, ns=(1, 1)),
        }
        if len(planned_lengths) == 2:
            changes[change]()
        return planned

    monkeypatch.setattr(recordings, "plan_recording", replace)
    rois = load_rois(tmp_path / "in", settings=settings, rois="segment")
    assert list(rois.table["recording"].unique()) == ["a.wav"]
    assert [problem.recording for problem in rois.problems] == ["b.wav"]


def test_any_number_of_workers_gives_the_same_table(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(grid, "_MAX_BLOCK_POINTS", 1)
    monkeypatch.setattr("darksound.parallel.workers._PROCESS_START_S", -1.0)
    for number in range(3):
        write_recording(tmp_path / "in" / f"{number}.wav", seconds=45, seed=number)
    chunks: dict[int, list[pd.DataFrame]] = {1: [], 2: []}
    tables = {}
    for workers in chunks:
        variant = settings.replace(
            compute={"workers": workers, "cache_dir": tmp_path / f"cache{workers}"}
        )
        rois = load_rois(
            tmp_path / "in", settings=variant, rois="segment", on_chunks=chunks[workers].append
        )
        tables[workers] = rois.table
    pd.testing.assert_frame_equal(tables[1], tables[2], check_exact=True)
    pd.testing.assert_frame_equal(chunks[1][0], chunks[2][0], check_exact=True)
    assert len(chunks[1][0]) == 3 * 4
    assert list(chunks[1][0].columns) == [
        "root", "recording", "start_s", "end_s", "level_db", "quality_flags",
        "below_share", "above_share", "hint",
    ]  # fmt: skip


def test_progress_counts_seconds_of_sound(tmp_path, settings):
    for number in range(2):
        write_recording(tmp_path / "in" / f"{number}.wav", seconds=12, seed=number)
    calls = []
    load_rois(
        tmp_path / "in", settings=settings, rois="segment", progress=lambda *a, **_: calls.append(a)
    )
    assert calls == [("seconds of sound", done, 24) for done in (0, 12, 24)]


_SCRIPT = """
import sys, pathlib
from darksound.sources import load_rois
from darksound.segmentation import grid
from darksound.settings import Settings
if __name__ == "__main__":
    grid._MAX_BLOCK_POINTS = 1
    settings = Settings().replace(compute={"cache_dir": sys.argv[2], "workers": 1})
    load_rois(sys.argv[1], settings=settings, rois="segment")
"""


def test_a_killed_run_is_resumed_from_the_cache(tmp_path, settings, segmented, monkeypatch):
    root = tmp_path / "in"
    for number in range(3):
        write_recording(root / f"{number}.wav", seconds=150, seed=number)
    script = tmp_path / "run.py"
    script.write_text(_SCRIPT)
    cache = tmp_path / "cache"
    process = subprocess.Popen([sys.executable, str(script), str(root), str(cache)])
    deadline = time.monotonic() + 60
    while len(list(cache.rglob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_cached = len(list(cache.rglob("*.json")))
    assert 3 <= n_cached < 45
    monkeypatch.setattr(grid, "_MAX_BLOCK_POINTS", 1)
    resumed = load_rois(root, settings=settings, rois="segment").table
    assert len(segmented) == 45 - n_cached
    fresh = settings.replace(compute={"cache_dir": tmp_path / "other"})
    pd.testing.assert_frame_equal(
        resumed, load_rois(root, settings=fresh, rois="segment").table, check_exact=True
    )


def test_a_cache_that_cannot_be_written_to_is_an_error(tmp_path, settings):
    write_recording(tmp_path / "in" / "a.wav")
    (tmp_path / "file").touch()
    blocked = settings.replace(compute={"cache_dir": tmp_path / "file"})
    with pytest.raises(SettingsError, match="is a file, not a folder"):
        load_rois(tmp_path / "in", settings=blocked, rois="segment")


def test_missing_dask_is_an_error(tmp_path, settings, monkeypatch):
    write_recording(tmp_path / "in" / "a.wav")
    monkeypatch.setattr("darksound.parallel.dask_cluster.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'darksound\[dask\]'"):
        load_rois(
            tmp_path / "in",
            settings=settings.replace(compute={"dask": "tcp://127.0.0.1:1"}),
            rois="segment",
        )


def test_a_dask_cluster_gives_the_same_table(tmp_path, settings, dask_address):
    for number in range(4):
        write_recording(tmp_path / "in" / f"{number}.wav", seconds=20, seed=number)
    (tmp_path / "in" / "bad.wav").write_text("not audio")
    local = load_rois(tmp_path / "in", settings=settings, rois="segment")
    distributed = settings.replace(compute={"dask": dask_address, "cache_dir": tmp_path / "other"})
    rois = load_rois(tmp_path / "in", settings=distributed, rois="segment")
    pd.testing.assert_frame_equal(local.table, rois.table, check_exact=True)
    assert local.problems == rois.problems


@pytest.mark.slow
@pytest.mark.parametrize(("form", "name"), [("RF64", "a.wav"), ("W64", "a.w64")])
def test_files_above_four_gigabytes_are_read_to_their_end(form, name, tmp_path, settings):
    path = tmp_path / "in" / name
    path.parent.mkdir()
    minute = np.zeros((60 * 48_000, 8), np.int32)
    with sf.SoundFile(path, "w", 48_000, 8, "PCM_32", format=form) as sound:
        for _ in range(50):
            sound.write(minute)
        t = np.arange(48_000) / 48_000
        noise = 1e-3 * np.random.default_rng(0).normal(size=(11 * 48_000, 8))
        noise[5 * 48_000 : 6 * 48_000] += 0.1 * np.sin(2 * np.pi * 3000 * t)[:, None]
        sound.write(noise)
    assert path.stat().st_size > 2**32
    rois = load_rois(path, settings=settings, rois="segment")
    assert rois.problems == ()
    last = rois.table.iloc[-1]
    assert last["start_s"] == pytest.approx(3004.95, abs=0.05)
    wave, _ = rois.reader.read(last["root"], last["recording"], 3005.1, 3005.9, None)
    assert np.abs(wave).max() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("level", [1e8, 1e30, np.inf, np.nan])
def test_samples_far_above_full_scale_are_a_problem(tmp_path, settings, level):
    write_recording(tmp_path / "in" / "a.wav")
    sound, _ = sf.read(tmp_path / "in" / "a.wav")
    sf.write(tmp_path / "in" / "b.wav", sound * level, RATE, subtype="FLOAT")
    rois = load_rois(tmp_path / "in", settings=settings, rois="segment")
    assert set(rois.table["recording"]) == {"a.wav"}
    (problem,) = rois.problems
    assert re.search("far above full scale|not finite", problem.cause)

"""Whatever goes wrong with one recording, every command continues with the others."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from darksound import sources
from darksound.jobs import inputs, segment
from darksound.report import soundscape
from darksound.report.page import clips

RATE = 16_000
BAD = Path("sounds/owl/3.wav")


def delete() -> None:
    BAD.unlink()


def cut() -> None:
    BAD.write_bytes(BAD.read_bytes()[:1000])


def replace_by_text() -> None:
    BAD.write_text("not a sound")


def replace_by_silence() -> None:
    content = BAD.read_bytes()
    BAD.write_bytes(content[:44] + bytes(len(content) - 44))


def replace_by_folder() -> None:
    BAD.unlink()
    BAD.mkdir()


FAULTS = (delete, cut, replace_by_text, replace_by_silence, replace_by_folder)


@pytest.fixture
def sounds(darksound, world) -> Callable[..., object]:
    """Return a function that calls a command on a copy of the sounds, with tiny settings."""
    shutil.copytree(world / "sounds", "sounds")
    return lambda *words: darksound(*words, "--config", world / "tiny.toml")


def fail_after_loading(monkeypatch, fault: Callable[[], None]) -> None:
    """Let the fault occur after the recordings were listed and their headers read."""
    original = sources.load_rois

    def load_rois(*args, **options):
        rois = original(*args, **options)
        fault()
        return rois

    monkeypatch.setattr(inputs, "load_rois", load_rois)


@pytest.mark.parametrize(
    ("command", "fault"),
    [*(("embed", fault) for fault in FAULTS), ("mec --iterations 0", delete), ("train", cut)],
)
def test_a_fault_after_listing_is_a_line_of_errors_csv(sounds, monkeypatch, command, fault):
    fail_after_loading(monkeypatch, fault)
    ended = sounds(*command.split(), "--data", "sounds", "--out", "run")
    assert ended.exit_code == 3, ended.output
    errors = pd.read_csv("run/errors.csv")
    assert errors["recording"].tolist() == ["owl/3.wav"]
    assert "sounds/owl/3.wav" in errors["cause"][0]


@pytest.fixture
def run(sounds) -> Path:
    ended = sounds(*("mec", "--data", "sounds", "--out", "run", "--iterations", 0))
    assert ended.exit_code == 0, ended.output
    return Path("run")


def test_reports_and_exports_of_a_run_name_a_recording_that_is_no_longer_readable(darksound, run):
    replace_by_text()
    ended = darksound("report", run)
    assert ended.exit_code == 3, ended.output
    assert "32 ROIs, 31 of them with sound" in ended.stdout
    for kind in ("clips", "raven", "audacity", "csv"):
        ended = darksound("export", run, "--format", kind, "--out", kind)
        assert ended.exit_code == (3 if kind == "clips" else 0), ended.output
    assert pd.read_csv("clips/errors.csv")["recording"].tolist() == ["owl/3.wav"]


def test_a_clip_whose_thumbnail_fails_does_not_end_the_report(darksound, run, monkeypatch):
    original, calls = clips.spectrogram, []

    def fail(wave, scale):
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError("by 0")
        return original(wave, scale)

    monkeypatch.setattr(clips, "spectrogram", fail)
    ended = darksound("report", run, "--workers", 1)
    assert ended.exit_code == 3, ended.output
    assert "31 of them with sound" in ended.stdout


def test_a_plot_that_fails_is_listed_and_the_rois_are_kept(darksound, monkeypatch):
    Path("in").mkdir()
    t = np.arange(4 * RATE) / RATE
    noise = 1e-3 * np.random.default_rng(0).normal(size=len(t))
    for name in "ab":
        sf.write(f"in/{name}.wav", noise + 0.1 * np.sin(19_000 * t) * (t % 2 < 0.4), RATE)
    original = soundscape.soundscape

    def fail(path, *rest, **options):
        if path.name == "a.wav":
            raise ValueError("odd")
        return original(path, *rest, **options)

    monkeypatch.setattr(segment, "soundscape", fail)
    ended = darksound("segment", "in", "--out", "run", "--plot")
    assert ended.exit_code == 3, ended.output
    errors = pd.read_csv("run/errors.csv")
    assert errors["recording"].tolist() == ["a.wav"]
    assert errors["cause"][0].startswith("No plot, the ROIs are kept: ")
    assert {path.name for path in Path("run/plots").iterdir()} == {"b.png", "rois-per-hour.png"}
    assert set(pd.read_parquet("run/rois.parquet")["recording"]) == {"a.wav", "b.wav"}


def test_plots_of_recordings_of_one_stem_or_outside_the_root_have_names_of_their_own():
    names = segment._plot_names(
        ["a/1.wav", "a/1.flac", "../a/1.mp3", "/tmp/b.wav", "a/1.wav", "$x$.wav"]
    )
    assert [name.as_posix() for name in names] == [
        *("a/1.png", "a/1.flac.png", "a/1.mp3.png", "tmp/b.png", "a/1.wav.png", "$x$.png")
    ]


def test_recordings_without_rois_are_in_hints_csv(darksound):
    Path("in").mkdir()
    noise = 1e-3 * np.random.default_rng(0).normal(size=4 * RATE)
    sf.write("in/noise.wav", noise, RATE)
    sf.write("in/short.wav", noise[:100], RATE)
    ended = darksound("segment", "in", "--out", "run")
    assert ended.exit_code == 0, ended.output
    hints = pd.read_csv("run/hints.csv").set_index("recording")["hint"]
    assert "segmentation.high_db asks for 20" in hints["noise.wav"]
    assert "too short to have a background" in hints["short.wav"]
    assert "hint" not in pd.read_csv("run/chunks.csv")
    assert "No ROI was found" in ended.stdout
    assert "2 recordings have no ROI, or other hints; the likely causes are in run/hints.csv" in (
        ended.stdout
    )
    assert "Warning: noise.wav: No ROI: the loudest point" in ended.stderr
    ended = darksound("mec", "--data", "in", "--rois", "segment", "--out", "mec")
    assert ended.exit_code == 2
    assert "No ROI was found in the data.\n  noise.wav: No ROI: the loudest" in ended.stderr
    assert not Path("mec").exists()

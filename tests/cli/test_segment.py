"""`darksound segment`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from darksound.sources import load_rois

RATE = 24_000


@pytest.fixture
def nights(tmp_path) -> Path:
    root = tmp_path / "nights"
    root.mkdir()
    t = np.arange(12 * RATE) / RATE
    for hour in (5, 6):
        noise = 1e-3 * np.random.default_rng(hour).normal(size=len(t))
        notes = 0.1 * np.sin(2 * np.pi * 3000 * t) * (t % 2 < 0.4)
        sf.write(root / f"HILL_20220101_{hour:02}0000.wav", noise + notes, RATE)
    return root


def test_recordings_become_a_table_with_plots_and_chunks(darksound, nights):
    ended = darksound("segment", nights, "--out", "rois.parquet", "--plot")
    assert ended.exit_code == 0, ended.output
    table = load_rois("rois.parquet").table
    assert len(table) == 12
    (run,) = Path("runs").iterdir()
    chunks = pd.read_csv(run / "chunks.csv")
    assert chunks["recording"].tolist() == [f"HILL_20220101_0{hour}0000.wav" for hour in (5, 6)]
    assert {path.name for path in (run / "plots").iterdir()} == {
        "rois-per-hour.png", "HILL_20220101_050000.png", "HILL_20220101_060000.png"
    }  # fmt: skip
    assert "12 ROIs are in" in ended.stdout
    assert "hour of the day" in ended.stdout
    assert json.loads((run / "run.json").read_text())["rois"] == 12
    again = darksound("segment", nights, "--out", "rois.parquet")
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_table_is_in_the_run_directory_without_a_file(darksound, nights):
    ended = darksound("segment", nights / "HILL_20220101_050000.wav", "--out", "run")
    assert ended.exit_code == 0, ended.output
    assert len(load_rois("run/rois.parquet")) == 6
    assert not Path("run/plots").exists()


def test_options_are_settings(darksound, nights):
    ended = darksound(
        *("segment", nights, "--out", "rois.csv", "--high-hz", 2500, "--low-hz", 300),
        *("--max-unusable", "5%", "--roi-length", 2),
    )
    assert ended.exit_code == 0, ended.output
    assert len(pd.read_csv("rois.csv")) == 0
    (run,) = Path("runs").iterdir()
    settings = json.loads((run / "run.json").read_text())["settings"]
    assert settings["segmentation"]["max_unusable"] == 0.05
    assert settings["segmentation"]["high_hz"] == 2500
    assert settings["audio"]["roi_s"] == 2


def test_unreadable_files_end_with_3_and_too_many_with_2(darksound, nights):
    (nights / "bad.wav").touch()
    ended = darksound("segment", nights, "--out", "some")
    assert ended.exit_code == 3
    assert pd.read_csv("some/errors.csv")["recording"].tolist() == ["bad.wav"]
    ended = darksound("segment", nights, "--out", "none", "--max-unusable", "10%")
    assert ended.exit_code == 2
    assert "1 of 3 recordings cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not Path("none").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no data to segment"),
        (("gone",), "no file or folder of that name"),
        (("--max-unusable", "few", "x"), "segmentation.max_unusable cannot be 'few'"),
        (("--low-hz", "9000", "--high-hz", "100", "x"), "high_hz must be above low_hz"),
    ],
)
def test_wrong_usage_ends_with_2(darksound, words, message):
    ended = darksound("segment", *words)
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_table_given_back_is_used_without_choruses_which_are_listed(darksound, nights):
    darksound("segment", nights, "--out", "rois.csv")
    table = pd.read_csv("rois.csv")
    table["chorus"], table["call_score"] = [True, *11 * [False]], [*10 * [0.9], 0.1, 0.1]
    table.to_csv("marked.csv", index=False)
    words = ("embed", "--data", "marked.csv", "--min-call-score", 0.5, "--out")
    ended = darksound(*words, "few")
    assert ended.exit_code == 0, ended.output
    assert "Left out 3 of 12 ROIs: 1 of choruses (--keep-chorus keeps them)" in ended.stderr
    assert len(pd.read_parquet("few/embeddings.parquet")) == 9
    left_out = pd.read_csv("few/left_out.csv")
    assert left_out["roi_id"].tolist() == table["roi_id"].iloc[[0, 10, 11]].tolist()
    assert json.loads(Path("few/run.json").read_text())["left_out"] == 3
    ended = darksound(*words, "most", "--keep-chorus")
    assert ended.exit_code == 0, ended.output
    assert len(pd.read_parquet("most/embeddings.parquet")) == 10


def test_presets_search_from_150_hz(darksound, nights):
    for preset, high_hz in (("nocturnal", 3500), ("all", 11_500)):
        ended = darksound("segment", nights, "--preset", preset, "--out", preset)
        assert ended.exit_code == 0, ended.output
        assert f"Searched 150 to {high_hz:,} Hz" in " ".join(ended.stderr.split())

"""`darksound export`, and a review from one run to the next."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import one_line

from darksound.sources import load_rois


@pytest.fixture
def mec(darksound, world):
    """Return a function that calls `darksound mec` on the sounds of `world`."""
    words = ("mec", "--config", world / "tiny.toml", "--data", world / "sounds", "--no-report")
    return lambda *more: darksound(*words, *more)


def test_run_is_exported_and_its_review_constrains_the_next_run(darksound, mec, world):
    assert mec("--out", "first", "--iterations", 1).exit_code == 0
    ended = darksound("export", "first", "--format", "raven", "-q")
    assert ended.exit_code == 0, ended.output
    assert re.match(r"32 ROIs in 33 files: first/exports/raven\. Raven opens", ended.stdout)
    for name in ("accumulation.csv", "activity.csv", "confounders.csv"):
        assert len(pd.read_csv(Path("first", name)))

    # The review merges clusters with the same most frequent species, and rejects two clips.
    rois = pd.read_parquet("first/rois.parquet")
    rows = rois[["roi_id", "recording", "start_s", "end_s", "label"]].copy()
    rows["cluster"] = pd.read_parquet("first/clusters.parquet")["cluster"]
    reviewed = rows[rows["cluster"] >= 0]
    leading = reviewed.groupby("cluster")["label"].agg(lambda labels: labels.mode()[0])
    reviewed = reviewed.assign(name=reviewed["cluster"].map(leading))
    reviewed["group"] = reviewed.groupby("name")["cluster"].transform("min")
    reviewed["rejected"] = [str(i < 2).lower() for i in range(len(reviewed))]
    reviewed.drop(columns="label").to_csv("my review.csv", index=False)

    ended = mec("--out", "second", "--iterations", 1, "--review", "my review.csv")
    assert ended.exit_code == 0, ended.output
    about = json.loads(Path("second/run.json").read_text())
    assert about["inputs"]["review"] == str(Path("my review.csv").resolve())
    second = pd.read_parquet("second/rois.parquet")
    second["cluster"] = pd.read_parquet("second/clusters.parquet")["cluster"]
    assert len(second) == 30
    kept = reviewed[reviewed["rejected"] == "false"].merge(
        second, on="roi_id", suffixes=("", "_new")
    )
    assert (kept.groupby("group")["cluster_new"].nunique() == 1).all()
    assert kept.groupby("cluster_new")["group"].nunique().max() == 1

    ended = darksound(
        *("export", "second", "--format", "dataset", "--out", "labelled", "-q"),
        *("--review", "second/review.csv"),
    )
    assert ended.exit_code == 0, ended.output
    assert set(load_rois("labelled").table["label"]) == set(reviewed["name"])


def test_run_keeps_a_copy_of_its_review(mec, world):
    rois = load_rois(world / "sounds").table
    rows = rois[["roi_id", "recording", "start_s", "end_s"]].assign(cluster=0, group=0, name="x")
    rows.assign(rejected="false").head(8).to_csv("r.csv", index=False)
    assert mec("--out", "run", "--iterations", 0, "--review", "r.csv").exit_code == 0
    assert Path("run/review-given.csv").read_bytes() == Path("r.csv").read_bytes()
    shutil.copy("r.csv", "other.csv")
    ended = mec("--out", "run", "--iterations", 0, "--resume", "--review", "other.csv")
    assert ended.exit_code == 2
    assert "--review is" in ended.stderr


def test_unusable_review_is_an_error_before_anything_is_written(mec, tmp_path):
    Path("bad.csv").write_text("roi_id,cluster,group,name,rejected\na,0,0,,perhaps\n")
    Path("other.csv").write_text("roi_id,cluster,group,name,rejected\na,0,0,,false\n")
    before = sorted(tmp_path.iterdir())
    for name, message in (("bad.csv", "row 2 has neither"), ("other.csv", "none of its 1 ROIs")):
        ended = mec("--out", "run", "--review", name)
        assert ended.exit_code == 2
        assert message in ended.stderr
        assert sorted(tmp_path.iterdir()) == before


def test_wrong_usage_ends_with_2(darksound, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, message in (
        (("empty", "--format", "csv"), "empty/run.json is missing"),
        (("empty", "--format", "excel"), "'excel' is not one of 'raven', 'audacity'"),
        (("empty",), "Missing option '--format'"),
        (("empty", "--format", "clips", "--audio", "mp3"), "'mp3' is not one of 'wav', 'flac'"),
        (("empty", "--format", "csv", "--occasion", "day"), "--occasion needs --format occupancy."),
        (("empty", "--format", "csv", "--level", "name"), "--level needs --format occupancy."),
        (
            ("empty", "--format", "csv", "--min-precision", 2),
            "Input should be less than or equal to 1",
        ),
        (
            ("empty", "--format", "raven", "--min-probability", 0.5),
            "--min-probability needs --format occupancy or darwin-core.",
        ),
        (
            ("empty", "--format", "occupancy", "--min-probability", 2),
            "Input should be less than or equal to 1",
        ),
    ):
        ended = darksound("export", *words)
        assert ended.exit_code == 2
        assert message in one_line(ended.stderr)
        assert "Traceback" not in ended.stderr


def test_missing_recordings_end_with_3(darksound, mec, world, tmp_path):
    shutil.copytree(world / "sounds", "sounds")
    words = ("mec", "--config", world / "tiny.toml", "--data", "sounds", "--no-report")
    assert darksound(*words, "--iterations", 0, "--out", "run").exit_code == 0
    Path("sounds/wren/0.wav").unlink()
    ended = darksound("export", "run", "--format", "clips", "--audio", "flac", "-q")
    assert ended.exit_code == 3, ended.output
    assert "31 ROIs" in ended.stdout
    assert "errors.csv" in ended.stderr
    assert "wren/0.wav" in ended.stderr
    assert len(list(Path("run/exports/clips").rglob("*.flac"))) == 31

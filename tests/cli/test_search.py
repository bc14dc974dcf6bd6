"""`darksound search`, and what its groups and splits are in the next run."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from tests.cli.conftest import one_line

from darksound.cluster.neighbours import find_neighbours
from darksound.report.result import read_run
from darksound.report.reviewing import save_review, split_cluster
from darksound.rois.review import read_review


@pytest.fixture
def run(darksound, world, tmp_path):
    """Return a run of 32 clips in folders of 8."""
    words = ("mec", "--config", world / "tiny.toml", "--data", world / "sounds", "--no-report")
    done = darksound(*words, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    return tmp_path / "run"


def test_a_clip_of_the_run_is_found_with_its_neighbours(darksound, run, world, tmp_path):
    result = read_run(run)
    roi = result.rois.table.iloc[5]
    clip = world / "sounds" / roi["recording"]
    done = darksound("search", run, "--clip", clip, "--k", 4, "--out", tmp_path / "hits")
    assert done.exit_code == 0, done.output
    hits = pd.read_csv(tmp_path / "hits" / "hits.csv")
    # The clip is embedded as the ROIs of the run were, so it is found itself, at distance 0.
    found = find_neighbours(result.embeddings, np.asarray(result.embeddings[[5]]), 4)
    assert hits["roi_id"].tolist() == result.rois.table["roi_id"].iloc[found.rows[0]].tolist()
    assert hits["roi_id"][0] == roi["roi_id"]
    assert hits["distance"][0] == pytest.approx(0, abs=2e-4)
    np.testing.assert_allclose(hits["distance"], found.distances[0], atol=2e-3)
    assert hits["rank"].tolist() == [1, 2, 3, 4]
    # Every hit can be played, and the clip beside them.
    query, _ = soundfile.read(tmp_path / "hits" / "query.wav")
    first, _ = soundfile.read(tmp_path / "hits" / hits["clip"][0])
    np.testing.assert_allclose(query, first, atol=1e-4)
    assert all((tmp_path / "hits" / name).is_file() for name in hits["clip"])
    assert "4 of 32 ROIs, at distances of 0.000 to" in one_line(done.output)
    again = darksound("search", run, "--clip", clip, "--out", tmp_path / "hits")
    assert again.exit_code == 2
    assert "exists already; give another --out, or --overwrite" in one_line(again.output)


def test_hits_become_a_group_that_holds_in_the_next_run(darksound, run, world, tmp_path):
    clip = world / "sounds" / read_run(run).rois.table["recording"][0]
    words = ("search", run, "--clip", clip, "--k", 3)
    done = darksound(*words, "--name", "small owl")
    assert done.exit_code == 0, done.output
    (folder,) = (run / "searches").iterdir()
    hits = pd.read_csv(folder / "hits.csv")
    review = folder / "review.csv"
    reviewed = read_run(run).reviewed(review)
    grouped = reviewed.clusters["cluster"][reviewed.clusters["roi_id"].isin(hits["roi_id"])]
    assert grouped.nunique() == 1
    # A second search adds to the review.
    more = darksound(*words, "--name", "small owl", "--review", review, "--out", tmp_path / "two")
    assert more.exit_code == 0, more.output
    assert pd.read_csv(tmp_path / "two" / "hits.csv")["name"].tolist() == ["small owl"] * 3
    config = ("--config", world / "tiny.toml", "--data", world / "sounds", "--no-report")
    done = darksound("mec", *config, "--review", review, "--out", tmp_path / "next")
    assert done.exit_code == 0, done.output
    clusters = read_run(tmp_path / "next").clusters
    assert clusters["cluster"][clusters["roi_id"].isin(hits["roi_id"])].nunique() == 1
    names = pd.read_csv(tmp_path / "next" / "review.csv")
    assert set(names["name"]) == {"small owl"}


def test_a_stretch_of_a_recording_and_a_largest_distance(darksound, run, world, tmp_path):
    clip = world / "sounds" / read_run(run).rois.table["recording"][0]
    out = tmp_path / "hits"
    part = ("--start", "0.1", "--end", "0.3", "--out", out)
    done = darksound("search", run, "--clip", clip, *part)
    assert done.exit_code == 0, done.output
    query, rate = soundfile.read(out / "query.wav")
    assert len(query) == pytest.approx(0.2 * rate, abs=1)
    none = darksound("search", run, "--clip", clip, "--start", "0.1", "--max-distance", "0")
    assert none.exit_code == 0
    assert "None of the 32 ROIs is as near as that" in one_line(none.output)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--clip", "gone.wav"), "gone.wav: there is no such file"),
        (("--start", "5", "--end", "4"), "no call from 5 to 4 s"),
        (("--start", "99"), "no call from 99 to"),
        (("--k", "0"), "Invalid value for '--k'"),
        (("--review", "gone.csv"), "gone.csv: there is no such file"),
    ],
)
def test_wrong_usage_ends_with_2(darksound, run, world, words, message):
    clip = world / "sounds" / read_run(run).rois.table["recording"][0]
    done = darksound("search", run, "--clip", clip, *words)
    assert done.exit_code == 2
    assert message in one_line(done.output)


def test_a_long_recording_needs_times_and_a_folder_must_be_a_run(darksound, run, tmp_path):
    soundfile.write(tmp_path / "night.wav", np.full(8000 * 40, 0.1), 8000)
    done = darksound("search", run, "--clip", tmp_path / "night.wav")
    assert done.exit_code == 2
    assert "40 s long, too long for one call; name its start and end" in one_line(done.output)
    done = darksound("search", tmp_path, "--clip", tmp_path / "night.wav")
    assert done.exit_code == 2
    assert "is not a run" in one_line(done.output)


def test_a_catalogue_is_searched_and_the_hits_have_its_types(darksound, run, world, tmp_path):
    recordings = read_run(run).rois.table["recording"]
    done = darksound("catalogue", "create", run, "--out", tmp_path / "calls")
    assert done.exit_code == 0, done.output
    types = pd.read_parquet(tmp_path / "calls" / "versions" / "0001" / "types.parquet")
    clip = world / "sounds" / recordings[0]
    out = tmp_path / "hits"
    done = darksound("search", tmp_path / "calls", "--clip", clip, "--k", 3, "--out", out)
    assert done.exit_code == 0, done.output
    hits = pd.read_csv(out / "hits.csv")
    assert set(hits["type_id"]) <= set(types["type_id"])
    assert all((out / name).is_file() for name in hits["clip"])
    named = darksound("search", tmp_path / "calls", "--clip", clip, "--name", "owl")
    assert named.exit_code == 2
    assert "--name and --review are for runs" in one_line(named.output)


def test_a_split_cluster_stays_split_in_the_next_run(darksound, run, world, tmp_path):
    result = read_run(run)
    review = split_cluster(result, 0, names=["wren", "owl"])
    save_review(review, result, tmp_path / "split.csv")
    words = ("mec", "--config", world / "tiny.toml", "--data", world / "sounds", "--no-report")
    done = darksound(*words, "--review", tmp_path / "split.csv", "--out", tmp_path / "next")
    assert done.exit_code == 0, done.output
    again = read_run(tmp_path / "next")
    cluster = again.clusters.set_index("roi_id")["cluster"]
    parts = [set(cluster[ids.index]) for _, ids in review.groups.groupby(review.groups)]
    assert len(parts) == 2
    assert all(len(clusters) == 1 for clusters in parts)
    assert parts[0] != parts[1]
    # The names go with the parts.
    assert sorted(read_review(tmp_path / "next" / "review.csv").names.values()) == ["owl", "wren"]

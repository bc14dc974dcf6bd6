"""A made season through `mec` and its exports, compared with what is true, cell by cell."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_mutual_info_score
from typer.testing import CliRunner

from darksound.cli.app import app
from darksound.report.result import read_run
from darksound.synthesis.season_voices import SEASON_VOICES


@dataclass(frozen=True)
class Season:
    """A season and its run.

    Attributes:
        truth: folder of recordings and tables of what is true.
        run: the run of `mec`.
        review: names of the clusters by the species of most of their ROIs.
        species: of each ROI `(n,)`, empty for ROIs of no song.
    """

    truth: Path
    run: Path
    review: Path
    species: list[str]


def call(*words: object) -> None:
    ended = CliRunner().invoke(app, [str(word) for word in words])
    assert ended.exit_code == 0, ended.output


def species_of(rois: pd.DataFrame, events: pd.DataFrame) -> list[str]:
    """Return the species of the song that shares most time with each ROI, else an empty text."""
    calls = events[events["kind"] == "call"]
    by_recording = dict(iter(calls.groupby("recording")))
    found = []
    for roi in rois.to_dict("records"):
        songs = by_recording.get(roi["recording"], calls.iloc[:0])
        shared = np.minimum(songs["end_s"], roi["end_s"]) - np.maximum(
            songs["start_s"], roi["start_s"]
        )
        best = shared.idxmax() if (shared > 0).any() else None
        found.append("" if best is None else str(songs["label"][best]))
    return found


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    root = tmp_path_factory.mktemp("season")
    truth, run, review = root / "season", root / "run", root / "review.csv"
    environment = {"DARKSOUND_CACHE": str(root / "cache"), "DARKSOUND_DATA": str(root / "data")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        options = (
            "--sites",
            3,
            "--days",
            3,
            "--recorder",
            "audiomoth",
            "--workers",
            1,
            "--seed",
            2,
        )
        call("synth", "--out", truth, *options)
        quick = ("--iterations", 0, "--workers", 1, "--device", "cpu", "--no-report")
        call("mec", "--data", truth, "--sites", truth / "sites.csv", "--out", run, *quick)
    table = read_run(run).table
    species = species_of(table, pd.read_csv(truth / "events.csv"))
    names = (
        pd.Series(species)
        .groupby(table["cluster"])
        .agg(lambda of_cluster: of_cluster.value_counts().index[0])
    )
    rows = table.assign(
        group=table["cluster"], name=table["cluster"].map(names.drop(-1, errors="ignore"))
    )
    rows.assign(rejected="false").to_csv(review, index=False)
    return Season(truth, run, review, species)


def test_clusters_are_pure_and_all_songs_are_in_one(season: Season) -> None:
    table = read_run(season.run).table.assign(species=season.species)
    clustered = table[(table["cluster"] >= 0) & (table["species"] != "")]
    assert (clustered.groupby("cluster")["species"].nunique() == 1).all()
    assert set(clustered["species"]) == set(list(SEASON_VOICES)[:6])


def test_detection_histories_equal_the_truth_cell_by_cell(season: Season) -> None:
    out = season.run.parent / "occupancy"
    call(
        *("export", season.run, "--format", "occupancy"),
        *("--review", season.review, "--out", out),
    )
    keys = ["name", "site", "date"]
    truth = pd.read_csv(season.truth / "detections.csv").rename(columns={"label": "name"})
    found = pd.read_csv(out / "detections.csv").rename(columns={"start": "date"})
    expected = truth.set_index(keys)["detected"].sort_index()
    given = found.set_index(keys)["detected"].sort_index()
    pd.testing.assert_series_equal(given, expected)
    # All three values are there.
    assert set(expected.dropna()) == {0.0, 1.0}
    assert expected.isna().sum() == 6
    for file in (out / "wide").iterdir():
        wide = pd.read_csv(file).set_index("site").filter(regex=r"^y\.").stack(future_stack=True)
        np.testing.assert_array_equal(wide, given[file.stem])


def test_effort_and_rain_are_those_of_the_recordings(season: Season) -> None:
    out = season.run.parent / "effort"
    call("export", season.run, "--format", "occupancy", "--review", season.review, "--out", out)
    recordings = pd.read_csv(season.truth / "recordings.csv")
    recordings["date"] = recordings["recorded_at"].str[:10]
    hours = recordings.groupby(["site", "date"])["duration_s"].sum() / 3600
    effort = pd.read_csv(out / "effort.csv").rename(columns={"start": "date"})
    given = effort.set_index(["site", "date"])
    known = given["effort_hours"][given["effort_hours"] > 0]
    np.testing.assert_allclose(known, hours.reindex(known.index), atol=1e-6)
    assert len(known) == len(hours)
    rained = recordings.assign(rain=recordings["rain"] * recordings["duration_s"])
    share = rained.groupby(["site", "date"])[["rain", "duration_s"]].sum()
    expected = (share["rain"] / share["duration_s"]).reindex(known.index)
    assert expected.max() > 0
    np.testing.assert_allclose(given["rain_share"].reindex(known.index), expected, atol=1e-4)


def test_thresholds_and_occasions_of_the_command_have_their_effect(season: Season) -> None:
    out = season.run.parent / "one-occasion"
    call(
        *("export", season.run, "--format", "occupancy", "--review", season.review),
        *("--occasion", 1, "--out", out),
    )
    found = pd.read_csv(out / "detections.csv").set_index(["name", "site"])["detected"]
    truth = pd.read_csv(season.truth / "detections.csv")
    expected = truth.groupby(["label", "site"])["detected"].max()
    assert found.astype(float).to_dict() == expected.to_dict()
    none = season.run.parent / "none"
    call(
        *("export", season.run, "--format", "occupancy", "--review", season.review),
        *("--min-probability", 1, "--level", "cluster", "--out", none),
    )
    assert pd.read_csv(none / "detections.csv")["count"].sum() < len(season.species)


def test_activity_is_in_the_hours_and_at_the_sites_of_the_species(season: Season) -> None:
    out = season.run.parent / "activity"
    call("export", season.run, "--format", "activity", "--review", season.review, "--out", out)
    table = pd.read_csv(out / "activity.csv")
    truth = pd.read_csv(season.truth / "events.csv").query("kind == 'call'")
    hours = truth["recording"].str.extract(r"_(\d\d)\d{4}\.WAV")[0].astype(int)
    named = table[table["name"].isin(SEASON_VOICES)]
    sung = named[(named["by"] == "hour") & (named["calls"] > 0)]
    assert sung.groupby("name")["hour"].agg(set).to_dict() == (
        hours.groupby(truth["label"]).agg(set).to_dict()
    )
    at = named[(named["by"] == "site") & (named["calls"] > 0)]
    assert at.groupby("name")["site"].agg(set).to_dict() == (
        truth.groupby("label")["site"].agg(set).to_dict()
    )
    # Hours that were never recorded are blank, not zero.
    by_hour = named[named["by"] == "hour"]
    assert set(by_hour[by_hour["calls"].notna()]["hour"]) == {0, 5, 6, 12, 18, 21}


def test_agreement_with_the_site_is_that_of_the_season(season: Season) -> None:
    table = read_run(season.run).table.assign(species=season.species)
    found = pd.read_csv(season.run / "confounders.csv").set_index("what")["ami"]
    clustered = table[table["cluster"] >= 0]
    expected = adjusted_mutual_info_score(clustered["site"], clustered["cluster"])
    assert found["site"] == pytest.approx(expected, abs=1e-3)

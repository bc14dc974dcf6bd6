"""Confounders: recordings, recorders, sites and times."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from darksound.report.accumulation import accumulate
from darksound.report.confounders import confounders, recording_context
from darksound.rois.roi_set import TEXT_DTYPE, as_text


def table(**columns):
    made = pd.DataFrame({"root": "/r", "start_s": 0.0, **columns})
    for name in ("label", "recorder", "recorded_at"):
        made[name] = as_text(made[name]) if name in made else pd.Series(dtype=TEXT_DTYPE)
    return made


def by_what(result):
    return result[result["cluster"].isna()].set_index("what")


def test_agreement_is_the_ami_over_clustered_rois_with_a_known_value():
    rng = np.random.default_rng(1)
    cluster = rng.integers(-1, 4, size=200)
    recorder = np.where(rng.uniform(size=200) < 0.7, cluster, rng.integers(0, 4, 200)).astype(str)
    known = rng.uniform(size=200) < 0.8
    rows = table(
        recording=[f"rec-{i % 23}.wav" for i in range(200)],
        recorder=[name if k else None for name, k in zip(recorder, known, strict=True)],
        cluster=cluster,
    )
    result = by_what(confounders(rows))
    known_rois = known & (cluster >= 0)
    expected = adjusted_mutual_info_score(cluster[known_rois], recorder[known_rois])
    assert result.loc["recorder", "ami"] == pytest.approx(expected)
    assert result.loc["recorder", "rois"] == known_rois.sum()
    assert result.loc["recording", "groups"] == 23
    assert abs(result.loc["recording", "ami"]) < 0.1
    assert result.loc["recording", "warning"] == ""
    assert np.isnan(result.loc["hour", "ami"])


def test_clusters_that_equal_recorders_give_a_warning():
    rows = table(
        recording=[f"{i}.wav" for i in range(40)],
        recorder=["SM4", "AM1"] * 20,
        recorded_at=["2022-01-31T05:10:00", "2022-02-01T05:10:00"] * 20,
        cluster=[0, 1] * 20,
    )
    result = by_what(confounders(rows))
    assert result.loc["recorder", "ami"] == pytest.approx(1)
    assert "agree with the recorder (AMI 1.00)" in result.loc["recorder", "warning"]
    assert result.loc["date", "ami"] == pytest.approx(1)
    assert result.loc["hour", "groups"] == 1
    assert result.loc["hour", "warning"] == ""


def test_clusters_of_one_recording_are_listed_if_there_are_several_recordings():
    recording = ["a.wav"] * 4 + ["b.wav"] * 4
    rows = table(recording=recording, cluster=[0, 0, 0, 1, 1, 2, 2, 3])
    result = confounders(rows)
    single = result[result["cluster"].notna()]
    assert single["cluster"].tolist() == [0, 2]  # 3 is of one ROI, and could not be elsewhere
    assert (
        single["warning"].tolist()[1] == "Cluster 2 (2 ROIs) occurs in one recording only: b.wav."
    )
    assert single["what"].unique().tolist() == ["recording"]
    assert confounders(rows.assign(recording="a.wav"))["cluster"].isna().all()


def test_sites_are_those_of_the_table():
    rows = table(recording=["north/a.wav"], label=[None], site=["ridge"])
    assert recording_context(rows)["site"].tolist() == ["ridge"]
    rows = table(recording=["north/a.wav"], label=[None])
    assert recording_context(rows)["site"].isna().all()


def test_date_and_hour_are_those_of_the_roi_by_the_clock_of_the_recorder():
    rows = table(
        recording=["a.wav", "b.wav"],
        recorded_at=["2022-01-31T23:59:00+05:00", None],
        label=[None, None],
    ).assign(start_s=[61.0, 0.0])
    result = recording_context(rows)
    assert result[["date", "hour"]].iloc[0].tolist() == ["2022-02-01", "00"]
    assert result[["date", "hour"]].iloc[1].isna().all()


def test_a_run_of_noise_only_has_no_agreement():
    rows = table(recording=["a/1.wav", "b/2.wav"], cluster=[-1, -1])
    result = confounders(rows)
    assert result["what"].tolist() == ["recording", "recorder", "site", "date", "hour"]
    assert result["ami"].isna().all()
    assert (result["rois"] == 0).all()
    accumulation = accumulate(rows)
    assert (accumulation.observed, accumulation.units) == (0, 2)
    assert (accumulation.curve[["mean", "low", "high"]] == 0).all(axis=None)


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00", "99999-01-01", "yesterday"]
)
def test_times_that_no_clock_shows_are_unknown(time):
    rows = table(
        recording=["a.wav", "b.wav"],
        recorded_at=[time, "2022-01-31T23:30:00"],
        start_s=[0.0, 1800.0],
    )
    assert recording_context(rows)["date"].fillna("").tolist() == ["", "2022-02-01"]
    rows = table(recording=["a.wav"], recorded_at=["2022-01-31T23:30:00"], start_s=[1e300])
    assert len(recording_context(rows)) == 1

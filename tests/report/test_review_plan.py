"""Plans of reviews and their reports: which ROIs are drawn, and what verdicts on them show."""

import numpy as np
import pandas as pd
import pytest

from darksound.errors import InputError, RunError
from darksound.report.detections import DetectionOptions
from darksound.report.exports.export import export
from darksound.report.result import MecResult
from darksound.report.review_plan import (
    PLAN_FILE,
    extend_plan,
    plan_of_run,
    probability_bands,
    read_plan,
    review_plan,
)
from darksound.report.review_report import next_counts, review_report
from darksound.rois.review import read_review
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings
from darksound.store.readers import DispatchReader

SIZES = (300, 60, 12, 4)


def made_result(sizes=SIZES, noise=10, sites=("a", "b", "c")) -> MecResult:
    n = sum(sizes) + noise
    rng = np.random.default_rng(0)
    cluster = np.append(np.repeat(np.arange(len(sizes)), sizes), np.full(noise, -1))
    site = rng.choice(sites, n)
    table = as_roi_table(
        {
            "root": ["/none"] * n,
            "recording": [f"{name}/r{i % 7}.wav" for i, name in enumerate(site)],
            "start_s": np.arange(n, dtype=float),
            "end_s": np.arange(n) + 0.5,
            "site": site.tolist(),
        }
    )
    inside = cluster >= 0
    clusters = pd.DataFrame(
        {
            "roi_id": table["roi_id"],
            "cluster": cluster,
            "probability": np.where(inside, rng.uniform(0.2, 1, n), 0.0),
            "outlier_score": 0.0,
            "assigned_cluster": pd.array([pd.NA] * n, dtype="Int64"),
            "assigned_probability": np.nan,
            "x": np.zeros(n, np.float32),
            "y": np.zeros(n, np.float32),
            "persistence": np.where(inside, 0.5, np.nan),
            "supercluster": cluster,
            "stability": np.where(inside, 0.9, np.nan),
        }
    )
    iterations = pd.DataFrame({"iteration": [0], "n_clusters": [len(sizes)], "kept": [True]})
    return MecResult(
        RoiSet(table, DispatchReader()), clusters, iterations, np.zeros((n, 2)), Settings()
    )


@pytest.fixture(scope="module")
def result() -> MecResult:
    return made_result()


def written(tmp_path, rows, **columns):
    """A review of ROIs with a verdict, or other columns."""
    table = rows.assign(group=rows["cluster"], name="", rejected="false")
    table = table.assign(**columns)
    path = tmp_path / "review.csv"
    names = ["roi_id", "cluster", "group", "name", "rejected", "verdict"]
    table[names].to_csv(path, index=False)
    return read_review(path)


def verdicts_of(rows, wrong):
    return np.where(rows["roi_id"].isin(wrong), "no", "yes")


def test_bands_are_thirds_of_the_rois_of_a_cluster(result):
    table = result.table[result.table["cluster"] >= 0]
    bands = probability_bands(table)
    counts = pd.crosstab(table["cluster"], bands)
    assert counts.loc[0].to_dict() == {"all": 0, "high": 100, "low": 100, "middle": 100}
    assert counts.loc[3, "all"] == 4
    of_largest = table[table["cluster"] == 0].groupby(bands)["probability"]
    assert of_largest.max()["low"] < of_largest.min()["middle"]
    assert of_largest.max()["middle"] < of_largest.min()["high"]


def test_a_plan_has_20_rois_of_each_cluster_and_all_of_small_ones(result):
    plan = review_plan(result)
    assert plan.groupby("cluster").size().to_dict() == {0: 20, 1: 20, 2: 12, 3: 4}
    assert not plan["roi_id"].duplicated().any()
    strata = plan.query("cluster == 0").groupby("stratum").size()
    assert strata.between(6, 7).all()
    # The ROIs that each one stands for are all of the cluster.
    assert plan.groupby("cluster")["weight"].sum().to_dict() == pytest.approx(
        dict(enumerate(SIZES))
    )


def test_all_sites_are_represented_in_proportion(result):
    table = result.table.set_index("roi_id")
    counts = review_plan(result, per_cluster=30).query("cluster == 0")["site"].value_counts()
    shares = table[table["cluster"] == 0]["site"].value_counts(normalize=True)
    # Each of three strata may be off by one.
    assert (counts - 30 * shares).abs().max() <= 3


def test_the_same_seed_draws_the_same_and_every_roi_may_be_drawn(result):
    drawn = [review_plan(result, per_cluster=30, seed=seed) for seed in range(30)]
    pd.testing.assert_frame_equal(drawn[3], review_plan(result, per_cluster=30, seed=3))
    counts = pd.concat(drawn).query("cluster == 1")["roi_id"].value_counts()
    assert len(counts) == 60
    # Each of 60 ROIs in half of the 30 plans, with a standard deviation of 2.7.
    assert counts.between(15 - 11, 15 + 11).all()


def test_rejected_clusters_are_left_out(result, tmp_path):
    rows = result.table.query("cluster == 1").assign(verdict="")
    review = written(tmp_path, rows, rejected="true")
    assert sorted(review_plan(result, review=review)["cluster"].unique()) == [0, 2, 3]


def test_a_result_without_clusters_and_a_plan_of_nothing_are_errors(result):
    with pytest.raises(InputError, match="no cluster"):
        review_plan(made_result(sizes=(), noise=5))
    with pytest.raises(InputError, match="at least 1"):
        review_plan(result, per_cluster=0)


def test_an_extended_plan_has_the_earlier_rois_and_more_of_the_wanted_strata(result):
    plan = review_plan(result)
    index = pd.MultiIndex.from_tuples([(0, "low"), (1, "high")], names=["cluster", "stratum"])
    more = extend_plan(result, plan, pd.Series([5, 40], index=index))
    assert set(plan["roi_id"]) < set(more["roi_id"])
    before = plan.groupby(["cluster", "stratum"]).size()
    after = more.groupby(["cluster", "stratum"]).size()
    assert (after - before)[0, "low"] == 5
    # There are no more than 20 in this band.
    assert after[1, "high"] == 20
    assert len(more) == len(plan) + 5 + 20 - before[1, "high"]


def test_a_plan_that_is_no_plan_is_an_error(tmp_path):
    (tmp_path / PLAN_FILE).write_text("a,b\n1,2\n")
    with pytest.raises(RunError, match="lacks the column"):
        read_plan(tmp_path / PLAN_FILE)
    (tmp_path / PLAN_FILE).write_text("")
    with pytest.raises(RunError, match="cannot be read"):
        read_plan(tmp_path / PLAN_FILE)


def test_without_a_file_the_plan_is_the_default_one(result):
    pd.testing.assert_frame_equal(plan_of_run(result), review_plan(result))


def test_a_report_gives_the_weighted_precision_of_each_group(result, tmp_path):
    plan = review_plan(result)
    # All of the low band of cluster 0 are wrong, and one of the four of cluster 3.
    is_low = (plan["cluster"] == 0) & (plan["stratum"] == "low")
    verdicts = np.where(is_low, "no", "yes")
    verdicts[np.flatnonzero(plan["cluster"] == 3)[0]] = "no"
    review = written(tmp_path, plan, verdict=verdicts)
    report = review_report(result, review, plan=plan).set_index("name")
    assert report.loc["cluster 0", "precision"] == pytest.approx(2 / 3)
    assert report.loc["cluster 0", "true_calls"] == pytest.approx(200)
    assert report.loc["cluster 1", "precision"] == 1
    assert (report.loc[["cluster 1"], "low"] < 0.95).all()
    exact = report.loc["cluster 3", ["precision", "low", "high", "to_check"]].tolist()
    assert exact == [0.75, 0.75, 0.75, 0]
    whole = report.loc["all"]
    assert whole["rois"] == sum(SIZES)
    assert whole["true_calls"] == pytest.approx(200 + 60 + 12 + 3)
    assert pd.isna(whole["group"])


def test_unsure_rois_are_left_out_and_rejected_ones_are_wrong(result, tmp_path):
    plan = review_plan(result)
    rows = plan[plan["cluster"] == 1].reset_index(drop=True)
    verdict, rejected = np.full(20, "yes", object), np.full(20, "false", object)
    verdict[:4], rejected[4] = "unsure", "true"
    review = written(tmp_path, rows, verdict=verdict, rejected=rejected)
    report = review_report(result, review, plan=plan)
    row = report[report["name"] == "cluster 1"].iloc[0]
    assert (row["checked"], row["yes"], row["no"], row["unsure"]) == (16, 15, 1, 4)
    assert 0.85 < float(row["precision"]) < 1


def test_verdicts_on_other_rois_do_not_count_as_a_sample(result, tmp_path):
    plan = review_plan(result)
    others = result.table.query("cluster == 0")
    others = others[~others["roi_id"].isin(plan["roi_id"])].head(100)
    rows = pd.concat([plan.query("cluster == 0"), others]).reset_index(drop=True)
    verdict = np.append(np.full(20, "yes"), np.full(100, "no"))
    review = written(tmp_path, rows, verdict=verdict)
    row = review_report(result, review, plan=plan).set_index("name").loc["cluster 0"]
    # 100 of 300 are wrong for certain; of the others all that were drawn are right.
    assert row["precision"] == pytest.approx(2 / 3)
    assert row["high"] == pytest.approx(2 / 3)


def test_merged_clusters_are_one_group_with_the_strata_of_both(result, tmp_path):
    plan = review_plan(result)
    group = plan["cluster"].replace(1, 0)
    verdict = np.where(plan["cluster"] == 1, "no", "yes")
    review = written(tmp_path, plan, group=group, verdict=verdict)
    report = review_report(result, review, plan=plan).set_index("group")
    assert report.loc[0, "rois"] == 360
    assert report.loc[0, "precision"] == pytest.approx(300 / 360)


def test_the_next_rois_are_of_the_large_and_uncertain_strata(result, tmp_path):
    plan = review_plan(result)
    rng = np.random.default_rng(0)
    unsure = (plan["cluster"] == 0) & (plan["stratum"] == "middle")
    verdict = np.where(unsure & (rng.random(len(plan)) < 0.5), "no", "yes")
    review = written(tmp_path, plan, verdict=verdict)
    counts = next_counts(result, review, 15, plan=plan)
    assert counts.sum() == 15
    assert counts.idxmax() == (0, "middle")
    assert 3 not in counts.index.get_level_values("cluster")


def test_a_review_without_verdicts_on_the_plan_is_an_error(result, tmp_path):
    plan = review_plan(result)
    review = written(tmp_path, plan, verdict="")
    with pytest.raises(InputError, match="no verdict yes or no on a ROI of the plan"):
        review_report(result, review, plan=plan)


def test_the_interval_of_true_calls_holds_the_truth_in_95_percent_of_reviews(tmp_path):
    """Of 30 reviews of a run at least 27 hold: fewer have a probability of 0.06 if 95 % do.

    Errors are more frequent at low probabilities, as in real clusters.
    """
    made = made_result(sizes=(240,), noise=0)
    table = made.table
    held = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        share = rng.uniform(0.2, 1)
        wrong = rng.random(len(table)) > np.minimum(1, share + table["probability"] / 3)
        plan = review_plan(made, per_cluster=20, seed=seed)
        verdict = verdicts_of(plan, table["roi_id"][wrong])
        review = written(tmp_path, plan, verdict=verdict)
        row = review_report(made, review, plan=plan).iloc[-1]
        held.append(row["true_low"] - 1e-6 <= (~wrong).sum() <= row["true_high"] + 1e-6)
    assert sum(held) >= 27


def test_exports_can_ask_for_verified_rois_or_precise_groups(result, tmp_path):
    plan = review_plan(result)
    verdict = np.where(plan["cluster"] == 0, "no", "yes")
    written(tmp_path, plan, verdict=verdict)
    path = tmp_path / "review.csv"

    def exported(**options):
        found = export(
            result,
            "csv",
            out=tmp_path / "out.csv",
            review=path,
            overwrite=True,
            detections=DetectionOptions(**options),
        )
        return pd.read_csv(found.path)

    assert len(exported(verified=True)) == (verdict == "yes").sum()
    precise = exported(min_precision=0.8)
    assert sorted(precise["cluster"].unique()) == [1, 2, 3]
    assert len(precise) == 60 + 12 + 4
    written(tmp_path, plan, verdict=np.full(len(plan), "no"))
    with pytest.raises(InputError, match=r"No group has a precision of at least 0.5: that of clus"):
        exported(min_precision=0.5)


def test_exports_of_what_is_verified_need_verdicts(result, tmp_path):
    out = tmp_path / "out.csv"
    for options, message in (
        (DetectionOptions(verified=True), "No ROI has the verdict yes"),
        (DetectionOptions(min_precision=0.9), "needs a review"),
    ):
        with pytest.raises(InputError, match=message):
            export(result, "csv", out=out, detections=options)
    assert not out.exists()

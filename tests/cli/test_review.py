"""`darksound review-plan` and `darksound review-report` on a small run."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.report.page.small_run import small_run


@pytest.fixture(scope="module")
def made_run(tmp_path_factory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def run(made_run, tmp_path) -> Path:
    return Path(shutil.copytree(made_run, tmp_path / "run"))


def save_review(run: Path, path: Path, wrong: int) -> None:
    plan = pd.read_csv(run / "review_plan.csv", dtype={"roi_id": str})
    verdict = pd.Series("yes", plan.index)
    verdict[:wrong] = "no"
    rows = plan.assign(group=plan["cluster"], name="", rejected="false", verdict=verdict)
    rows[["roi_id", "cluster", "group", "name", "rejected", "verdict"]].to_csv(path, index=False)


def test_a_plan_is_drawn_reviewed_reported_and_extended(darksound, run, tmp_path):
    drawn = darksound("review-plan", run, "--per-cluster", 5, "-q")
    assert drawn.exit_code == 0, drawn.output
    assert f"15 ROIs of 3 clusters to check: {run / 'review_plan.csv'}." in drawn.output
    assert (run / "report.html").exists()
    save_review(run, tmp_path / "r.csv", wrong=2)
    ended = darksound(
        "review-report", run, "--review", tmp_path / "r.csv", "--next", 4, "--no-report", "-q"
    )
    assert ended.exit_code == 0, ended.output
    assert "of 30 ROIs in groups are true calls" in ended.output
    assert "4 ROIs were added to the plan" in ended.output
    assert len(pd.read_csv(run / "review_plan.csv")) == 19
    report = pd.read_csv(run / "review_report.csv")
    assert report["name"].tolist() == ["cluster 0", "cluster 1", "cluster 2", "all"]
    assert report["checked"].tolist() == [5, 5, 5, 15]


def test_the_default_review_is_that_of_the_run(darksound, run):
    assert darksound("review-plan", run, "--no-report", "-q").exit_code == 0
    save_review(run, run / "review.csv", wrong=0)
    ended = darksound("review-report", run, "-q")
    assert ended.exit_code == 0, ended.output
    assert "30 of 30 ROIs in groups are true calls (30 to 30)" in ended.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("review-plan", "."), "run.json is missing"),
        (("review-plan", "RUN", "--per-cluster", 0), "greater than or equal to 1"),
        (("review-report", "RUN"), "review.csv does not exist"),
        (("review-report", "RUN", "--review", "none.csv"), "none.csv does not exist"),
    ],
)
def test_wrong_usage_ends_with_2(darksound, run, words, message):
    ended = darksound(*(run if word == "RUN" else word for word in words))
    assert ended.exit_code == 2, ended.output
    assert message in " ".join(ended.output.split())
    assert "Traceback" not in ended.output


def test_exports_ask_for_verified_rois(darksound, run, tmp_path):
    assert darksound("review-plan", run, "--per-cluster", 5, "--no-report", "-q").exit_code == 0
    save_review(run, run / "review.csv", wrong=5)
    words = ("export", run, "--format", "csv", "--review", run / "review.csv")
    verified = darksound(*words, "--verified", "--out", tmp_path / "verified.csv", "-q")
    assert verified.exit_code == 0, verified.output
    assert len(pd.read_csv(tmp_path / "verified.csv")) == 10
    precise = darksound(*words, "--min-precision", 0.5, "--out", tmp_path / "precise.csv", "-q")
    assert precise.exit_code == 0, precise.output
    assert set(pd.read_csv(tmp_path / "precise.csv")["cluster"]) == {1, 2}
    none = darksound(*words, "--min-precision", 0.99, "--out", tmp_path / "none.csv", "-q")
    assert none.exit_code == 2
    assert "No group has a precision of at least 0.99" in " ".join(none.output.split())

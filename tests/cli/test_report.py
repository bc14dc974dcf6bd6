"""`darksound report`, and the page that `darksound mec` leaves."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import one_line
from tests.report.page.small_run import small_run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"))


def test_page_is_written_into_the_run(darksound, run_folder, tmp_path):
    ended = darksound("report", run_folder, "--report-mb", "0.5", "-q")
    assert ended.exit_code == 0, ended.output
    page = run_folder / "report.html"
    assert page.stat().st_size <= 500_000
    assert f"{page} shows 36 ROIs" in ended.output


def test_external_media_are_written_beside_the_page(darksound, run_folder, tmp_path):
    ended = darksound("report", run_folder, "--external-media", "-q")
    assert ended.exit_code == 0, ended.output
    assert len(list((run_folder / "report_media").glob("*.mp3"))) == 36


def test_missing_recordings_end_with_3(darksound, run_folder, tmp_path):
    ended = darksound("report", run_folder, "--root", tmp_path, "-q")
    assert ended.exit_code == 3, ended.output
    assert "0 of them with sound" in ended.output


def test_activity_is_written_with_the_review(darksound, run_folder, tmp_path):
    ended = darksound("report", run_folder, "-q")
    assert ended.exit_code == 0, ended.output
    table = pd.read_csv(run_folder / "activity.csv")
    assert table.query("of == 'cluster' and by == 'total'")["calls"].tolist() == [15, 9, 6]
    rois = pd.read_parquet(run_folder / "rois.parquet")
    rows = [
        f"{roi_id},1,2,wren,{'true' if i == 15 else 'false'}"
        for i, roi_id in rois["roi_id"][15:24].items()
    ]
    Path("review.csv").write_text("\n".join(["roi_id,cluster,group,name,rejected", *rows]))
    ended = darksound("report", run_folder, "--review", "review.csv", "-q")
    assert ended.exit_code == 0, ended.output
    reviewed = pd.read_csv(run_folder / "activity.csv").query("by == 'total'")
    # Cluster 1 without a rejected ROI is part of cluster 2.
    assert reviewed.query("of == 'cluster'")[["cluster", "calls"]].to_numpy().tolist() == [
        [0, 15],
        [2, 14],
    ]
    assert reviewed.query("of == 'name'")[["name", "calls"]].to_numpy().tolist() == [["wren", 14]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("report", "."), "run.json is missing"),
        (("report", "RUN", "--report-mb", "-1"), "report.page_mb"),
        (("report", "RUN", "--review", "none.csv"), "none.csv"),
    ],
)
def test_wrong_usage_ends_with_2(
    darksound,
    run_folder,
    words,
    message,
):
    ended = darksound(*(run_folder if word == "RUN" else word for word in words))
    assert ended.exit_code == 2, ended.output
    assert message in ended.output
    assert "Traceback" not in ended.output


def test_mec_writes_a_page_unless_no_report_is_given(darksound, world, tmp_path):
    words = ("mec", "--data", world / "sounds", "--config", world / "tiny.toml", "--iterations", 0)
    with_page = darksound(*words, "--out", "with", "-q")
    assert with_page.exit_code == 0, with_page.output
    assert "report.html" in with_page.output
    assert Path("with/report.html").exists()
    without = darksound(*words, "--out", "without", "--no-report", "-q")
    assert without.exit_code == 0, without.output
    assert not Path("without/report.html").exists()


def test_runs_are_compared_in_a_figure_and_a_table(darksound, run_folder, tmp_path):
    shutil.copytree(run_folder, "second")
    ended = darksound("report", "--compare", run_folder, "second", "-q")
    assert ended.exit_code == 0, ended.output
    assert {path.name for path in Path().iterdir()} == {"second", "compare.png", "compare.svg"}
    assert [row.split()[0] for row in ended.stdout.splitlines()[4:6]] == ["run", "second"]
    assert "The figure is in compare.png and compare.svg." in ended.stdout
    ended = darksound("report", "second", run_folder, "--compare", "--out", "figures")
    assert ended.exit_code == 0, ended.output
    assert Path("figures/compare.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("RUN", "RUN"), "--compare to compare several"),
        (("RUN", "--out", "x"), "--out is for --compare"),
        (("RUN", "RUN", "--compare", "--figures"), "not for --compare"),
        (("RUN", "--compare"), "at least two runs"),
        (("RUN", "RUN", "--compare"), "given twice"),
        (("RUN", ".", "--compare"), "run.json is missing"),
    ],
)
def test_wrong_comparisons_end_with_2(words, message, darksound, run_folder):
    ended = darksound("report", *(run_folder if word == "RUN" else word for word in words))
    assert ended.exit_code == 2, ended.output
    assert message in one_line(ended.output)

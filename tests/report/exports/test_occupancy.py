"""Detection histories as files: golden tables, what R reads in them, and the season's truth."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.report.conftest import write_run

from darksound.errors import InputError
from darksound.report.detections import DetectionOptions
from darksound.report.exports.export import export
from darksound.report.result import read_run
from darksound.rois.effort import EFFORT_SCHEMA, as_effort_table, as_site_table
from darksound.run.files import write_parquet

DOCS = Path(__file__).parents[3] / "docs" / "occupancy.md"
R = shutil.which("Rscript")
needs_r = pytest.mark.skipif(R is None, reason="R is not installed")


@pytest.fixture
def run_of_sites(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run of two sites and three days; `B` stops after the first.

    Cluster 0 is at A on the first day, twice, and at B; cluster 1 at A on the third.
    """

    def make(with_sites: bool = True) -> Path:
        recordings = ["a1.wav", "a2.wav", "a3.wav", "b1.wav"]
        starts = [f"2025-06-0{day}T05:00:00-05:00" for day in (1, 2, 3, 1)]
        rois = {
            "root": ["/r"] * 5,
            "recording": ["a1.wav", "a1.wav", "b1.wav", "a3.wav", "a2.wav"],
            "start_s": [1.0, 5.0, 1.0, 1.0, 1.0],
            "end_s": [2.0, 6.0, 2.0, 2.0, 2.0],
            "site": ["A", "A", "B", "A", "A"],
        }
        run = write_run(tmp_path / "run", rois, [0, 0, 0, 1, -1])
        effort = {
            "root": "/r",
            "recording": recordings,
            "site": ["A", "A", "A", "B"],
            "recorded_at": starts,
            "duration_s": 1800.0,
            "used_s": [1800.0, 900.0, 1800.0, 3600.0],
            "rain_share": [0.5, 0.0, 0.0, 0.25],
        }
        write_parquet(run / "effort.parquet", as_effort_table(pd.DataFrame(effort)), EFFORT_SCHEMA)
        if with_sites:
            sites = {"site": ["A", "B"], "latitude": [-0.5, -0.6], "longitude": [-77.9, -77.8]}
            sites |= {"habitat": ["forest", "edge"], "ndvi.1": [0.5, 0.7]}
            write_parquet(run / "sites.parquet", as_site_table(pd.DataFrame(sites)))
        return run

    return make


def write_review(path: Path, run: Path, names: dict[int, str], verdicts: list[str]) -> Path:
    table = read_run(run).table
    rows = table[["roi_id", "cluster"]].assign(group=table["cluster"], rejected="false")
    rows["name"] = rows["cluster"].map(lambda cluster: names.get(cluster, ""))
    rows["verdict"] = verdicts
    rows.to_csv(path, index=False)
    return path


def test_wide_tables_are_as_unmarked_reads_them(run_of_sites: Callable[..., Path]) -> None:
    done = export(run_of_sites(), "occupancy")
    assert (done.path / "wide" / "cluster 0.csv").read_text() == (
        "site,y.1,y.2,y.3,latitude,longitude,habitat,ndvi_1,"
        "effort_hours.1,effort_hours.2,effort_hours.3,rain_share.1,rain_share.2,rain_share.3\n"
        "A,1,0,0,-0.5,-77.9,forest,0.5,0.5,0.25,0.5,0.5,0.0,0.0\n"
        "B,1,NA,NA,-0.6,-77.8,edge,0.7,1.0,0.0,0.0,0.25,NA,NA\n"
    )
    counts = pd.read_csv(done.path / "counts" / "cluster 0.csv")
    assert counts["y.1"].tolist() == [2, 1]
    long = (done.path / "long" / "cluster 1.csv").read_text().splitlines()
    assert long[0] == "site,day,y,effort_hours,rain_share,latitude,longitude,habitat,ndvi_1"
    # 2025-06-01 is the day 20240 since 1970.
    assert [line.split(",")[:4] for line in long[1:]] == [
        ["A", "20240", "0", "0.5"],
        ["A", "20241", "0", "0.25"],
        ["A", "20242", "1", "0.5"],
        ["B", "20240", "0", "1.0"],
        ["B", "20241", "NA", "0.0"],
        ["B", "20242", "NA", "0.0"],
    ]


def test_one_table_has_everything(run_of_sites: Callable[..., Path]) -> None:
    done = export(run_of_sites(), "occupancy")
    assert done.rois == 4
    lines = (done.path / "detections.csv").read_text().splitlines()
    assert lines[0] == (
        "name,site,occasion,detected,count,start,end,effort_hours,rain_share,wind_share"
    )
    assert lines[1] == "cluster 0,A,1,1,2,2025-06-01,2025-06-01,0.5,0.5,NA"
    assert lines[5] == "cluster 0,B,2,NA,NA,2025-06-02,2025-06-02,0.0,NA,NA"
    assert len(lines) == 1 + 2 * 2 * 3
    names = pd.read_csv(done.path / "names.csv")
    assert names.to_dict("records") == [
        {"name": "cluster 0", "file": "cluster 0.csv", "count": 3, "detected": 2, "cells": 4,
         "sites_detected": 2, "sites": 2},
        {"name": "cluster 1", "file": "cluster 1.csv", "count": 1, "detected": 1, "cells": 4,
         "sites_detected": 1, "sites": 2},
    ]  # fmt: skip
    assert pd.read_csv(done.path / "occasions.csv")["start"].tolist() == [
        "2025-06-01",
        "2025-06-02",
        "2025-06-03",
    ]


def test_names_and_verdicts_of_a_review_are_used(
    run_of_sites: Callable[..., Path], tmp_path: Path
) -> None:
    run = run_of_sites()
    verdicts = ["yes", "", "unsure", "", ""]
    review = write_review(tmp_path / "review.csv", run, {0: "a/owl"}, verdicts)
    done = export(run, "occupancy", review=review, out=tmp_path / "named")
    assert [path.name for path in (done.path / "wide").iterdir()] == ["a_owl.csv"]
    assert set(pd.read_csv(done.path / "detections.csv")["name"]) == {"a/owl"}
    verified = export(
        run, "occupancy", review=review, out=tmp_path / "verified",
        detections=DetectionOptions(verified=True),
    )  # fmt: skip
    wide = pd.read_csv(verified.path / "wide" / "a_owl.csv")
    assert wide["y.1"].tolist()[0] == 1
    assert np.isnan(wide["y.1"].tolist()[1])
    by_cluster = export(
        run, "occupancy", review=review, out=tmp_path / "clusters",
        detections=DetectionOptions(level="cluster"),
    )  # fmt: skip
    assert pd.read_csv(by_cluster.path / "names.csv")["name"].tolist() == ["cluster 0", "cluster 1"]


def test_verified_without_verdicts_is_an_error(run_of_sites: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="verdict yes"):
        export(run_of_sites(), "occupancy", detections=DetectionOptions(verified=True))


def test_runs_without_a_table_of_sites_are_exported_too(run_of_sites: Callable[..., Path]) -> None:
    done = export(run_of_sites(with_sites=False), "occupancy")
    header = (done.path / "wide" / "cluster 0.csv").read_text().splitlines()[0]
    assert header.startswith("site,y.1,y.2,y.3,effort_hours.1,")


def test_names_that_are_one_file_for_some_systems_have_files_of_their_own(
    run_of_sites: Callable[..., Path], tmp_path: Path
) -> None:
    run = run_of_sites()
    review = write_review(tmp_path / "review.csv", run, {0: "Owl", 1: "owl"}, [""] * 5)
    done = export(run, "occupancy", review=review)
    assert pd.read_csv(done.path / "names.csv")["file"].tolist() == ["Owl.csv", "owl-2.csv"]


def r_lines() -> list[str]:
    """Return the blocks of R in the docs, without those that need a package."""
    blocks = re.findall(r"^```r\n(.*?)^```", DOCS.read_text("utf-8"), re.S | re.M)
    kept = [re.split(r"^library\(.*", block, flags=re.M)[0] for block in blocks]
    return [block for block in kept if block.strip()]


@needs_r
def test_base_r_reads_the_matrices_with_the_lines_of_the_docs(
    run_of_sites: Callable[..., Path], tmp_path: Path
) -> None:
    done = export(run_of_sites(), "occupancy", out=tmp_path / "it's occupancy")
    script = "\n".join(r_lines()).replace("runs/season/exports/occupancy", str(done.path))
    script += """
    one <- found[found$name == names$name[1], ]
    y1 <- tapply(one$detected, list(factor(one$site, sites$site), one$occasion), sum)
    cat(y1["A", ], y1["B", ], "\\n")
    wide <- read.csv(file.path(folder, "wide", names$file[1]), stringsAsFactors = TRUE)
    stopifnot(identical(unname(y1), unname(as.matrix(wide[grep("^y\\\\.[0-9]+$", names(wide))]))))
    cat(dim(data$y), sum(data$y, na.rm = TRUE), sum(is.na(data$y)), "\\n")
    cat(data$det.covs$effort["A", ], data$occ.covs$habitat, data$coords[1, "latitude"], "\\n")
    """
    (tmp_path / "read.R").write_text(script)
    assert R is not None
    ended = subprocess.run(
        [R, "--vanilla", str(tmp_path / "read.R")], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert [line.split() for line in ended.stdout.splitlines()][-3:] == [
        ["1", "0", "0", "1", "NA", "NA"],
        ["2", "2", "3", "3", "4"],
        ["0.5", "0.25", "0.5", "forest", "edge", "-0.5"],
    ]

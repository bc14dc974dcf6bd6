"""Tables of effort and of sites of a run."""

import dataclasses

import pandas as pd
import pytest

from darksound.errors import RunError
from darksound.report.result import read_run
from darksound.rois.effort import as_effort_table, as_site_table
from darksound.run.places import EFFORT_FILE, SITES_FILE, read_places, write_places


@pytest.fixture
def with_places_written(small_run):
    """Return a run with a recording without a ROI and a table of sites."""
    run = small_run()
    rois = read_run(run).rois
    recordings = [*rois.table["recording"].unique(), "silent.wav"]
    effort = as_effort_table({"root": rois.table["root"].iloc[0], "recording": recordings})
    sites = as_site_table({"site": ["Üfer"], "latitude": 47.8, "longitude": 13.0, "canopy": 0.4})
    write_places(run, rois.replace(effort=effort, sites=sites))
    return run


def test_a_run_has_its_effort_and_sites(with_places_written, tmp_path):
    result = read_run(with_places_written)
    assert result.effort is not None
    assert result.sites is not None
    counts = result.effort.set_index("recording")["n_rois"]
    assert counts.to_dict() == {"night/a.wav": 2, "b.wav": 2, "night/a.flac": 1, "silent.wav": 0}
    assert result.sites[["site", "latitude", "canopy"]].to_numpy().tolist() == [["Üfer", 47.8, 0.4]]
    # The numbers are those of the ROIs that are there.
    fewer = dataclasses.replace(result, rois=result.rois.take([0]))
    assert fewer.effort is not None
    assert fewer.effort["n_rois"].sum() == 1
    moved = read_run(with_places_written, root=tmp_path)
    assert moved.effort is not None
    assert set(moved.effort["root"]) == {str(tmp_path)}


def test_runs_of_earlier_versions_have_neither_but_sites_by_folders(small_run):
    run = small_run()
    table = pd.read_parquet(run / "rois.parquet").drop(columns="site")
    table["recording"] = table["recording"].str.replace("night", "north")
    table.to_parquet(run / "rois.parquet")
    result = read_run(run)
    assert (result.effort, result.sites) == (None, None)
    assert result.rois.table["site"].fillna("").tolist() == ["north", "", "north", "north", ""]


def test_sets_without_effort_and_sites_remove_the_files(with_places_written):
    write_places(
        with_places_written, read_run(with_places_written).rois.replace(effort=None, sites=None)
    )
    assert read_places(with_places_written) == (None, None)


@pytest.mark.parametrize("name", [EFFORT_FILE, SITES_FILE])
@pytest.mark.parametrize("damage", ["text", "columns"])
def test_a_damaged_table_is_named(with_places_written, name, damage):
    path = with_places_written / name
    if damage == "text":
        path.write_text("not a table")
    else:
        pd.read_parquet(path).drop(columns="site").to_parquet(path)
    with pytest.raises(RunError, match=name):
        read_run(with_places_written)

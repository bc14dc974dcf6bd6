"""The content of activity.csv."""

import numpy as np
import pandas as pd
import pytest

from darksound.report.activity import Recorded, recorded_times
from darksound.report.activity_table import (
    ACTIVITY_COLUMNS,
    activity_table,
    has_activity,
    why_no_activity,
)
from darksound.rois.effort import as_effort_table


def made(times: bool = True, sites: bool = True) -> tuple[pd.DataFrame, Recorded]:
    """Return ROIs of two clusters and noise in two hours of site a and one of site b."""
    effort = pd.DataFrame(
        {
            "root": "/r",
            "recording": ["a1.wav", "a2.wav", "b1.wav"],
            "site": ["a", "a", "b"] if sites else None,
            "recorded_at": ["2024-05-01T05:00:00", "2024-05-02T05:00:00", "2024-05-01T06:00:00"]
            if times
            else None,
            "used_s": 3600.0,
        }
    )
    rois = pd.DataFrame(
        {
            "root": "/r",
            "recording": ["a1.wav", "a1.wav", "a2.wav", "b1.wav"],
            "start_s": [1.0, 2.0, 3.0, 4.0],
            "end_s": [1.5, 2.5, 3.5, 4.5],
            "cluster": [0, 0, 1, -1],
        }
    )
    return rois, recorded_times(rois, as_effort_table(effort))


def rows(table: pd.DataFrame, of: str, by: str) -> pd.DataFrame:
    return table[(table["of"] == of) & (table["by"] == by)]


def test_it_has_all_rois_noise_and_each_cluster():
    table = activity_table(*made())
    assert tuple(table.columns) == ACTIVITY_COLUMNS
    total = table[table["by"] == "total"]
    assert total[["of", "calls", "hours"]].to_numpy().tolist() == [
        ["all", 4, 3.0], ["noise", 1, 3.0], ["cluster", 2, 3.0], ["cluster", 1, 3.0]
    ]  # fmt: skip
    assert rows(table, "cluster", "total")["cluster"].tolist() == [0, 1]
    assert rows(table, "all", "site")[["site", "calls_per_hour"]].to_numpy().tolist() == [
        ["a", 1.5], ["b", 1.0]
    ]  # fmt: skip


def test_hours_never_recorded_are_blank_in_the_file_and_silent_ones_zero():
    hours = rows(activity_table(*made()), "cluster", "hour").set_index(["cluster", "hour"])
    rates = hours["calls_per_hour"].unstack()
    assert rates.loc[1, [5, 6]].tolist() == [0.5, 0.0]
    assert rates.drop(columns=[5, 6]).isna().all(axis=None)


def test_clusters_have_hours_of_the_sites_where_they_were_found():
    table = rows(activity_table(*made()), "cluster", "site hour")
    assert sorted(set(zip(table["cluster"], table["site"], strict=True))) == [(0, "a"), (1, "a")]


def test_names_of_a_review_have_rows_of_their_own():
    rois, recorded = made()
    reviewed = rois.assign(group=rois["cluster"], name=["wren", "wren", "wren", "noise"])
    table = activity_table(reviewed, recorded)
    total = rows(table, "name", "total")
    assert total[["name", "calls"]].to_numpy().tolist() == [["wren", 3]]
    assert rows(table, "cluster", "total")["name"].tolist() == ["wren", "wren"]
    assert len(rows(table, "name", "date hour")) == 48


def test_numbers_of_clusters_are_no_names():
    rois, recorded = made()
    names = ["cluster 0", "cluster 0", "cluster 1", "noise"]
    table = activity_table(rois.assign(group=rois["cluster"], name=names), recorded)
    assert not (table["of"] == "name").any()
    assert (table["name"] == "").all()


@pytest.mark.parametrize(
    ("times", "sites", "bys"),
    [
        (True, True, {"total", "site", "hour", "date", "site hour", "date hour"}),
        (False, True, {"total", "site"}),
        (True, False, {"total", "hour", "date", "date hour"}),
        (False, False, {"total"}),
    ],
)
def test_what_is_not_known_has_no_rows(times, sites, bys):
    rois, recorded = made(times, sites)
    assert set(activity_table(rois, recorded)["by"]) == bys
    assert has_activity(recorded) == times
    assert (why_no_activity(recorded) == "") == times


def test_a_run_without_effort_has_counts_only():
    rois, _ = made()
    given = rois.assign(site="a", recorder=None, recorded_at="2024-05-01T05:00:00")
    recorded = recorded_times(given, None)
    table = activity_table(given, recorded)
    assert table["calls"].sum() > 0
    assert table[["hours", "calls_per_hour", "low", "high"]].isna().all(axis=None)
    assert not has_activity(recorded)
    assert "no table of effort" in why_no_activity(recorded)


def test_no_rois():
    rois, _ = made()
    effort = as_effort_table({"root": ["/r"], "recording": ["a.wav"], "used_s": [60.0]})
    recorded = recorded_times(rois[:0], effort)
    table = activity_table(rois[:0], recorded)
    assert table[["of", "by", "calls"]].to_numpy().tolist() == [["all", "total", 0]]
    assert np.isclose(table["high"][0], 3.689 * 60, rtol=1e-3)

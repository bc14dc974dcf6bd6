"""Detection histories: 1, 0 and missing, by the clock of the site, of occasions of any length."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from darksound.errors import InputError
from darksound.report.detections import (
    DetectionOptions,
    Detections,
    candidates,
    detection_histories,
    find_occasions,
)
from darksound.rois.effort import as_effort_table, as_site_table


def effort_of(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Return effort of rows of recording, site, start, seconds, and shares of rain."""
    names = ["recording", "site", "recorded_at", "used_s", "rain_share"]
    return as_effort_table(pd.DataFrame(rows, columns=names).assign(root="/r"))


def rois_of(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Return ROIs of rows of recording, start, name, probability, and verdict."""
    names = ["recording", "start_s", "name", "probability", "verdict"]
    table = pd.DataFrame(rows, columns=names)
    group = table["name"].map({name: i for i, name in enumerate(table["name"].unique())})
    return table.assign(root="/r", end_s=table["start_s"] + 1, group=group, cluster=group)


def cells(found: Detections, column: str = "detected") -> dict[tuple[str, str], list[Any]]:
    """Return the values of all occasions, by name and site."""
    return {
        (str(name), str(site)): [None if pd.isna(value) else value for value in rows[column]]
        for (name, site), rows in found.table.groupby(["name", "site"])
    }


EFFORT = effort_of(
    [
        ("a1.wav", "A", "2025-06-01T05:00:00-05:00", 1800, 0.5),
        ("a1b.wav", "A", "2025-06-01T21:00:00-05:00", 5400, 0.0),
        ("a3.wav", "A", "2025-06-03T05:00:00-05:00", 3600, 0.25),
        ("b1.wav", "B", "2025-06-01T05:00:00-05:00", 3600, np.nan),
        ("b2.wav", "B", "2025-06-02T05:00:00-05:00", 3600, np.nan),
    ]
)
ROIS = rois_of(
    [
        ("a1.wav", 3.0, "wren", 0.9, ""),
        ("a1.wav", 9.0, "wren", 0.4, ""),
        ("b2.wav", 1.0, "wren", 0.6, ""),
        ("a3.wav", 1.0, "owl", 1.0, ""),
    ]
)


def test_a_cell_is_zero_only_where_something_was_recorded() -> None:
    found = detection_histories(ROIS, EFFORT, None, DetectionOptions())
    assert found.names == ("wren", "owl")
    assert cells(found) == {
        ("wren", "A"): [1, None, 0],
        ("wren", "B"): [0, 1, None],
        ("owl", "A"): [0, None, 1],
        ("owl", "B"): [0, 0, None],
    }
    assert cells(found, "count")["wren", "A"] == [2, None, 0]
    assert found.rois == 4
    assert found.occasions.starts == ("2025-06-01", "2025-06-02", "2025-06-03")


def test_effort_and_rain_are_those_of_the_site_and_occasion() -> None:
    effort = detection_histories(ROIS, EFFORT, None, DetectionOptions()).effort
    assert effort["site"].tolist() == ["A"] * 3 + ["B"] * 3
    assert effort["occasion"].tolist() == [1, 2, 3] * 2
    assert effort["effort_hours"].tolist() == [2.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    # Half of one recording of half an hour, and nothing of 90 minutes.
    expected = [0.125, np.nan, 0.25, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(effort["rain_share"], expected)


def test_rois_of_low_probability_are_no_detections() -> None:
    found = detection_histories(ROIS, EFFORT, None, DetectionOptions(min_probability=0.6))
    assert cells(found, "count")["wren", "A"] == [1, None, 0]
    found = detection_histories(ROIS, EFFORT, None, DetectionOptions(min_probability=0.95))
    assert cells(found)["wren", "A"] == [0, None, 0]
    assert cells(found)["wren", "B"] == [0, 0, None]
    assert cells(found)["owl", "A"] == [0, None, 1]


def test_verified_cells_are_one_zero_or_undecided() -> None:
    rois = ROIS.assign(verdict=["yes", "", "no", "unsure"])
    found = detection_histories(rois, EFFORT, None, DetectionOptions(verified=True))
    assert cells(found) == {
        ("wren", "A"): [1, None, 0],
        ("wren", "B"): [0, 0, None],
        ("owl", "A"): [0, None, None],
        ("owl", "B"): [0, 0, None],
    }
    assert cells(found, "count")["wren", "A"] == [1, None, 0]
    assert found.undecided == 1


def test_rois_with_the_verdict_no_are_never_detections() -> None:
    rois = ROIS.assign(verdict=["", "no", "no", "unsure"])
    found = detection_histories(rois, EFFORT, None, DetectionOptions())
    assert cells(found, "count")["wren", "A"] == [1, None, 0]
    assert cells(found)["wren", "B"] == [0, 0, None]
    assert cells(found)["owl", "A"] == [0, None, 1]


def test_a_recording_over_midnight_counts_for_both_days() -> None:
    effort = effort_of([("n.wav", "A", "2025-06-01T22:00:00", 4 * 3600, 0.0)])
    rois = rois_of([("n.wav", 7199.0, "owl", 1.0, ""), ("n.wav", 7201.0, "wren", 1.0, "")])
    found = detection_histories(rois, effort, None, DetectionOptions())
    assert cells(found) == {("owl", "A"): [1, 0], ("wren", "A"): [0, 1]}
    assert found.effort["effort_hours"].tolist() == [2.0, 2.0]
    night = detection_histories(rois, effort, None, DetectionOptions(occasion="night"))
    assert cells(night) == {("owl", "A"): [1], ("wren", "A"): [1]}
    assert night.effort["effort_hours"].tolist() == [4.0]
    assert night.occasions.starts == ("2025-06-01",)


def test_dates_are_those_of_the_time_zone_of_the_site() -> None:
    # 21 o'clock in Guayaquil, 5 hours west of Greenwich, by a recorder set to UTC.
    effort = effort_of([("n.wav", "A", "2025-06-02T02:00:00+00:00", 3600, 0.0)])
    rois = rois_of([("n.wav", 1.0, "owl", 1.0, "")])
    sites = as_site_table(pd.DataFrame({"site": ["A"], "time_zone": ["America/Guayaquil"]}))
    found = detection_histories(rois, effort, sites, DetectionOptions())
    assert found.occasions.starts == ("2025-06-01",)
    without = detection_histories(rois, effort, None, DetectionOptions())
    assert without.occasions.starts == ("2025-06-02",)


@pytest.mark.parametrize(
    ("text", "starts", "ends"),
    [
        ("day", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("week", [1, 8], [7, 10]),
        ("3d", [1, 4, 7, 10], [3, 6, 9, 10]),
        ("30d", [1], [10]),
        ("1", [1], [10]),
        ("4", [1, 3, 6, 8], [2, 5, 7, 10]),
        ("10", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
def test_occasions_cover_every_day_once(text: str, starts: list[int], ends: list[int]) -> None:
    dates = pd.Series(["2025-06-10", "2025-06-01", "2025-06-03"])
    found = find_occasions(text, dates, pd.Series([5, 5, 5]))
    assert found.starts == tuple(f"2025-06-{day:02d}" for day in starts)
    assert found.ends == tuple(f"2025-06-{day:02d}" for day in ends)
    days = pd.Series([f"2025-06-{day:02d}" for day in range(1, 11)] + ["2025-05-31", "2025-06-11"])
    numbers = found.numbers(days, pd.Series([12] * 12))
    expected = [number for number, (a, b) in enumerate(zip(starts, ends, strict=True))
                for _ in range(a, b + 1)]  # fmt: skip
    assert numbers.tolist() == [*expected, -1, -1]


@pytest.mark.parametrize("text", ["month", "0", "0d", "-1", "3 d", "1.5", "11", ""])
def test_occasions_without_meaning_are_errors(text: str) -> None:
    dates = pd.Series(["2025-06-01", "2025-06-10"])
    with pytest.raises(InputError, match="occasion"):
        find_occasions(text, dates, pd.Series([5, 5]))


def test_seasons_over_new_year_and_leap_days_are_counted_in_days() -> None:
    dates = pd.Series(["2023-12-30", "2024-03-01"])
    found = find_occasions("week", dates, pd.Series([5, 5]))
    assert len(found) == 9
    assert (found.starts[-1], found.ends[-1]) == ("2024-02-24", "2024-03-01")


def test_recordings_without_site_or_time_are_left_out_and_listed() -> None:
    more = [("x.wav", None, "2025-06-01T05:00:00", 60, 0.0), ("y.wav", "A", None, 60, 0.0)]
    effort = pd.concat([EFFORT, effort_of(more)], ignore_index=True)
    rois = pd.concat([ROIS, rois_of([("x.wav", 1.0, "wren", 1.0, "")])], ignore_index=True)
    found = detection_histories(rois, effort, None, DetectionOptions())
    assert [(p.recording, p.cause.partition(",")[0]) for p in found.problems] == [
        ("x.wav", "its site is not known"),
        ("y.wav", "its start is not known"),
    ]
    assert found.rois == 4
    assert sorted(found.sites["site"]) == ["A", "B"]


def test_unknown_effort_sites_and_times_are_errors_with_what_to_do() -> None:
    with pytest.raises(InputError, match="run darksound mec again"):
        detection_histories(ROIS, None, None, DetectionOptions())
    with pytest.raises(InputError, match="--sites"):
        detection_histories(ROIS, EFFORT.assign(site=None), None, DetectionOptions())
    with pytest.raises(InputError, match="recorded_at"):
        detection_histories(ROIS, EFFORT.assign(recorded_at=None), None, DetectionOptions())


def test_sites_have_their_covariates_and_effort() -> None:
    sites = as_site_table(
        pd.DataFrame({"site": ["B", "A", "C"], "latitude": [1.0, 2.0, 3.0], "trees": [5, 7, 9]})
    )
    found = detection_histories(ROIS, EFFORT, sites, DetectionOptions())
    # C was never recorded.
    assert found.sites["site"].tolist() == ["A", "B"]
    assert found.sites["trees"].tolist() == [7, 5]
    assert found.sites["effort_hours"].tolist() == [3.0, 2.0]


def test_named_clusters_are_exported_alone_and_all_where_none_is_named() -> None:
    table = pd.DataFrame(
        {
            "cluster": [0, 1, 2, -1],
            "group": [0, 0, 2, -1],
            "name": ["wren", "wren", "cluster 2", "noise"],
        }
    )
    by_name = candidates(table, DetectionOptions(), {0})
    assert by_name["name"].tolist() == ["wren", "wren"]
    every = candidates(table, DetectionOptions(), set())
    assert every["name"].tolist() == ["wren", "wren", "cluster 2"]
    by_cluster = candidates(table, DetectionOptions(level="cluster"), {0})
    assert by_cluster["name"].tolist() == ["cluster 0", "cluster 1", "cluster 2"]
    assert by_cluster["group"].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="nothing to export"):
        candidates(table.iloc[3:], DetectionOptions(), set())

"""Calls an hour, with what was recorded as the measure."""

import numpy as np
import pandas as pd
import pytest

from darksound.report.activity import (
    NO_HOUR,
    Recorded,
    activity,
    rate_intervals,
    recorded_times,
)


def effort(*rows: tuple) -> pd.DataFrame:
    """Return a table of effort of rows `recording, site, recorded_at, used_s`."""
    table = pd.DataFrame(rows, columns=["recording", "site", "recorded_at", "used_s"])
    return table.assign(root="/sounds", recorder="R1", duration_s=table["used_s"])


def rois(*rows: tuple) -> pd.DataFrame:
    """Return ROIs of rows `recording, start_s` that last a second."""
    table = pd.DataFrame(rows, columns=["recording", "start_s"])
    return table.assign(root="/sounds", end_s=table["start_s"] + 1.0)


def seconds_by_hour(recorded: Recorded) -> dict[tuple[str, int], float]:
    cells = recorded.effort.groupby(["date", "hour"])["seconds"].sum()
    rows = cells.reset_index().itertuples(index=False)
    return {(date[5:], hour): seconds for date, hour, seconds in rows}


def zone_of(name: str) -> pd.DataFrame:
    return pd.DataFrame({"site": ["a"], "time_zone": [name]})


def test_a_recording_over_midnight_is_shared_out():
    given = effort(("a.wav", "a", "2024-05-01T23:30:00", 7200.0))
    recorded = recorded_times(rois(("a.wav", 1799.0), ("a.wav", 1800.0)), given)
    assert seconds_by_hour(recorded) == {
        ("05-01", 23): 1800.0, ("05-02", 0): 3600.0, ("05-02", 1): 1800.0
    }  # fmt: skip
    assert recorded.rois["date"].tolist() == ["2024-05-01", "2024-05-02"]
    assert recorded.rois["hour"].tolist() == [23, 0]


def test_no_hour_is_recorded_when_clocks_go_forward():
    given = effort(("a.wav", "a", "2024-03-31T00:00:00Z", 3 * 3600.0))
    recorded = recorded_times(rois(("a.wav", 3600.0)), given, zone_of("Europe/Berlin"))
    hours = seconds_by_hour(recorded)
    assert hours == {("03-31", 1): 3600.0, ("03-31", 3): 3600.0, ("03-31", 4): 3600.0}
    assert recorded.rois["hour"].tolist() == [3]


def test_an_hour_is_recorded_twice_when_clocks_go_back():
    given = effort(("a.wav", "a", "2024-10-27T00:00:00+00:00", 3 * 3600.0))
    # One call in each of the two hours that begin at 2 o'clock.
    calls = rois(("a.wav", 10.0), ("a.wav", 3610.0))
    recorded = recorded_times(calls, given, zone_of("Europe/Berlin"))
    assert seconds_by_hour(recorded) == {("10-27", 2): 7200.0, ("10-27", 3): 3600.0}
    rates = activity(recorded, ["hour"]).set_index("hour")["calls_per_hour"]
    assert rates[2] == 1.0


def test_hours_of_zones_that_begin_at_half_hours():
    given = effort(("a.wav", "a", "2024-05-01T00:00:00Z", 3600.0))
    recorded = recorded_times(rois(), given, zone_of("Asia/Kolkata"))
    assert seconds_by_hour(recorded) == {("05-01", 5): 1800.0, ("05-01", 6): 1800.0}


def test_the_date_of_the_site_is_another_one_than_that_of_the_recorder():
    given = effort(("a.wav", "a", "2024-05-01T02:00:00Z", 60.0))
    recorded = recorded_times(rois(), given, zone_of("America/Lima"))
    assert seconds_by_hour(recorded) == {("04-30", 21): 60.0}


def test_hours_without_a_call_are_zero_and_hours_never_recorded_are_blank():
    given = effort(
        ("a.wav", "a", "2024-05-01T05:00:00", 3600.0), ("b.wav", "a", "2024-05-03T06:00:00", 1800.0)
    )
    recorded = recorded_times(rois(("b.wav", 0.0)), given)
    hours = activity(recorded, ["hour"]).set_index("hour")
    assert len(hours) == 24
    known = hours[hours["calls_per_hour"].notna()]
    assert known["calls_per_hour"].to_dict() == {5: 0.0, 6: 2.0}
    assert hours.loc[4, ["calls", "calls_per_hour", "low", "high"]].isna().all()
    assert hours["low"][5] == 0
    assert hours["high"][5] > 0
    dates = activity(recorded, ["date"]).set_index("date")
    assert dates["hours"].tolist() == [1.0, 0.0, 0.5]
    assert dates["calls_per_hour"].isna().tolist() == [False, True, False]


def test_a_file_that_breaks_off_has_no_effort_after_its_break():
    given = effort(("a.wav", "a", "2024-05-01T05:30:00", 900.0)).assign(duration_s=7200.0)
    recorded = recorded_times(rois(("a.wav", 899.0)), given)
    assert seconds_by_hour(recorded) == {("05-01", 5): pytest.approx(900.0)}


def test_seconds_that_were_left_out_within_a_recording_are_taken_off_evenly():
    given = effort(("a.wav", "a", "2024-05-01T05:00:00", 3600.0)).assign(duration_s=7200.0)
    recorded = recorded_times(rois(("a.wav", 7199.0)), given)
    assert seconds_by_hour(recorded) == {("05-01", 5): 1800.0, ("05-01", 6): 1800.0}


def test_hours_of_several_recorders_add_up():
    given = effort(
        ("a.wav", "a", "2024-05-01T05:00:00", 3600.0), ("b.wav", "a", "2024-05-01T05:00:00", 3600.0)
    )
    recorded = recorded_times(rois(("a.wav", 1.0)), given)
    assert activity(recorded, ["site"]).loc[0, ["calls", "hours", "calls_per_hour"]].tolist() == [
        1, 2.0, 0.5
    ]  # fmt: skip


def test_recordings_of_unknown_time_count_by_site_only():
    given = effort(("a.wav", "a", None, 1800.0), ("b.wav", "b", "2024-05-01T05:00:00", 1800.0))
    recorded = recorded_times(rois(("a.wav", 1.0), ("b.wav", 1.0)), given)
    assert recorded.effort.set_index("site").loc["a", "hour"] == NO_HOUR
    assert activity(recorded, ["site"])["calls_per_hour"].tolist() == [2.0, 2.0]
    assert activity(recorded, ["hour"])["calls"].sum() == 1
    assert activity(recorded, [])["hours"].tolist() == [1.0]
    assert recorded.has_times
    assert not recorded_times(rois(), given[:1]).has_times


def test_what_was_not_looked_at_counts_nowhere():
    given = effort(("a.wav", "a", "2024-05-01T05:00:00", 0.0), ("b.wav", None, None, 60.0))
    recorded = recorded_times(rois(("a.wav", 1.0), ("unlisted.wav", 1.0), ("b.wav", 1.0)), given)
    assert recorded.rois["row"].tolist() == [-1, -1, 0]
    assert activity(recorded, ["site"]).loc[0, ["site", "calls"]].tolist() == ["", 1]
    assert recorded.sites == []


def test_no_recordings_and_no_rois():
    recorded = recorded_times(rois(), effort())
    assert activity(recorded, ["hour"])["calls_per_hour"].isna().all()
    assert activity(recorded, ["date", "hour"]).empty
    assert activity(recorded, ["hour"], np.zeros(0, dtype=np.int64)).empty


def test_each_group_has_all_cells():
    given = effort(("a.wav", "a", "2024-05-01T05:00:00", 3600.0), ("b.wav", "b", None, 3600.0))
    recorded = recorded_times(rois(("a.wav", 1.0), ("b.wav", 1.0), ("a.wav", 3.0)), given)
    table = activity(recorded, ["site"], np.array([7, 2, -1]))
    assert table[["group", "site", "calls"]].to_numpy().tolist() == [
        [2, "a", 0], [2, "b", 1], [7, "a", 1], [7, "b", 0]
    ]  # fmt: skip


def test_intervals_of_single_calls_are_those_of_garwood():
    """Table 40 of Pearson and Hartley, Biometrika Tables for Statisticians, volume 1."""
    low, high = rate_intervals(np.array([0.0, 1, 10, 30]), np.ones(4), np.ones(4))
    assert low == pytest.approx([0, 0.0253, 4.80, 20.24], abs=0.005)
    assert high == pytest.approx([3.69, 5.57, 18.39, 42.83], abs=0.005)


def test_intervals_are_of_rates():
    low, high = rate_intervals(np.array([10.0]), np.array([2.0]), np.ones(1))
    assert (low[0], high[0]) == pytest.approx((2.40, 9.20), abs=0.005)


def season(rng: np.random.Generator, bout: int) -> Recorded:
    """Return 10 days at 4 sites, of hours with 2 to 42 calls in bouts of this mean length."""
    cells, calls = [], []
    for site in "abcd":
        for day in range(1, 11):
            for hour in range(24):
                cell = (site, "R1", f"2024-05-{day:02d}", hour)
                cells.append((*cell, 3600.0))
                for size in rng.geometric(1 / bout, rng.poisson(mean_rate(hour) / bout)):
                    calls += [(*cell, 0)] * int(size)
    names = ["site", "recorder", "date", "hour"]
    clock = recorded_times(rois(), effort()).clock
    table = pd.DataFrame(cells, columns=[*names, "seconds"])
    return Recorded(table, pd.DataFrame(calls, columns=[*names, "row"]), table, clock)


def mean_rate(hour: int) -> float:
    return 2 + 40 * np.exp(-((hour - 6) ** 2) / 8)


@pytest.mark.parametrize("bout", [1, 8])
def test_intervals_cover_the_rate_though_calls_come_in_bouts(bout):
    rng = np.random.default_rng(5)
    truth = np.array([mean_rate(hour) for hour in range(24)])
    covered, poisson = [], []
    for _ in range(10):
        table = activity(season(rng, bout), ["hour"])
        covered.append((table["low"] <= truth) & (truth <= table["high"]))
        counts, hours = (table[name].to_numpy(np.float64) for name in ("calls", "hours"))
        low, high = rate_intervals(counts, hours, np.ones(24))
        poisson.append((low <= truth) & (truth <= high))
    assert 0.91 < np.mean(covered) < 0.99
    if bout > 1:
        # Geometric bouts of mean length 8 have a dispersion of 15.
        assert 10 < table["dispersion"].iloc[0] < 20
        assert np.mean(poisson) < 0.6


def test_the_dispersion_is_that_of_days_at_a_site_not_of_differing_sites():
    starts = [f"2024-05-{day:02d}T05:00:00" for day in range(1, 5)]
    rows = [
        (f"{site}{i}.wav", site, start, 3600.0) for site in "ab" for i, start in enumerate(starts)
    ]
    calls = [(f"a{i}.wav", float(t)) for i in range(4) for t in range(50)]
    recorded = recorded_times(rois(*calls), effort(*rows))
    assert activity(recorded, ["hour"])["dispersion"].tolist() == [1.0] * 24


def test_the_dispersion_of_counts_of_days():
    """Pearson's statistic of 2, 6 and 10 about 6 is 16/6 + 0 + 16/6; Student's t of 2 is 4.3027."""
    starts = [f"2024-05-{day:02d}T05:00:00" for day in (1, 2, 3)]
    given = effort(*((f"{i}.wav", "a", start, 3600.0) for i, start in enumerate(starts)))
    calls = [(f"{i}.wav", float(t)) for i, n in enumerate((2, 6, 10)) for t in range(n)]
    table = activity(recorded_times(rois(*calls), given), ["site"])
    assert table["dispersion"][0] == pytest.approx(16 / 6 * (4.3027 / 1.95996) ** 2, rel=1e-4)


def test_without_effort_there_are_counts_of_what_was_found_but_no_rates():
    calls = rois(("a.wav", 10.0), ("a.wav", 20.0)).assign(
        site="a", recorder=None, recorded_at="2024-05-01T05:00:00"
    )
    recorded = recorded_times(calls, None)
    hours = activity(recorded, ["hour"]).set_index("hour")
    assert hours["calls"].dropna().to_dict() == {5: 2}
    assert hours[["hours", "calls_per_hour", "low", "high"]].isna().all(axis=None)


def test_sampling_units_without_a_roi_count():
    given = effort(
        ("a.wav", "a", "2024-05-01T05:30:00", 3600.0),
        ("b.wav", "a", "2024-05-01T09:00:00", 60.0),
        ("c.wav", "a", "2024-05-01T09:10:00", 60.0),
        ("d.wav", "a", None, 3601.0),
        ("e.wav", "b", None, 10.0),
    )
    calls = rois(
        ("a.wav", 10.0), ("a.wav", 1900.0), ("c.wav", 1.0), ("d.wav", 3590.0), ("d.wav", 3600.0),
        ("unlisted.wav", 1.0),
    )  # fmt: skip
    recorded = recorded_times(calls, given)
    total, units = recorded.units("recording")
    assert (total, units.tolist()) == (5, [0, 0, 2, 3, 3, -1])
    # The hours from 5, 6 and 9 o'clock, two of d.wav, and one of e.wav.
    total, units = recorded.units("hour")
    assert total == 6
    assert units[-1] == -1
    assert len(set(units[:5].tolist())) == 5
    assert set(units[:5].tolist()) < set(range(6))

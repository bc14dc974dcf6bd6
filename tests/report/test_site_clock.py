"""Clocks of sites, and the sun there."""

from collections.abc import Sequence
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from darksound.errors import InputError
from darksound.report.site_clock import SiteClock, sun_times, time_zone


def clock(starts: Sequence[str | None], zone: str | None = None) -> SiteClock:
    recordings = pd.DataFrame({"recorded_at": list(starts), "site": ["pond"] * len(starts)})
    sites = None if zone is None else pd.DataFrame({"site": ["pond"], "time_zone": [zone]})
    return SiteClock(recordings, sites)


def local(starts: Sequence[str | None], zone: str | None = None) -> list[str]:
    it = clock(starts, zone)
    return [str(time) for time in it.local(np.arange(len(starts)), it.starts)]


def test_times_without_an_offset_stay_as_they_were_written():
    assert local(["2024-03-31T02:30:00"], "Europe/Berlin") == ["2024-03-31 02:30:00"]


def test_an_offset_without_a_zone_leaves_the_local_time():
    assert local(["2022-01-31T23:59:59.25+02:00"]) == ["2022-01-31 23:59:59"]


def test_instants_become_the_civil_time_of_the_site():
    times = ["2024-03-31T00:59:00Z", "2024-03-31T01:00:00Z", "2024-01-01T00:00:00-03:00"]
    expected = ["2024-03-31 01:59:00", "2024-03-31 03:00:00", "2024-01-01 04:00:00"]
    assert local(times, "Europe/Berlin") == expected


def test_zones_may_be_offsets_of_quarters_of_an_hour():
    assert local(["2024-01-01T00:00:00Z"], "UTC+05:45") == ["2024-01-01 05:45:00"]
    assert local(["2024-01-01T00:00:00Z"], "Asia/Kolkata") == ["2024-01-01 05:30:00"]


@pytest.mark.parametrize(
    "text", [None, "", "yesterday", "0001-01-01T00:00:00", "9999-01-01T00:00:00"]
)
def test_times_that_are_none_are_unknown(text):
    assert not clock([text]).is_known.any()


def test_the_zone_of_a_site_is_what_its_clock_shows():
    berlin = ZoneInfo("Europe/Berlin")
    assert clock(["2024-07-01T00:00:00Z"], "Europe/Berlin").zone("pond") == berlin
    # A recorder that was set in March, before summer time, stays an hour ahead of UTC.
    one = clock(["2024-05-01T05:00:00", "2024-03-01T05:00:00"], "Europe/Berlin").zone("pond")
    assert one == timezone(timedelta(hours=1))
    assert clock(["2024-07-01T00:00:00-05:00"]).zone("pond") == timezone(timedelta(hours=-5))
    assert clock(["2024-07-01T00:00:00"]).zone("pond") is None
    assert clock([None], "Europe/Berlin").zone("pond") is None
    assert clock(["2024-07-01T00:00:00Z"]).zone("another site") is None


def test_names_of_zones():
    assert time_zone("UTC-3").utcoffset(None) == timedelta(hours=-3)
    assert time_zone("+0530").utcoffset(None) == timedelta(hours=5, minutes=30)
    for name in ("Europe/Atlantis", "../etc/passwd", "/etc/localtime"):
        with pytest.raises(InputError, match="no time zone"):
            time_zone(name)


def test_the_sun_rises_as_almanacs_print():
    """The almanac of the US Naval Observatory gives 4:43, 21:33 for Berlin, 21 June 2024."""
    row = sun_times(52.52, 13.405, ["2024-06-21"], ZoneInfo("Europe/Berlin")).iloc[0]
    assert row["sunrise"] == pytest.approx(4 + 43 / 60, abs=2 / 60)
    assert row["sunset"] == pytest.approx(21 + 33 / 60, abs=2 / 60)
    assert row["dawn"] < row["sunrise"] < row["sunset"] < row["dusk"]


def test_the_sun_of_polar_days_is_missing():
    row = sun_times(69.65, 18.96, ["2024-06-21"], ZoneInfo("Europe/Oslo")).iloc[0]
    assert row[["dawn", "sunrise", "sunset", "dusk"]].isna().all()


def test_the_sun_of_both_sides_of_a_change_of_the_clock():
    table = sun_times(52.52, 13.405, ["2024-03-30", "2024-03-31"], ZoneInfo("Europe/Berlin"))
    assert table["sunrise"].diff().iloc[1] == pytest.approx(1 - 2.4 / 60, abs=1 / 60)

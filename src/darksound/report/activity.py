"""Activity: calls an hour by hour of day, date and site, with what was recorded as the measure.

An hour that was recorded without a call has the rate 0; one that was never recorded has none. Calls
come in bouts, so the intervals are not those of Poisson counts: the variance is `dispersion` times
the mean, as of bouts that begin at random (a compound Poisson process). The dispersion is Pearson's
statistic over its degrees of freedom (McCullagh and Nelder 1989, Generalized Linear Models, 4.5.2),
of the counts of days about the mean of their site (and hour).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaincinv, stdtrit

from darksound.report.site_clock import SiteClock
from darksound.rois.roi_set import as_text

__all__ = ["NO_HOUR", "Recorded", "activity", "rate_intervals", "recorded_times"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: The hour of recordings whose start is not known.
NO_HOUR = -1
_CELL = ["site", "date", "hour"]
_HOUR = ["site", "recorder", "date", "hour"]
_KEYS = ["root", "recording"]
# Offsets from UTC, and changes of them, are whole quarters of an hour.
_QUARTER_NS = 15 * 60 * 1_000_000_000
_RATES = ("hours", "calls_per_hour", "low", "high", "dispersion")
_TAIL = 0.025
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Recorded:
    """What was recorded, and where and when each ROI begins, by the clock of the site.

    Attributes:
        effort: one row an hour of a recorder: `site` (empty where unknown), `recorder`, `date`
            (`2022-01-31`; empty where the start of the recording is unknown), `hour` (0 to 23, or
            `NO_HOUR`) and `seconds` that were searched for ROIs.
        rois: `n` rows, the index of the ROI table: `site`, `recorder`, `date`, `hour`,
            `hour_of_recording`, and `row` of its recording in `recordings`; -1 where the table of
            effort lacks it.
        recordings: one row a recording: `site`, `recorder`, `length_s` up to which it was searched,
            and `is_timed`: whether its start is known.
        clock: the clocks of the sites.
        is_complete: whether recordings without a ROI are known, so that there are rates.
        parts: one row a quarter of an hour of a recording, or a recording whose start is not known:
            `row` in `recordings`, `date`, `hour` and `seconds`, of which `effort` has the sums.
    """

    effort: pd.DataFrame
    rois: pd.DataFrame
    recordings: pd.DataFrame
    clock: SiteClock
    is_complete: bool = True
    parts: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def has_times(self) -> bool:
        """Return whether the start of any recording is known."""
        return bool((self.effort["hour"] != NO_HOUR).any())

    @property
    def sites(self) -> list[str]:
        """Return the names of the known sites, sorted."""
        return sorted(set(self.effort["site"]) - {""})

    def units(self, unit: str) -> tuple[int, Ints]:
        """Return the number of sampling units, and the number of that of each ROI `(n,)`.

        Args:
            unit: `recording`; or `hour`: one of the clock of a recorder at a site, or of a
                recording whose start is not known. Both count those without a ROI. ROIs of
                recordings that the table of effort lacks have -1.

        Raises:
            KeyError: the unit is unknown.
        """
        return _UNITS[unit](self)


def recorded_times(
    rois: pd.DataFrame, effort: pd.DataFrame | None, sites: pd.DataFrame | None = None
) -> Recorded:
    """Share recordings out to the hours that they cover, and find the hour of each ROI.

    The seconds of a recording that were used begin at its start, so that a file that breaks off
    early has no effort after its break. If it has ROIs later than that, because parts within it
    were left out, the seconds are spread evenly up to its last ROI.

    Args:
        rois: the ROI table, `n` rows.
        effort: a row a recording, as in `darksound.rois.effort.EFFORT_SCHEMA`; None where it is
            not known, so that there are counts but no rates.
        sites: a row a site, as in `darksound.rois.effort.SITE_SCHEMA`; None: not known.

    Raises:
        InputError: a time zone does not exist.
    """
    is_complete = effort is not None
    effort = _recordings_with_rois(rois) if effort is None else effort
    effort = effort[effort["used_s"] > 0].reset_index(drop=True)
    clock = SiteClock(effort, sites)
    row_of = _rows_of(rois, effort)
    counted = row_of >= 0
    about = pd.DataFrame({name: as_text(effort[name]).fillna("") for name in ("site", "recorder")})
    starts, ends = (rois[name].to_numpy(np.float64)[counted] for name in ("start_s", "end_s"))
    hours = _hours(clock, row_of[counted], _times(clock, row_of[counted], starts))
    of_rois = about.iloc[row_of[counted]].reset_index(drop=True).join(hours)
    of_rois = of_rois.set_axis(rois.index[counted]).reindex(rois.index)
    of_rois = of_rois.fillna({"site": "", "recorder": "", "date": "", "hour": NO_HOUR})
    of_rois = of_rois.astype({"hour": np.int64}).assign(
        row=row_of, hour_of_recording=(rois["start_s"] // 3600).astype(np.int64)
    )
    length = effort["used_s"].to_numpy(np.float64, copy=True)
    np.maximum.at(length, row_of[counted], ends)
    pieces = _pieces(clock, effort["used_s"].to_numpy(np.float64), length)
    by_hour = pieces.join(about, on="row").groupby(_HOUR)["seconds"].sum().reset_index()
    recordings = about.assign(length_s=length, is_timed=clock.is_known)
    return Recorded(by_hour, of_rois, recordings, clock, is_complete, pieces)


def _recordings_with_rois(rois: pd.DataFrame) -> pd.DataFrame:
    ends = rois.groupby(_KEYS)["end_s"].max().rename("used_s").reset_index()
    columns = [*_KEYS, "site", "recorder", "recorded_at"]
    known = rois.reindex(columns=columns).drop_duplicates(_KEYS)
    return known.merge(ends, on=_KEYS)


def _recording_units(recorded: Recorded) -> tuple[int, Ints]:
    return len(recorded.recordings), recorded.rois["row"].to_numpy(np.int64)


def _hour_units(recorded: Recorded) -> tuple[int, Ints]:
    timed = recorded.effort[recorded.effort["hour"] != NO_HOUR].reset_index(drop=True)
    keys = pd.MultiIndex.from_frame(timed[_HOUR])
    by_clock = keys.get_indexer(pd.MultiIndex.from_frame(recorded.rois[_HOUR]))
    recordings, rois = recorded.recordings, recorded.rois
    untimed = ~recordings["is_timed"].to_numpy(bool)
    hours = np.where(untimed, np.ceil(recordings["length_s"].to_numpy() / 3600), 0).astype(np.int64)
    first = len(timed) + np.cumsum(hours) - hours
    row = rois["row"].to_numpy(np.int64)
    by_recording = first[row] + rois["hour_of_recording"].to_numpy(np.int64) if len(first) else row
    is_untimed = (row >= 0) & (untimed[row] if len(untimed) else False)
    return len(timed) + int(hours.sum()), np.where(is_untimed, by_recording, by_clock)


_UNITS = {"recording": _recording_units, "hour": _hour_units}


def _rows_of(rois: pd.DataFrame, effort: pd.DataFrame) -> Ints:
    """Return the number of the row of effort `(n,)` of each ROI; -1 where there is none."""
    keys = pd.MultiIndex.from_frame(effort[_KEYS].astype(object))
    wanted = pd.MultiIndex.from_frame(rois[_KEYS].astype(object))
    return np.asarray(keys.get_indexer(wanted), dtype=np.int64)


def _times(clock: SiteClock, rows: Ints, seconds: Floats) -> Ints:
    # Damaged tables have ROIs that begin after some decades.
    later = np.round(np.minimum(seconds, 1e9) * 1e9).astype(np.int64)
    times: Ints = clock.starts[rows] + later
    return times


def _hours(clock: SiteClock, rows: Ints, times: Ints) -> pd.DataFrame:
    """Return `date` and `hour` of times by the clock of the site of each recording."""
    local = clock.local(rows, times)
    # Formatting is slow, and there are fewer days than rows.
    codes, days = pd.factorize(local.normalize())
    texts = np.asarray([*pd.DatetimeIndex(days).strftime("%Y-%m-%d"), ""], dtype=object)
    known = clock.is_known[rows]
    hours = np.where(known, local.hour.to_numpy(np.int64), NO_HOUR)
    return pd.DataFrame({"date": texts[np.where(known, codes, -1)], "hour": hours})


def _pieces(clock: SiteClock, used: Floats, length: Floats) -> pd.DataFrame:
    """Return rows `row`, `date`, `hour` and `seconds` of the recordings, cut at full hours."""
    share = used / length
    starts = clock.starts
    ends = starts + np.maximum(np.round(np.minimum(length, 1e9) * 1e9).astype(np.int64), 1)
    first, last = starts // _QUARTER_NS, (ends - 1) // _QUARTER_NS
    counts = np.where(clock.is_known, last - first + 1, 1)
    rows = np.repeat(np.arange(len(used)), counts)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    quarter = first[rows] + number
    begin = np.maximum(starts[rows], quarter * _QUARTER_NS)
    end = np.minimum(ends[rows], (quarter + 1) * _QUARTER_NS)
    seconds = np.where(clock.is_known[rows], (end - begin) / 1e9 * share[rows], used[rows])
    return _hours(clock, rows, begin).assign(row=rows, seconds=seconds)


def activity(recorded: Recorded, by: Sequence[str], groups: Ints | None = None) -> pd.DataFrame:
    """Return calls an hour of recorded sound, with 95 % intervals.

    The intervals are for the mean of days like the recorded ones, at these sites.

    Args:
        recorded: what was recorded.
        by: any of `site`, `date` and `hour`. All 24 hours are rows, all dates between the first
            and the last, and all sites; recordings of unknown time count where neither the date
            nor the hour is in `by`.
        groups: number of the group of each ROI `(n,)`, negative for a ROI that is not counted;
            None: all ROIs are one group, 0.

    Returns:
        A row for each group and each cell: `group`, the columns of `by`, `calls`, `hours` that
        were recorded, `calls_per_hour`, `low`, `high` and the `dispersion` of the group. Calls,
        rates and intervals are missing where nothing was recorded, and all but the calls that
        there are where effort is not known.
    """
    by = [name for name in _CELL if name in by]
    effort = recorded.effort
    rois = recorded.rois.assign(group=0 if groups is None else groups)
    rois = rois[(rois["row"] >= 0) & (rois["group"] >= 0)]
    if "date" in by or "hour" in by:
        effort, rois = (rows[rows["hour"] != NO_HOUR] for rows in (effort, rois))
    cells = _all_cells(effort, by)
    numbers = np.sort(rois["group"].unique()) if groups is not None else np.array([0])
    table = pd.merge(pd.DataFrame({"group": numbers}), cells, how="cross")
    keys = ["group", *by]
    calls = rois.groupby(keys).size().rename("calls").reset_index()
    table = table.merge(calls, on=keys, how="left")
    seconds = table["seconds"].to_numpy(np.float64)
    if not recorded.is_complete:
        known = table[keys].assign(calls=table["calls"].astype("Int64"))
        return known.assign(**dict.fromkeys(_RATES, np.nan))
    hours = np.where(seconds > 0, seconds / 3600, np.nan)
    calls_of_cell = table["calls"].fillna(0).to_numpy(np.float64)
    counts = np.where(seconds > 0, calls_of_cell, np.nan)
    dispersion = _dispersion(effort, rois, [name for name in by if name != "date"])
    of_group = np.asarray(table["group"].map(dispersion).fillna(1.0), dtype=np.float64)
    low, high = rate_intervals(counts, hours, of_group)
    return table[keys].assign(
        calls=pd.array(counts, dtype="Float64").astype("Int64"),
        hours=seconds / 3600,
        calls_per_hour=counts / hours,
        low=low,
        high=high,
        dispersion=of_group,
    )


def rate_intervals(calls: Floats, hours: Floats, dispersion: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % intervals of rates.

    With a dispersion of 1 they are the exact ones of Poisson counts (Garwood 1936, Biometrika
    28:437-442); otherwise those of `calls / dispersion` independent bouts of that many calls.

    Args:
        calls: `(n,)` counts.
        hours: `(n,)` in which they were counted.
        dispersion: `(n,)` variance of a count over its mean, at least 1.
    """
    bouts, scale = calls / dispersion, dispersion / hours
    low = np.where(bouts > 0, gammaincinv(np.where(bouts > 0, bouts, 1.0), _TAIL), 0.0)
    high = gammaincinv(bouts + 1, 1 - _TAIL)
    return np.where(np.isnan(bouts), np.nan, low * scale), high * scale


def _dispersion(effort: pd.DataFrame, rois: pd.DataFrame, by: list[str]) -> "pd.Series[float]":
    """Return the dispersion of each group, at least 1.

    The counts are those of each day at each site (and hour). The dispersion is enlarged for few
    days as the normal interval is to Student's. With a single day it is not known, and 1.
    """
    strata = list(dict.fromkeys([*by, "site"]))
    effort, rois = (rows[rows["date"] != ""] for rows in (effort, rois))
    units = effort.groupby([*strata, "date"])["seconds"].sum().rename("unit_s").reset_index()
    totals = units.groupby(strata)["unit_s"].agg(["sum", "size"]).reset_index()
    counts = rois.groupby(["group", *strata, "date"]).size().rename("y").reset_index()
    counts = counts.merge(units, on=[*strata, "date"]).merge(totals, on=strata)
    counts["all"] = counts.groupby(["group", *strata])["y"].transform("sum")
    expected = counts["all"] * counts["unit_s"] / counts["sum"]
    # The sum of (y - expected)^2 / expected over all units, also those without a call.
    counts["pearson"] = counts["y"] ** 2 / expected - counts["y"]
    used = counts.drop_duplicates(["group", *strata])
    degrees = (used["size"] - 1).groupby(used["group"]).sum().astype("float64")
    pearson = counts.groupby("group")["pearson"].sum()
    known = degrees[degrees > 0]
    factor = (-stdtrit(known, _TAIL) / _NORMAL_95) ** 2
    dispersion: pd.Series[float] = (pearson[known.index] / known * factor).clip(lower=1.0)
    return dispersion


def _all_cells(effort: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return a row for each cell, with its `seconds`; 0 where nothing was recorded."""
    if not by:
        return pd.DataFrame({"seconds": [effort["seconds"].sum()]})
    levels = [_LEVELS[name](effort) for name in by]
    seconds = effort.groupby(by)["seconds"].sum()
    if len(by) == 1:
        cells = pd.Index(levels[0], name=by[0])
    else:
        cells = pd.MultiIndex.from_product(levels, names=by)
    return seconds.reindex(cells, fill_value=0.0).reset_index()


def _dates(effort: pd.DataFrame) -> list[str]:
    """Return all dates from the first to the last."""
    dates = effort["date"]
    if dates.empty:
        return []
    days = pd.date_range(dates.min(), dates.max()).strftime("%Y-%m-%d")
    return [str(day) for day in days]


_LEVELS: dict[str, Callable[[pd.DataFrame], list[Any]]] = {
    "site": lambda effort: sorted(effort["site"].unique()),
    "date": _dates,
    "hour": lambda effort: list(range(24)),
}

"""Detection histories: which sounds were found at which site on which occasion, and where not.

A cell is 1 where a ROI was found, 0 only where something was recorded and none was found, and
missing where nothing was recorded (MacKenzie et al. 2002, Ecology 83:2248-2255).
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.report.activity import NO_HOUR, Recorded, recorded_times
from darksound.rois.review import NOISE_NAME
from darksound.rois.roi_set import Problem

__all__ = [
    "DetectionOptions",
    "Detections",
    "Occasions",
    "candidates",
    "detection_histories",
    "find_occasions",
]

#: What has a history of its own: each name of a review, or each cluster.
Level = Literal["name", "cluster"]
_DAYS = re.compile(r"(\d{1,4})d")
_NOON = 12
_SHARES = ("rain_share", "wind_share")


@dataclass(frozen=True)
class DetectionOptions:
    """Which ROIs are detections, and the occasions.

    Attributes:
        occasion: `day`, `night` (from noon to noon), `week` (seven days from the first one), a
            number of days such as `3d`, or a number of occasions of about equal length.
        level: `name`: each name of the review, or each cluster if there is none; `cluster`: each
            cluster, without merges and names.
        min_probability: ROIs with a lower membership probability are no detections.
        verified: only ROIs with the verdict `yes` in the review are detections, and a cell without
            any, but with ROIs that nobody decided on, is missing, not 0.
        min_precision: only ROIs of groups whose precision, by the review, is at least this at the
            lower end of its 95 % interval; None: of all groups.
    """

    occasion: str = "day"
    level: Level = "name"
    min_probability: float = 0.0
    verified: bool = False
    min_precision: float | None = None


@dataclass(frozen=True)
class Occasions:
    """Occasions of a season: consecutive dates.

    Attributes:
        starts: first date of each, `(n,)`.
        ends: last date of each.
        from_noon: whether a date is the night from its noon to that of the next day.
    """

    starts: tuple[str, ...]
    ends: tuple[str, ...]
    from_noon: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    def numbers(self, dates: "pd.Series[str]", hours: "pd.Series[int]") -> npt.NDArray[np.int64]:
        """Return the occasion, from 0, of each `(m,)` date and hour; -1 outside of all."""
        days = _days(dates, hours, self.from_noon)
        starts = pd.to_datetime(pd.Series(self.starts)).to_numpy("datetime64[D]")
        numbers = np.searchsorted(starts, days, side="right").astype(np.int64) - 1
        ends = pd.to_datetime(pd.Series(self.ends)).to_numpy("datetime64[D]")
        inside = (numbers >= 0) & (days <= ends[np.maximum(numbers, 0)])
        return np.where(inside, numbers, -1)


@dataclass(frozen=True)
class Detections:
    """Detection histories.

    Attributes:
        names: of the sounds, in the order of their groups.
        occasions: the occasions.
        sites: one row a site: `site`, the columns of the table of sites, `effort_hours`.
        effort: one row a site and occasion: `site`, `occasion` (from 1), `start`, `end`,
            `effort_hours`, and `rain_share` and `wind_share` of it; missing where not known.
        table: one row a name, site and occasion: `name`, the columns of `effort`, and before them
            `detected` (1, 0 or missing) and `count`, the number of ROIs.
        rois: number of ROIs that are detections.
        undecided: number of cells that are missing because nobody decided on their ROIs.
        problems: recordings whose site or time is not known, which are left out.
    """

    names: tuple[str, ...]
    occasions: Occasions
    sites: pd.DataFrame
    effort: pd.DataFrame
    table: pd.DataFrame
    rois: int
    undecided: int
    problems: tuple[Problem, ...]


def detection_histories(
    table: pd.DataFrame,
    effort: pd.DataFrame | None,
    sites: pd.DataFrame | None,
    options: DetectionOptions,
) -> Detections:
    """Return the detection histories of a run.

    Dates are those of the clock of the site; a recording that passes midnight counts for both days,
    and a ROI for the day on which it begins.

    Args:
        table: ROIs that `candidates` returned, with `probability` and `verdict`. ROIs with the
            verdict `no` are never detections.
        effort: a row a recording, as in `darksound.rois.effort.EFFORT_SCHEMA`.
        sites: a row a site, as in `darksound.rois.effort.SITE_SCHEMA`; None: not known.
        options: which ROIs are detections, and the occasions.

    Raises:
        InputError: effort, sites or times are not known; there is no cluster; an option is wrong.
    """
    if effort is None:
        raise InputError(
            "The run has no table of the recordings that were looked at, without which nothing is "
            "known about absences; run darksound mec again."
        )
    effort = effort[effort["used_s"] > 0].reset_index(drop=True)
    recorded = recorded_times(table, effort, sites)
    parts = _parts(recorded, effort)
    problems = _problems(recorded, effort)
    if parts.empty:
        raise InputError(_cause_of_none(recorded))
    occasions = find_occasions(options.occasion, parts["date"], parts["hour"])
    by_cell = _effort_table(parts, occasions)
    chosen = table.assign(
        occasion=occasions.numbers(recorded.rois["date"], recorded.rois["hour"]) + 1,
        site=recorded.rois["site"],
    )
    chosen = chosen[(chosen["site"] != "") & (chosen["occasion"] > 0)]
    counts, undecided = _counts(chosen, options)
    groups = table.drop_duplicates("name").sort_values("group", kind="stable")["name"]
    names = tuple(str(name) for name in groups)
    cells = pd.merge(pd.DataFrame({"name": names}), by_cell, how="cross")
    keys = pd.MultiIndex.from_frame(cells[["name", "site", "occasion"]])
    count = counts.reindex(keys, fill_value=0).to_numpy(np.int64)
    is_unknown = undecided.reindex(keys, fill_value=0).to_numpy(np.int64) > 0
    is_unknown &= count == 0
    missing = (cells["effort_hours"].to_numpy() <= 0) | is_unknown
    cells.insert(3, "detected", pd.Series(count > 0, cells.index, dtype="Int64"))
    cells.insert(4, "count", pd.Series(count, cells.index, dtype="Int64"))
    cells.loc[missing, ["detected", "count"]] = pd.NA
    return Detections(
        names,
        occasions,
        _site_table(sites, by_cell),
        by_cell,
        cells,
        int(counts.sum()),
        int(is_unknown.sum()),
        problems,
    )


def candidates(table: pd.DataFrame, options: DetectionOptions, named: set[int]) -> pd.DataFrame:
    """Return the ROIs of the clusters, or of the named ones if there are any.

    Args:
        table: ROIs with `cluster`, and `group` and `name` as from `apply_review`.
        options: their level.
        named: groups with a name of a review.

    Raises:
        InputError: there is no cluster.
    """
    if options.level == "cluster":
        names = "cluster " + table["cluster"].astype(str)
        table = table.assign(group=table["cluster"], name=names)
    elif named:
        table = table[table["group"].isin(named)]
    table = table[(table["group"] >= 0) & (table["name"] != NOISE_NAME)]
    if table.empty:
        raise InputError("There is no ROI in a cluster, so there is nothing to export.")
    return table.reset_index(drop=True)


def find_occasions(text: str, dates: "pd.Series[str]", hours: "pd.Series[int]") -> Occasions:
    """Return the occasions from the first to the last date.

    Args:
        text: see `DetectionOptions.occasion`.
        dates: `(m,)` dates with a recording, at least one.
        hours: `(m,)` hours of the recordings, 0 to 23.

    Raises:
        InputError: `text` has no meaning, or there are fewer days than occasions.
    """
    from_noon = text == "night"
    days = _days(dates, hours, from_noon)
    first, n_days = days.min(), int((days.max() - days.min()).astype(int)) + 1
    starts, ends = (
        tuple(str(first + np.timedelta64(day, "D")) for day in bounds)
        for bounds in _bounds(text, n_days)
    )
    return Occasions(starts, ends, from_noon)


def _bounds(text: str, n_days: int) -> tuple[list[int], list[int]]:
    """Return the first and last day, from 0, of each occasion."""
    lengths = {"day": 1, "night": 1, "week": 7}
    match = _DAYS.fullmatch(text)
    if text in lengths or (match and int(match[1])):
        length = lengths.get(text) or int(match[1] if match else 1)
        starts = list(range(0, n_days, length))
        return starts, [min(start + length, n_days) - 1 for start in starts]
    if not text.isdecimal() or not int(text):
        raise InputError(
            f"There is no occasion {text!r}; use day, night, week, a number of days such as 3d, or "
            "a number of occasions."
        )
    count = int(text)
    if count > n_days:
        raise InputError(
            f"{count} occasions need as many days, and there are {n_days}; use fewer, or day."
        )
    edges = [n_days * number // count for number in range(count + 1)]
    return edges[:-1], [edge - 1 for edge in edges[1:]]


def _days(
    dates: "pd.Series[str]", hours: "pd.Series[int]", from_noon: bool
) -> npt.NDArray[np.datetime64]:
    days = pd.to_datetime(dates.where(dates != "", None)).to_numpy("datetime64[D]")
    morning = (hours.to_numpy(np.int64) < _NOON) & from_noon
    shifted: npt.NDArray[np.datetime64] = days - morning.astype("timedelta64[D]")
    return shifted


def _parts(recorded: Recorded, effort: pd.DataFrame) -> pd.DataFrame:
    """Return pieces of recordings at a known site and time, with their shares of rain and wind."""
    shares = effort.reindex(columns=list(_SHARES))
    site = recorded.recordings["site"]
    parts = recorded.parts.join(shares.assign(site=site), on="row")
    return parts[(parts["site"] != "") & (parts["hour"] != NO_HOUR)]


def _problems(recorded: Recorded, effort: pd.DataFrame) -> tuple[Problem, ...]:
    about = recorded.recordings
    no_site = (about["site"] == "").to_numpy()
    no_time = ~about["is_timed"].to_numpy(bool)
    causes = np.select(
        [no_site & no_time, no_site, no_time],
        ["its site and start are", "its site is", "its start is"],
        "",
    )
    return tuple(
        Problem(str(recording), f"{cause} not known, so it is on no occasion; left out.")
        for recording, cause in zip(effort["recording"], causes.tolist(), strict=True)
        if cause
    )


def _cause_of_none(recorded: Recorded) -> str:
    if not recorded.sites:
        return (
            "No recording has a site; run darksound mec again with --sites sites.csv, or with "
            "--folders site where folders are sites."
        )
    return (
        "No recording has a known start, so that it could be on an occasion; names or headers as "
        "recorders write them have it, and a table can have a column recorded_at."
    )


def _effort_table(parts: pd.DataFrame, occasions: Occasions) -> pd.DataFrame:
    """Return one row a site and occasion, also where nothing was recorded."""
    parts = parts.assign(occasion=occasions.numbers(parts["date"], parts["hour"]) + 1)
    keys = ["site", "occasion"]
    columns = {"effort_hours": parts["seconds"] / 3600}
    for name in _SHARES:
        known = parts["seconds"].where(parts[name].notna(), 0.0)
        columns[f"{name}_known"] = known
        columns[name] = (known * parts[name]).fillna(0.0)
    sums = pd.DataFrame({**{key: parts[key] for key in keys}, **columns}).groupby(keys).sum()
    sites = sorted(parts["site"].unique())
    numbers = range(1, len(occasions) + 1)
    every = pd.MultiIndex.from_product([sites, numbers], names=keys)
    sums = sums.reindex(every, fill_value=0.0).reset_index()
    out = sums[keys].assign(
        start=[occasions.starts[number - 1] for number in sums["occasion"]],
        end=[occasions.ends[number - 1] for number in sums["occasion"]],
        effort_hours=sums["effort_hours"].round(6),
    )
    for name in _SHARES:
        seconds = sums[f"{name}_known"]
        out[name] = (sums[name] / seconds.where(seconds > 0)).round(6)
    return out


def _counts(
    rois: pd.DataFrame, options: DetectionOptions
) -> tuple["pd.Series[int]", "pd.Series[int]"]:
    """Return the numbers of detections and of ROIs nobody decided on, by name, site, occasion."""
    accepted = (rois["probability"] >= options.min_probability) & (rois["verdict"] != "no")
    counted = accepted & (rois["verdict"] == "yes") if options.verified else accepted
    keys = ["name", "site", "occasion"]
    return rois[counted].groupby(keys).size(), rois[accepted & ~counted].groupby(keys).size()


def _site_table(sites: pd.DataFrame | None, by_cell: pd.DataFrame) -> pd.DataFrame:
    hours = by_cell.groupby("site")["effort_hours"].sum().round(6).reset_index()
    if sites is None:
        return hours
    return sites.drop_duplicates("site").merge(hours, on="site", how="right")

"""The data of the page's part on sites, hours and dates.

The page computes rates itself, since they follow the review.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.report.activity import NO_HOUR, Recorded
from darksound.report.activity_figures import site_sun_times
from darksound.report.page.media import column
from darksound.report.site_clock import SUN_TIMES

__all__ = ["activity_content", "cells_of_rois"]

_CELL = ["site", "date", "hour"]
# Sites with more dates have no sun times in the page, whose size they would dominate.
_MAX_SUN_DAYS = 20_000


def activity_content(recorded: Recorded, sites: pd.DataFrame | None) -> dict[str, Any]:
    """Return sites, dates, what was recorded by site, date and hour, and the sun times.

    Args:
        recorded: what was recorded.
        sites: the table of sites, or None.

    Returns:
        `is_complete`: whether effort is known; `sites`, the name of an unknown one empty; all
        `dates` from the first to the last; the columns `cells` (`site` and `date` as numbers in
        these, -1 for an unknown date, `hour`, `seconds`); `sun`: for each site None, or a list for
        each of `SUN_TIMES` of hours by date; and the numbers of `recordings`, of those without a
        ROI, and of those whose start is not known.
    """
    cells, names, dates = _cells(recorded)
    has_rois = np.unique(recorded.rois["row"])
    recordings = recorded.recordings
    sun: list[list[list[float | None]] | None] = [None] * len(names)
    if len(names) * len(dates) <= _MAX_SUN_DAYS:
        sun = [_sun(site_sun_times(recorded, sites, name, dates)) for name in names]
    return {
        "is_complete": recorded.is_complete,
        "sites": names,
        "dates": dates,
        "cells": {
            "site": column(cells["site"].to_numpy(), "i2"),
            "date": column(cells["date"].to_numpy(), "i4"),
            "hour": column(cells["hour"].to_numpy(), "i2"),
            "seconds": column(cells["seconds"].to_numpy(), "f4"),
        },
        "sun": sun,
        "recordings": len(recordings),
        "silent": len(recordings) - int((has_rois >= 0).sum()),
        "untimed": int((~recordings["is_timed"]).sum()),
    }


def cells_of_rois(recorded: Recorded) -> npt.NDArray[np.int64]:
    """Return the number of the cell of `activity_content` of each ROI `(n,)`; -1 for none."""
    summed = _summed(recorded)
    keys = pd.MultiIndex.from_frame(summed[_CELL])
    numbers = keys.get_indexer(pd.MultiIndex.from_frame(recorded.rois[_CELL]))
    return np.where(recorded.rois["row"] >= 0, numbers, -1).astype(np.int64)


def _summed(recorded: Recorded) -> pd.DataFrame:
    return recorded.effort.groupby(_CELL)["seconds"].sum().reset_index()


def _cells(recorded: Recorded) -> tuple[pd.DataFrame, list[str], list[str]]:
    cells = _summed(recorded)
    names = sorted(cells["site"].unique(), key=lambda name: (name == "", name))
    known = cells.loc[cells["hour"] != NO_HOUR, "date"]
    dates = []
    if len(known):
        dates = [str(day) for day in pd.date_range(known.min(), known.max()).strftime("%Y-%m-%d")]
    number_of = {date: number for number, date in enumerate(dates)}
    site_number = {name: number for number, name in enumerate(names)}
    cells["date"] = [number_of.get(date, -1) for date in cells["date"]]
    cells["site"] = [site_number[name] for name in cells["site"]]
    return cells, names, dates


def _sun(times: pd.DataFrame | None) -> list[list[float | None]] | None:
    if times is None:
        return None
    return [
        [None if np.isnan(hour) else round(hour, 2) for hour in times[name].tolist()]
        for name in SUN_TIMES
    ]

"""The content of `activity.csv`: calls an hour of all ROIs, of each cluster, and of each name."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.metrics import NOISE
from darksound.report.activity import Recorded, activity
from darksound.rois.review import NOISE_NAME
from darksound.rois.roi_set import TEXT_DTYPE, as_text

__all__ = [
    "ACTIVITY_COLUMNS",
    "ACTIVITY_FILE",
    "activity_table",
    "has_activity",
    "why_no_activity",
]

#: Name of the table in a run directory.
ACTIVITY_FILE = "activity.csv"
#: Its columns.
ACTIVITY_COLUMNS = (
    *("of", "cluster", "name", "by", "site", "date", "hour"),
    *("calls", "hours", "calls_per_hour", "low", "high", "dispersion"),
)
_BY_HOUR = (("hour",), ("date",), ("site", "hour"))
_DECIMALS = 6


def activity_table(table: pd.DataFrame, recorded: Recorded) -> pd.DataFrame:
    """Return the content of `activity.csv`.

    Args:
        table: ROIs with their `cluster`; `group` (in place of it) and `name` if a review was
            applied. Its index is that of `recorded.rois`.
        recorded: what was recorded.

    Returns:
        Rows `of` `all` ROIs, of `noise`, of each `cluster`, and of each `name`; `by` `total`,
        `site`, `hour`, `date`, `site hour` and, except for noise and clusters, `date hour`. The
        others of `ACTIVITY_COLUMNS` are as in `activity`; cells that do not apply are missing. A
        cluster has rows by site and hour for sites where it was found.
    """
    numbers = table["group" if "group" in table.columns else "cluster"].to_numpy(np.int64)
    names = as_text(table["name"]) if "name" in table.columns else pd.Series("", table.index)
    # Without a name in the review, clusters are named by their number.
    numbered = pd.Series([f"cluster {number}" for number in numbers], table.index, TEXT_DTYPE)
    is_given = (names != NOISE_NAME) & (names != numbered)
    names = names.where(is_given).fillna("")
    name_of = dict(zip(numbers, names, strict=True)) | {NOISE: ""}
    codes, known_names = pd.factorize(names.where(names != "", None), sort=True)
    parts: list[pd.DataFrame] = []
    for of, groups, has_grid in (
        ("all", None, True),
        ("noise", np.where(numbers == NOISE, 0, -1), False),
        ("cluster", numbers, False),
        ("name", np.asarray(codes, dtype=np.int64), True),
    ):
        for part in _tables(recorded, groups, has_grid):
            group = part["group"]
            part = part.assign(of=of, name=_names_of(of, group, name_of, list(known_names)))
            parts.append(part.assign(cluster=group) if of == "cluster" else part)
    rows = pd.concat(parts, ignore_index=True)
    types = {"cluster": "Int64", "hour": "Int64", "calls": "Int64", "site": TEXT_DTYPE}
    return rows.reindex(columns=list(ACTIVITY_COLUMNS)).astype(types).round(_DECIMALS)


def _names_of(
    of: str, groups: "pd.Series[int]", name_of: dict[int, str], names: list[str]
) -> "list[str]":
    if of == "name":
        return [names[number] for number in groups]
    return [name_of.get(number, "") for number in groups] if of == "cluster" else [""] * len(groups)


def _tables(
    recorded: Recorded, groups: npt.NDArray[np.int64] | None, has_grid: bool
) -> Iterator[pd.DataFrame]:
    if groups is not None and not (groups >= 0).any():
        return
    bys: tuple[tuple[str, ...], ...] = ((),)
    bys += (("site",),) if recorded.sites else ()
    bys += _BY_HOUR if recorded.has_times else ()
    bys += (("date", "hour"),) if recorded.has_times and has_grid else ()
    for by in bys:
        part = activity(recorded, by, groups)
        if by == ("site", "hour"):
            if not recorded.sites:
                continue
            part = part[part.groupby(["group", "site"])["calls"].transform("sum") > 0]
        yield part.assign(by=" ".join(by) or "total")


def has_activity(recorded: Recorded) -> bool:
    """Return whether there are calls an hour by hour of the day and by date."""
    return recorded.is_complete and recorded.has_times


def why_no_activity(recorded: Recorded) -> str:
    """Return a sentence on what is not known of the recordings; empty where all is known."""
    if not recorded.is_complete:
        return "this run has no table of effort, since an earlier version wrote it; run it again."
    if not recorded.has_times:
        return (
            "the start of no recording is known, neither from its header nor from its name; rename "
            "the files, such as SITE_20240531_060000.wav."
        )
    return ""

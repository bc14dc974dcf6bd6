"""Changes of a review from Python: splits of clusters, and new groups of single ROIs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.rois.review import COLUMNS, Review
from darksound.rois.roi_set import as_text

__all__ = ["no_review", "regroup", "review_rows", "split_review"]


def no_review() -> Review:
    """Return a review that changes nothing."""
    columns = {
        "roi_id": as_text(pd.Series([], dtype=object)),
        "cluster": np.zeros(0, np.int64),
        "group": np.zeros(0, np.int64),
        "rejected": np.zeros(0, bool),
        "verdict": as_text(pd.Series([], dtype=object)),
        "written_group": np.zeros(0, np.int64),
    }
    return Review(Path("review.csv"), pd.DataFrame(columns), {})


def regroup(
    table: pd.DataFrame, roi_ids: Sequence[str], name: str = "", review: Review | None = None
) -> Review:
    """Return the review with these ROIs in one group, whatever their clusters, or noise.

    The other ROIs of their clusters stay where they are, without a constraint: they can be of the
    same call type.

    Args:
        table: the run's ROIs with `roi_id` and `cluster`.
        roi_ids: the ROIs.
        name: name of the group; if the review has a group of this name, they join it. Without a
            name, or with a new one, the group is new.
        review: the review to change; None for none yet.

    Raises:
        InputError: a ROI is not in the table, or there is none.
    """
    review = no_review() if review is None else review
    rows = _rows_of(table, roi_ids)
    name = " ".join(name.split())
    of_name = {text: number for number, text in review.names.items()}
    new = _next_group(table, review)
    group = of_name.get(name, new)
    # As the number of a cluster, the group would be one that whole clusters were merged into.
    written = new if (table["cluster"] == group).any() else group
    changed = _with_groups(review, table.loc[rows], group, written)
    return replace(changed, names={**review.names, group: name}) if name else changed


def split_review(
    table: pd.DataFrame,
    roi_ids: "pd.Series[str]",
    parts: npt.NDArray[np.int64],
    names: Sequence[str] = (),
    review: Review | None = None,
) -> Review:
    """Return the review with the ROIs of a cluster or group in several groups.

    Args:
        table: the run's ROIs with `roi_id` and `cluster`.
        roi_ids: `(m,)` all ROIs to divide.
        parts: `(m,)` part of each, from 0. Part 0 stays in its group; the others become new ones.
        names: names of the parts, empty for those without; part 0 keeps its name without one.
        review: the review to change; None for none yet.

    Raises:
        InputError: a ROI is not in the table, or there is none, or two parts have the same name.
    """
    review = no_review() if review is None else review
    given = [name for name in names if name]
    if len(set(given)) < len(given) or set(given[1:]) & set(review.names.values()):
        raise InputError("Groups of one name are one group; give each part another name.")
    rows = table.loc[_rows_of(table, roi_ids)]
    listed = rows["roi_id"].map(review.groups)
    own = listed.where(listed.notna(), rows["cluster"]).to_numpy(dtype=np.int64)
    groups = np.where(parts == 0, own, _next_group(table, review) + parts - 1)
    changed = _with_groups(review, rows, groups, groups)
    new_names = dict(review.names)
    for part, name in enumerate(names):
        new_names |= {int(group): name for group in groups[parts == part][:1] if name}
    return replace(changed, names=new_names)


def review_rows(table: pd.DataFrame, review: Review) -> pd.DataFrame:
    """Return the rows of `review.csv` of a review.

    Args:
        table: the run's ROIs with `roi_id`, `recording`, `start_s`, `end_s` and `cluster`.
        review: a review of this run.
    """
    places = table.set_index("roi_id")[["recording", "start_s", "end_s"]]
    rows = review.table.join(places, on="roi_id", how="inner")
    names = [review.names.get(group, "") for group in rows["group"].tolist()]
    rejected = np.where(rows["rejected"], "true", "false")
    written = rows.assign(group=rows["written_group"], name=names, rejected=rejected)
    return written[list(COLUMNS)].reset_index(drop=True)


def _rows_of(table: pd.DataFrame, roi_ids: "Sequence[str] | pd.Series[str]") -> "pd.Index[Any]":
    """Return the index of ROIs in their order."""
    index = pd.Series(table.index, index=table["roi_id"])
    unknown = [roi_id for roi_id in roi_ids if roi_id not in index.index]
    if unknown:
        raise InputError(f"The run has no ROI with the roi_id {unknown[0]!r}.")
    if not len(roi_ids):
        raise InputError("There are no ROIs for a group; name at least one.")
    rows: pd.Index[Any] = pd.Index(index.loc[list(roi_ids)].to_numpy())
    return rows


def _next_group(table: pd.DataFrame, review: Review) -> int:
    used = (table["cluster"], review.table["group"], review.table["written_group"])
    return max([-1, *(int(numbers.max()) for numbers in used if len(numbers))]) + 1


def _with_groups(
    review: Review,
    rows: pd.DataFrame,
    group: int | npt.NDArray[np.int64],
    written: int | npt.NDArray[np.int64],
) -> Review:
    """Return the review with these rows in these groups, no longer rejected."""
    listed = pd.DataFrame(
        {
            "roi_id": rows["roi_id"],
            "cluster": rows["cluster"],
            "group": group,
            "rejected": False,
            "written_group": written,
        }
    )
    verdicts = dict(zip(review.table["roi_id"], review.table["verdict"], strict=True))
    listed["verdict"] = [verdicts.get(roi_id, "") for roi_id in listed["roi_id"]]
    kept = review.table[~review.table["roi_id"].isin(listed["roi_id"])]
    joined = pd.concat([kept, listed], ignore_index=True) if len(kept) else listed
    return replace(review, table=joined.reset_index(drop=True)[list(review.table.columns)])

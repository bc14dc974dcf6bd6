"""What a person said of clusters after looking and listening: `review.csv`.

A row a ROI of each cluster that was touched: `roi_id`, `recording`, `start_s`, `end_s`, `cluster`,
`group`, `name`, `rejected`. `group` is the number of the cluster that the ROI's own was merged
into, its own where it was not; `name` is what the group was called, or empty; `rejected` is `true`
or `false`. UTF-8 with a header, quoted as RFC 4180 says.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.rois.roi_set import RoiSet

__all__ = [
    "COLUMNS",
    "NOISE_NAME",
    "Review",
    "carried_on",
    "named_groups",
    "read_review",
    "reviewed",
]

#: Columns of `review.csv`, in order.
COLUMNS = ("roi_id", "recording", "start_s", "end_s", "cluster", "group", "name", "rejected")
#: What noise is called where clusters have names.
NOISE_NAME = "noise"

_NEEDED = ("roi_id", "cluster", "group", "name", "rejected")
_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    {"true": True, "false": False, "1": True, "0": False, "": False}
)
_UNKNOWN = -2
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Review:
    """A review, held to make sense.

    Attributes:
        path: its file, for messages.
        table: a row a ROI: `roi_id` (unique), `cluster`, `group` and `rejected`, groups of one
            name being one.
        names: of the groups that were named.
    """

    path: Path
    table: pd.DataFrame
    names: Mapping[int, str]

    @cached_property
    def merged(self) -> Mapping[int, int]:
        """Group of each cluster that was touched and not rejected whole."""
        kept = self.table[~self.table["rejected"]]
        return dict(zip(kept["cluster"].tolist(), kept["group"].tolist(), strict=True))

    def rejected(self, roi_ids: "pd.Series[str]") -> npt.NDArray[np.bool_]:
        """Which of `(n,)` ROIs were rejected."""
        gone = self.table["roi_id"][self.table["rejected"]]
        return roi_ids.isin(gone).to_numpy(dtype=bool)

    def truth(self, roi_ids: "pd.Series[str]") -> npt.NDArray[np.int64]:
        """Group `(n,)` of each ROI that was reviewed and not rejected; -1 for all others."""
        kept = self.table[~self.table["rejected"]]
        groups = pd.Series(kept["group"].to_numpy(), index=kept["roi_id"])
        return roi_ids.map(groups).fillna(-1).to_numpy(dtype=np.int64)

    def without_rejected(self, rois: RoiSet) -> RoiSet:
        """The ROIs that were not rejected.

        Raises:
            InputError: none of the ROIs was reviewed, or all were rejected.
        """
        roi_ids = rois.table["roi_id"]
        self.hold_against(roi_ids)
        kept = np.flatnonzero(~self.rejected(roi_ids))
        if not kept.size:
            raise InputError(f"{self.path}: all {len(rois)} ROIs are rejected; nothing is left.")
        return rois.take(kept)

    def hold_against(self, roi_ids: "pd.Series[str]") -> None:
        """See that the review is of such ROIs.

        Raises:
            InputError: none of them was reviewed.
        """
        if not roi_ids.isin(self.table["roi_id"]).any():
            raise InputError(
                f"{self.path}: none of its {len(self.table)} ROIs is among these {len(roi_ids)}; "
                "give the review of a run on the same data."
            )


def read_review(path: str | Path) -> Review:
    """Read a `review.csv`.

    Raises:
        InputError: it cannot be read, lacks a column, or contradicts itself; the message names
            the row as a spreadsheet counts them.
    """
    path = Path(path)
    given = _read(path)
    missing = [name for name in _NEEDED if name not in given.columns]
    if missing:
        raise InputError(
            f"{path}: the column(s) {', '.join(missing)} are missing; a review has "
            f"{', '.join(COLUMNS)}, as the page of a run saves them."
        )
    table = pd.DataFrame(
        {
            "roi_id": given["roi_id"].str.strip(),
            "cluster": _numbers(path, given, "cluster"),
            "group": _numbers(path, given, "group"),
            "rejected": _booleans(path, given),
            "name": given["name"].str.strip(),
        }
    )
    _refuse(path, table["roi_id"] == "", "has no roi_id")
    _refuse(path, table["roi_id"].duplicated(), "repeats the roi_id of an earlier row")
    kept = table[~table["rejected"]]
    _refuse(path, (kept["cluster"] < 0) & (kept["group"] >= 0), "puts noise into a group")
    _refuse(path, _differs(kept, "cluster", "group"), "puts its cluster into a second group")
    _refuse(path, _differs(kept, "group", "name"), "gives its group a second name")
    named = kept[(kept["name"] != "") & (kept["group"] >= 0)]
    # Two groups of one name are one sound.
    one = named.groupby("name")["group"].min()
    table.loc[named.index, "group"] = named["name"].map(one)
    names = {int(number): str(name) for name, number in one.items()}
    return Review(path, table.drop(columns="name"), MappingProxyType(names))


def reviewed(table: pd.DataFrame, review: Review | None) -> pd.DataFrame:
    """A run's table as its review has it: rejected ROIs gone, clusters merged and named.

    Args:
        table: ROIs with `roi_id` and `cluster`; the index stays that of the rows.
        review: of this run; None for none.

    Returns:
        The table with `group` (-1 noise) and `name` (`cluster 7` and `noise` where nobody said
        otherwise).

    Raises:
        InputError: the review is of another run.
    """
    if review is None:
        return table.assign(group=table["cluster"], name=named_groups(table["cluster"], {}))
    _of_this_run(table, review)
    kept = table[~review.rejected(table["roi_id"])]
    group = kept["cluster"].map(lambda number: review.merged.get(number, number)).astype("int64")
    return kept.assign(group=group, name=named_groups(group, review.names))


def carried_on(review: Review, table: pd.DataFrame) -> pd.DataFrame:
    """The review of a run that another run's clusters were made with, as a review of those.

    Args:
        review: what the clusters were made with; ROIs of one group are in one cluster.
        table: the new run's ROIs with `roi_id`, `recording`, `start_s`, `end_s` and `cluster`.

    Returns:
        Rows of `review.csv` for the ROIs that were reviewed, named as before.
    """
    groups = review.truth(table["roi_id"])
    rows = table[groups >= 0]
    names = [review.names.get(group, "") for group in groups[groups >= 0].tolist()]
    return rows.assign(group=rows["cluster"], name=names, rejected="false")[list(COLUMNS)]


def named_groups(groups: "pd.Series[int]", names: Mapping[int, str]) -> "pd.Series[str]":
    """What groups `(n,)` are called: their name, else `cluster 7`, or `noise` for -1."""
    known = {
        number: names.get(number, f"cluster {number}" if number >= 0 else NOISE_NAME)
        for number in groups.unique().tolist()
    }
    return groups.map(known).astype("str")


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a review ({error}).") from None


def _numbers(path: Path, given: pd.DataFrame, name: str) -> "pd.Series[int]":
    numbers = pd.to_numeric(given[name].str.strip(), errors="coerce").fillna(_UNKNOWN)
    wrong = (numbers != numbers.round()) | (numbers < -1)
    _refuse(path, wrong, f"has no cluster number for {name!r}")
    return numbers.astype("int64")


def _booleans(path: Path, given: pd.DataFrame) -> "pd.Series[bool]":
    words = given["rejected"].str.strip().str.lower()
    _refuse(path, ~words.isin(_BOOLEANS), "has neither true nor false for 'rejected'")
    return words.map(_BOOLEANS).astype(bool)


def _refuse(path: Path, wrong: "pd.Series[bool]", what: str) -> None:
    """Refuse the file for its first wrong row; rows are counted as a spreadsheet does."""
    if wrong.any():
        row = int(np.asarray(wrong.index[wrong])[0])
        raise InputError(f"{path}: row {row + 2} {what}.")


def _differs(table: pd.DataFrame, by: str, column: str) -> "pd.Series[bool]":
    """Which rows say something else of what `by` names than its first row."""
    return table[column] != table.groupby(by)[column].transform("first")


def _of_this_run(table: pd.DataFrame, review: Review) -> None:
    said = pd.Series(review.table["cluster"].to_numpy(), index=review.table["roi_id"])
    there = table["roi_id"].map(said)
    known = there.notna()
    wrong = known & (there != table["cluster"])
    if wrong.any() or not known.any():
        raise InputError(
            f"{review.path}: it is the review of another run; {int(known.sum())} of its "
            f"{len(said)} ROIs are in this one, {int(wrong.sum())} of them in another cluster."
        )
    if gone := len(said) - int(known.sum()):
        logger.warning("%s: %d of its ROIs are not in this run.", review.path, gone)

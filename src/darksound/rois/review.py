"""Reviews of clusters: the corrections that a user saves from a report page in `review.csv`.

The file has a row for each ROI of a reviewed cluster: `roi_id`, `recording`, `start_s`, `end_s`,
`cluster`, `group`, `name`, `rejected`, `verdict`. `group` is the number of the cluster that the
ROI's cluster was merged into, or its own cluster without a merge. ROIs that were split from their
cluster, or taken from several clusters and noise, have a new group, numbered after the largest
cluster. `name` is the user's name of the group, or empty. `rejected` is `true` or `false`.
`verdict` is whether the ROI, if it was checked, is a call of its group: `yes`, `no`, `unsure`, else
empty. A ROI with a verdict has a row even if its cluster was not reviewed otherwise. UTF-8 with a
header, quoted as in RFC 4180; a file that a spreadsheet saved is read too.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.rois.cells import parse_numbers
from darksound.rois.roi_set import RoiSet, as_text, clean_labels
from darksound.rois.spreadsheets import unescape_cells
from darksound.rois.text_tables import TextTable, read_text_table
from darksound.text import path_text

__all__ = [
    "COLUMNS",
    "NOISE_NAME",
    "VERDICTS",
    "Review",
    "apply_review",
    "read_review",
    "transfer_review",
]

#: Columns of `review.csv`, in order.
COLUMNS = (
    "roi_id",
    "recording",
    "start_s",
    "end_s",
    "cluster",
    "group",
    "name",
    "rejected",
    "verdict",
)
#: Verdicts on a ROI: it is a call of its group, it is not, or it cannot be decided.
VERDICTS = ("yes", "no", "unsure")
#: Name of noise in tables of named clusters.
NOISE_NAME = "noise"

_REQUIRED = ("roi_id", "cluster", "group", "name", "rejected")
# Spreadsheets write TRUE and FALSE in the language of the system.
_TRUE = (
    "true 1 yes wahr vrai verdadero verdadeiro vero waar sand sann sant tosi prawda pravda igaz "
    "истина"
)
_FALSE = "false 0 no falsch faux falso onwaar falsk usann epätosi fałsz nepravda hamis ложь"
_BOOLEANS = {
    **dict.fromkeys(_TRUE.split(), True),
    **dict.fromkeys(_FALSE.split(), False),
    "": False,
}
# An id such as `12345e6789012345` is a number for a spreadsheet, which rounds it.
_ROUNDED = r"\d([.,]\d+)?[eE]\+\d+"
# No clustering has more clusters.
_MAX_NUMBER = 2**31
# Replaces a cluster number that is not a number; below -1, which is noise.
_INVALID = -2
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Review:
    """A review without contradictions.

    Attributes:
        path: its file, for messages.
        table: a row a ROI: `roi_id` (unique), `cluster`, `group`, `rejected`, `verdict`, and
            `written_group`, the group in the file. Groups with the same name have the same `group`.
        names: names by group, for groups with a name.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> rows = result.table[["roi_id", "cluster"]].assign(name="", rejected=False)
        >>> rows = rows.assign(group=rows["cluster"].replace(1, 0))
        >>> rows.to_csv("review.csv", index=False)
        >>> review = ds.read_review("review.csv")
        >>> result.n_clusters - result.reviewed(review).n_clusters
        1
    """

    path: Path
    table: pd.DataFrame
    names: Mapping[int, str]

    @cached_property
    def merged(self) -> Mapping[int, int]:
        """Return the group of each reviewed cluster that is in one group.

        Clusters that were split, or rejected as a whole, are left out.
        """
        accepted = self.table[~self.table["rejected"]]
        whole = accepted[accepted.groupby("cluster")["group"].transform("nunique") == 1]
        return dict(zip(whole["cluster"].tolist(), whole["group"].tolist(), strict=True))

    @cached_property
    def groups(self) -> "pd.Series[int]":
        """Return the group of each ROI that was reviewed and not rejected, by `roi_id`."""
        accepted = self.table[~self.table["rejected"]]
        return pd.Series(accepted["group"].to_numpy(), index=accepted["roi_id"])

    def rejected(self, roi_ids: "pd.Series[str]") -> npt.NDArray[np.bool_]:
        """Return whether each of `(n,)` ROIs was rejected."""
        rejected_ids = self.table["roi_id"][self.table["rejected"]]
        return roi_ids.isin(rejected_ids).to_numpy(dtype=bool)

    def constraints(self, roi_ids: "pd.Series[str]") -> npt.NDArray[np.int64]:
        """Return the constraints on a clustering of `(n,)` ROIs.

        ROIs of one group must be in one cluster, even if they were taken from several; ROIs of
        different groups must not, even if they were split from one cluster.

        Returns:
            Group `(n,)` of each ROI; -1, no constraint, for ROIs that were not reviewed, were
            rejected, or have the verdict that they are no calls of their group.
        """
        denied = self.table["roi_id"][self.table["verdict"] == "no"]
        groups = self.groups[~self.groups.index.isin(denied)]
        return np.asarray(roi_ids.map(groups).fillna(-1), dtype=np.int64)

    def without_rejected(self, rois: RoiSet) -> RoiSet:
        """Return the ROIs that were not rejected.

        Raises:
            InputError: none of the ROIs was reviewed, or all were rejected.
        """
        roi_ids = rois.table["roi_id"]
        self.check_matches(roi_ids)
        accepted_rows = np.flatnonzero(~self.rejected(roi_ids))
        if not accepted_rows.size:
            raise InputError(f"{self.path}: all {len(rois)} ROIs are rejected; nothing is left.")
        return rois.take(accepted_rows)

    def check_matches(self, roi_ids: "pd.Series[str]") -> None:
        """Raise unless the review has at least one of these ROIs.

        Raises:
            InputError: none of them was reviewed.
        """
        if not roi_ids.isin(self.table["roi_id"]).any():
            raise InputError(
                f"{self.path}: none of its {len(self.table)} ROIs is among these {len(roi_ids)}; "
                "pass the review of a run on the same data."
            )


def read_review(path: str | Path) -> Review:
    """Return the review in a `review.csv`.

    Args:
        path: the file that a report page saved, or a table with at least its columns `roi_id`,
            `cluster`, `group`, `name` and `rejected`.

    Returns:
        The review, for `darksound.mec` and `MecResult.reviewed`.

    Raises:
        InputError: the file cannot be read, lacks a column, or contradicts itself. The message has
            the row, counted as in a spreadsheet.

    Examples:
        >>> import darksound as ds, pandas as pd
        >>> rows = [("a1", 0, 0, "owl", False), ("b2", 1, 0, "owl", False), ("c3", 2, 2, "", True)]
        >>> columns = ["roi_id", "cluster", "group", "name", "rejected"]
        >>> pd.DataFrame(rows, columns=columns).to_csv("review.csv", index=False)
        >>> review = ds.read_review("review.csv")
        >>> review.merged, review.names
        ({0: 0, 1: 0}, {0: 'owl'})
    """
    path = Path(path)
    read = read_text_table(path, "a review", COLUMNS, _REQUIRED)
    cells = unescape_cells(read.cells)
    missing = [name for name in _REQUIRED if name not in cells.columns]
    if missing:
        raise InputError(
            f"{path_text(path)}: the column(s) {', '.join(missing)} are missing; a review has the "
            f"columns {', '.join(COLUMNS)}, and the report page of a run saves such a file."
        )
    for row, cause in read.broken.items():
        raise InputError(f"{path_text(path)}: cannot be read as a review: row {row} {cause}.")
    table = pd.DataFrame(
        {
            "roi_id": cells["roi_id"],
            "cluster": _numbers(path, read, "cluster"),
            "group": _numbers(path, read, "group"),
            "rejected": _booleans(path, cells["rejected"]),
            "name": clean_labels(cells["name"]).fillna(""),
            "verdict": _verdicts(path, cells),
        }
    )
    _raise_for_rows(path, table["roi_id"] == "", "has no roi_id")
    changed = table["roi_id"].str.fullmatch(_ROUNDED)
    _raise_for_rows(
        path,
        changed,
        "has a roi_id that a spreadsheet rounded; import the column roi_id as text",
        table["roi_id"],
    )
    _raise_for_rows(path, table["roi_id"].duplicated(), "repeats the roi_id of an earlier row")
    accepted = table[~table["rejected"]]
    _raise_for_rows(path, _contradicts(accepted, "group", "name"), "gives its group a second name")
    named = accepted[(accepted["name"] != "") & (accepted["group"] >= 0)]
    # Two groups with the same name are one group.
    group_of_name = named.groupby("name")["group"].min()
    table["written_group"] = table["group"]
    table.loc[named.index, "group"] = named["name"].map(group_of_name)
    names = {int(number): str(name) for name, number in group_of_name.items()}
    return Review(path, table.drop(columns="name"), names)


def apply_review(table: pd.DataFrame, review: Review | None) -> pd.DataFrame:
    """Return a run's table without rejected ROIs, its clusters merged and named.

    Args:
        table: ROIs with `roi_id` and `cluster`.
        review: a review of this run; None for none.

    Returns:
        The remaining rows with their index, and two more columns: `group` (-1 for noise) and
        `name` (`cluster 7` or `noise` for groups without a name). ROIs that the review does not
        list follow their cluster if it was merged, and stay in it if it was split.

    Raises:
        InputError: the review is of another run.
    """
    if review is None:
        return table.assign(group=table["cluster"], name=_group_names(table["cluster"], {}))
    _check_same_run(table, review)
    accepted = table[~review.rejected(table["roi_id"])]
    merged = _merged_clusters(review, table["cluster"])
    groups = accepted["cluster"].map(lambda number: merged.get(number, number))
    listed = accepted["roi_id"].map(review.groups)
    groups = listed.where(listed.notna(), groups).astype("int64")
    return accepted.assign(group=groups, name=_group_names(groups, review.names))


def transfer_review(review: Review, table: pd.DataFrame) -> pd.DataFrame:
    """Return a review of a new run, made from the review that constrained its clusters.

    Args:
        review: the review of the earlier run; the new run has ROIs of one group in one cluster.
        table: the new run's ROIs with `roi_id`, `recording`, `start_s`, `end_s` and `cluster`.

    Returns:
        Rows of `review.csv` for the ROIs that were reviewed, with the same names and verdicts.
    """
    groups = review.constraints(table["roi_id"])
    rows = table[groups >= 0]
    names = [review.names.get(group, "") for group in groups[groups >= 0].tolist()]
    verdicts = rows["roi_id"].map(review.table.set_index("roi_id")["verdict"])
    written = rows.assign(group=rows["cluster"], name=names, rejected="false", verdict=verdicts)
    return written[list(COLUMNS)]


def _group_names(groups: "pd.Series[int]", names: Mapping[int, str]) -> "pd.Series[str]":
    """Return names of groups `(n,)`: the user's name, else `cluster 7`, or `noise` for -1."""
    name_of_group = {
        number: names.get(number, f"cluster {number}" if number >= 0 else NOISE_NAME)
        for number in groups.unique().tolist()
    }
    return as_text(groups.map(name_of_group))


def _numbers(path: Path, table: TextTable, name: str) -> "pd.Series[int]":
    read, _ = parse_numbers(table.cells[[name]], commas=table.separator != ",")
    numbers = read[name].fillna(_INVALID)
    invalid = (numbers != numbers.round()) | (numbers < -1) | (numbers > _MAX_NUMBER)
    _raise_for_rows(path, invalid, f"has no cluster number for {name!r}", table.cells[name])
    return numbers.astype("int64")


def _verdicts(path: Path, cells: pd.DataFrame) -> "pd.Series[str]":
    """Return the verdict on each ROI, empty without one; files of earlier versions have none."""
    if "verdict" not in cells.columns:
        return pd.Series("", index=cells.index, dtype=object)
    words = cells["verdict"].str.strip().str.casefold()
    invalid = ~words.isin(["", *VERDICTS])
    expected = f"has none of {', '.join(VERDICTS)} for 'verdict'"
    _raise_for_rows(path, invalid, expected, cells["verdict"])
    return words


def _booleans(path: Path, cells: "pd.Series[str]") -> "pd.Series[bool]":
    words = cells.str.casefold()
    invalid = ~words.isin(_BOOLEANS)
    _raise_for_rows(path, invalid, "has neither true nor false for 'rejected'", cells)
    return words.map(_BOOLEANS).astype(bool)


def _raise_for_rows(
    path: Path,
    invalid: "pd.Series[bool]",
    message: str,
    cells: "pd.Series[str] | None" = None,
) -> None:
    """Raise InputError for the first invalid row, counted as in a spreadsheet.

    Args:
        path: the review, for the message.
        invalid: by row.
        message: what is wrong with the row.
        cells: what each row has instead.
    """
    if invalid.any():
        row = int(np.asarray(invalid.index[invalid])[0])
        found = "" if cells is None else f", but {cells[row]!r}"
        raise InputError(f"{path_text(path)}: row {row} {message}{found}.")


def _merged_clusters(review: Review, clusters: "pd.Series[int]") -> Mapping[int, int]:
    """Return the group of each cluster of a run that was merged as a whole into another one.

    A group that is no cluster of the run was made of the listed ROIs only.
    """
    rows = review.table[~review.table["rejected"]]
    merged_into = set(rows["cluster"][rows["written_group"].isin(clusters)].tolist())
    return {
        number: group
        for number, group in review.merged.items()
        if number >= 0 and number in merged_into
    }


def _contradicts(table: pd.DataFrame, by: str, column: str) -> "pd.Series[bool]":
    """Return whether a row's `column` differs from that of the first row with its `by`."""
    return table[column] != table.groupby(by)[column].transform("first")


def _check_same_run(table: pd.DataFrame, review: Review) -> None:
    """Raise if the review is of another run, and warn of reviewed ROIs that are missing.

    Raises:
        InputError: a reviewed ROI is in another cluster, or none is in the table.
    """
    reviewed = pd.Series(review.table["cluster"].to_numpy(), index=review.table["roi_id"])
    reviewed_cluster = table["roi_id"].map(reviewed)
    in_review = reviewed_cluster.notna()
    different = in_review & (reviewed_cluster != table["cluster"])
    if different.any() or not in_review.any():
        raise InputError(
            f"{review.path}: it is the review of another run; {int(in_review.sum())} of its "
            f"{len(reviewed)} ROIs are in this one, {int(different.sum())} of them in another "
            "cluster."
        )
    if missing := len(reviewed) - int(in_review.sum()):
        logger.warning("%s: %d of its ROIs are not in this run.", review.path, missing)

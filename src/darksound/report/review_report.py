"""What a review by a plan shows: the precision of each group, and what to check next."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from darksound.errors import InputError
from darksound.report.precision import Strata, Z
from darksound.report.result import MecResult, as_result
from darksound.report.review_plan import plan_of_run, planned_table
from darksound.rois.review import Review, read_review

__all__ = ["ALL_GROUPS", "REPORT_FILE", "decided_table", "next_counts", "review_report"]

#: Name of the table in the run directory.
REPORT_FILE: Final = "review_report.csv"
#: Name of the row of all groups together.
ALL_GROUPS: Final = "all"
#: Half the width of the interval that `to_check` is for.
HALF_WIDTH: Final = 0.1


def review_report(
    run: MecResult | str | Path,
    review: Review | str | Path,
    *,
    plan: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the precision of each group of a reviewed run, with an interval.

    The ROIs of the plan with a verdict `yes` or `no` are a random sample of each stratum. Those
    with the verdict `unsure` are left out, as if they had not been drawn; rejected ROIs count as
    `no`. Verdicts on ROIs that are not in the plan count for these alone. Clusters that were
    rejected as a whole, and ROIs that are in no cluster, are left out.

    Args:
        run: a result, or its run directory.
        review: a review of this run with verdicts.
        plan: as `review_plan` returned it; None: `review_plan.csv` of the run directory, without
            such a file the plan that is drawn by default.

    Returns:
        One row a group, and a last one with the name `all`: `group` (missing for `all`), `name`,
        `rois`, `planned`, `checked`, `yes`, `no`, `unsure`, `precision`, `low` and `high` (95 %
        interval, see `Strata.precision`), `true_calls`, `true_low` and `true_high` (the
        same times the number of ROIs), and `to_check`, about how many more ROIs to check for an
        interval of +- 0.1.

    Raises:
        InputError: the review is of another run, or has no verdict on a ROI of the plan.
        RunError: it is not a finished MEC run, or its plan cannot be read.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> result = ds.mec("demo:val", settings=settings)
        >>> plan = ds.review_plan(result, per_cluster=5)
        >>> rows = plan[["roi_id", "cluster"]].assign(name="", rejected=False, verdict="yes")
        >>> rows.assign(group=rows["cluster"]).to_csv("review.csv", index=False)
        >>> float(ds.review_report(result, "review.csv", plan=plan)["precision"].iloc[-1])
        1.0
    """
    result = as_result(run)
    given = review if isinstance(review, Review) else read_review(review)
    checked = decided_table(result, given, plan)
    if not (checked["is_planned"] & checked["verdict"].isin(["yes", "no"])).any():
        raise InputError(
            f"{given.path}: it has no verdict yes or no on a ROI of the plan; play these ROIs on "
            "the report page, and save the review."
        )
    rows = [
        {"group": int(str(group)), "name": str(members["name"].iloc[0]), **_figures(members)}
        for group, members in checked.groupby("group")
    ]
    table = pd.DataFrame([*rows, {"group": pd.NA, "name": ALL_GROUPS, **_figures(checked)}])
    return table.astype({"group": "Int64"})


def decided_table(
    result: MecResult, review: Review, plan: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the ROIs in groups with `stratum`, `verdict`, `is_planned`, `group` and `name`.

    Raises:
        InputError: the review is of another run.
        RunError: the plan cannot be read.
    """
    if plan is None:
        plan = plan_of_run(result)
    table = planned_table(result, review)
    listed = review.table.set_index("roi_id")
    written = table["roi_id"].map(listed["group"])
    by_cluster = table["cluster"].map(lambda number: review.merged.get(number, number))
    group = written.where(written.notna(), by_cluster).astype("int64")
    verdict = table["roi_id"].map(listed["verdict"]).fillna("")
    names = group.map(lambda number: review.names.get(number, f"cluster {number}"))
    return table.assign(
        group=group,
        name=names,
        verdict=verdict.where(~review.rejected(table["roi_id"]), "no"),
        is_planned=table["roi_id"].isin(plan["roi_id"]),
    )


def _strata(members: pd.DataFrame) -> tuple[Strata, pd.DataFrame]:
    """Return the strata of a group, and the same as a table by group, cluster and stratum."""
    decided = members["verdict"].isin(["yes", "no"])
    is_yes = members["verdict"] == "yes"
    known = decided & ~members["is_planned"]
    sampled = decided & members["is_planned"]
    rows = members[~known].assign(sampled=sampled, agreed=sampled & is_yes)
    by = rows.groupby(["group", "cluster", "stratum"])
    table = by.agg(size=("sampled", "size"), checked=("sampled", "sum"), yes=("agreed", "sum"))
    size, checked, yes = (table[name].to_numpy(np.float64) for name in ("size", "checked", "yes"))
    n_known, n_known_yes = int(known.sum()), int((known & is_yes).sum())
    return Strata(size, checked, yes, n_known, n_known_yes), table


def _figures(members: pd.DataFrame) -> dict[str, float]:
    strata, _ = _strata(members)
    found = strata.precision()
    n = len(members)
    counts = members["verdict"].value_counts()
    n_yes, n_no, n_unsure = (int(counts.get(name, 0)) for name in ("yes", "no", "unsure"))
    return {
        "rois": n,
        "planned": int(members["is_planned"].sum()),
        "checked": n_yes + n_no,
        "yes": n_yes,
        "no": n_no,
        "unsure": n_unsure,
        "precision": found.estimate,
        "low": found.low,
        "high": found.high,
        "true_calls": n * found.estimate,
        "true_low": n * found.low,
        "true_high": n * found.high,
        "to_check": strata.clips_to_check(HALF_WIDTH),
    }


def next_counts(
    run: MecResult | str | Path,
    review: Review | str | Path,
    count: int,
    *,
    plan: pd.DataFrame | None = None,
) -> "pd.Series[int]":
    """Return how many more ROIs to check of each cluster and stratum.

    Each of `count` ROIs in turn is of the stratum where it lowers the variance of the number of
    true calls of the whole run most (Neyman 1934).

    Args:
        run: a result, or its run directory.
        review: a review of this run with verdicts.
        count: number of ROIs to add to the plan.
        plan: the plan so far; None: see `review_report`.

    Returns:
        Numbers of ROIs above 0, for `extend_plan`.

    Raises:
        InputError, RunError: see `review_report`.
    """
    result = as_result(run)
    given = review if isinstance(review, Review) else read_review(review)
    decided = decided_table(result, given, plan)
    _, table = _strata(decided)
    rows = table.groupby(["cluster", "stratum"]).sum()
    is_free = ~decided["is_planned"] & (decided["verdict"] == "")
    free = decided[is_free].groupby(["cluster", "stratum"]).size()
    left = free.reindex(rows.index, fill_value=0).to_numpy(np.int64)
    size, checked, yes = (rows[name].to_numpy(np.float64) for name in ("size", "checked", "yes"))
    # Shares of 0 and 1, and strata that were not checked, have variance too.
    share = (yes + Z**2 / 2) / (checked + Z**2)
    variance = size**2 * share * (1 - share)
    added = np.zeros(len(rows), dtype=np.int64)
    for _ in range(min(count, int(left.sum()))):
        n = np.maximum(checked + added, 0.5)
        gain = np.where(added < left, variance * (1 / n - 1 / (n + 1)), -np.inf)
        added[np.argmax(gain)] += 1
    counts = pd.Series(added, index=rows.index)
    return counts[counts > 0]

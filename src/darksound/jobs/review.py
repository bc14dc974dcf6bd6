"""The jobs of `darksound review-plan` and `darksound review-report`."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from darksound.errors import InputError
from darksound.jobs.base import JobResult
from darksound.jobs.report import report_page
from darksound.progress import Progress
from darksound.report.page.writing import PAGE_FILE
from darksound.report.result import read_run
from darksound.report.review_plan import PLAN_FILE, extend_plan, plan_of_run, review_plan
from darksound.report.review_report import REPORT_FILE, next_counts, review_report
from darksound.report.tables import Table
from darksound.rois.review import read_review
from darksound.run.files import write_csv
from darksound.settings import Settings

__all__ = ["review_plan_job", "review_report_job"]

logger = logging.getLogger(__name__)

#: Default file of the review, in the run directory.
_REVIEW = "review.csv"
# Columns of the report on the terminal, and their headings.
_SHOWN = {
    "name": "group",
    "rois": "ROIs",
    "checked": "checked",
    "yes": "yes",
    "unsure": "unsure",
    "precision": "precision",
    "interval": "95 % interval",
    "true_calls": "true calls",
    "to_check": "to check",
}


def review_plan_job(
    run: Path,
    settings: Settings,
    *,
    per_cluster: int,
    review: Path | None,
    root: Path | None,
    page: bool,
    progress: Progress,
) -> JobResult:
    """Draw the ROIs to check into `review_plan.csv`, and write the page that plays them.

    Args:
        run: the run directory.
        settings: the sections `report` and `compute` are used for the page.
        per_cluster: number of ROIs of each cluster.
        review: review of the run that the page starts with; rejected clusters are left out.
        root: current folder of the recordings, if they were moved.
        page: write the page.
        progress: called with the number of rendered ROIs.

    Raises:
        InputError, RunError: see `darksound.report.review_plan.review_plan`.
    """
    result = read_run(run, root)
    plan = review_plan(result, per_cluster=per_cluster, review=review)
    if (run / PLAN_FILE).exists():
        logger.warning("Replacing %s.", run / PLAN_FILE)
    return _write_plan(run, settings, plan, review=review, root=root, page=page, progress=progress)


def review_report_job(
    run: Path,
    settings: Settings,
    *,
    review: Path | None,
    more: int,
    root: Path | None,
    page: bool,
    progress: Progress,
) -> JobResult:
    """Write the precision of each group into `review_report.csv`; with `more`, extend the plan.

    Args:
        run: the run directory.
        settings: the sections `report` and `compute` are used for the page.
        review: the review with verdicts; None: `review.csv` of the run directory.
        more: number of ROIs to add to the plan.
        root: current folder of the recordings, if they were moved.
        page: write the page if the plan is extended.
        progress: called with the number of rendered ROIs.

    Raises:
        InputError, RunError: see `darksound.report.review_report.review_report`.
    """
    result = read_run(run, root)
    path = run / _REVIEW if review is None else review
    if not path.exists():
        raise InputError(
            f"{path} does not exist; save the review on the report page, and give it with --review."
        )
    given = read_review(path)
    plan = plan_of_run(result)
    report = review_report(result, given, plan=plan)
    write_csv(run / REPORT_FILE, report)
    table = _as_table(report)
    whole = report.iloc[-1]
    message = (
        f"{whole['true_calls']:.0f} of {whole['rois']} ROIs in groups are true calls "
        f"({whole['true_low']:.0f} to {whole['true_high']:.0f}), by {whole['checked']} that were "
        f"checked. The table is {run / REPORT_FILE}."
    )
    if not more:
        return JobResult((table,), message)
    counts = next_counts(result, given, more, plan=plan)
    written = _write_plan(
        run,
        settings,
        extend_plan(result, plan, counts),
        review=path,
        root=root,
        page=page,
        progress=progress,
    )
    message += f" {counts.sum()} ROIs were added to the plan. {written.message}"
    return JobResult((table,), message, written.problems, written.listed_in)


def _write_plan(
    run: Path,
    settings: Settings,
    plan: pd.DataFrame,
    *,
    review: Path | None,
    root: Path | None,
    page: bool,
    progress: Progress,
) -> JobResult:
    path = run / PLAN_FILE
    write_csv(path, plan)
    message = f"{len(plan)} ROIs of {plan['cluster'].nunique()} clusters to check: {path}."
    if not page:
        return JobResult((), message)
    written = report_page(run, settings, root=root, review=review, progress=progress)
    message += f" The page asks about them: {run / PAGE_FILE}."
    return JobResult((), message, written.problems, written.path)


def _as_table(report: pd.DataFrame) -> Table:
    """Return the report as a table of text."""
    rows = []
    for values in report.to_dict("records"):
        cells: dict[str, Any] = {str(name): value for name, value in values.items()}
        known = not pd.isna(cells["precision"])
        cells["interval"] = f"{cells['low']:.2f} to {cells['high']:.2f}"
        cells["precision"] = f"{cells['precision']:.2f}" if known else ""
        cells["true_calls"] = f"{cells['true_calls']:.0f}" if known else ""
        rows.append(tuple(str(cells[name]) for name in _SHOWN))
    return Table(
        "Precision of groups", tuple(_SHOWN.values()), tuple(rows), frozenset({len(rows) - 1})
    )

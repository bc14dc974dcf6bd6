"""The job of `darksound report`: the page of a finished run, its figures, and comparisons."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from darksound.jobs.base import JobResult
from darksound.progress import Progress, silent
from darksound.report.activity import recorded_times
from darksound.report.activity_table import ACTIVITY_FILE, activity_table
from darksound.report.figure_files import write_comparison, write_figures
from darksound.report.page.writing import Page, write_page
from darksound.report.result import read_run
from darksound.report.tables import comparison_table
from darksound.rois.review import apply_review, read_review
from darksound.run.files import write_csv
from darksound.settings import Settings

__all__ = ["compare_job", "report_job", "report_page"]

_MEGABYTE = 1e6


def report_page(
    path: Path,
    settings: Settings,
    *,
    root: Path | None = None,
    review: Path | None = None,
    progress: Progress = silent,
) -> Page:
    """Write `report.html` into a run directory.

    Args:
        path: the run directory of `darksound mec`.
        settings: the sections `report` and `compute` are used; all others are those of the run.
        root: current folder of the recordings, if they were moved.
        review: a `review.csv` that the page starts with.
        progress: called with the number of rendered ROIs.

    Raises:
        RunError: it is not a MEC run, or the page cannot be written.
        InputError: the review cannot be read, or is of another run.
    """
    result = read_run(path, root)
    page_settings = result.settings.replace(
        report=settings.report.model_dump(exclude_unset=True),
        compute=settings.compute.model_dump(exclude_unset=True),
    )
    return write_page(replace(result, settings=page_settings), review=review, progress=progress)


def report_job(
    path: Path,
    settings: Settings,
    *,
    figures: bool = False,
    root: Path | None = None,
    review: Path | None = None,
    progress: Progress = silent,
) -> JobResult:
    """Write the page, `activity.csv` and, with `figures`, the figures for publications.

    Raises:
        RunError, InputError: see `report_page`.
    """
    page = report_page(path, settings, root=root, review=review, progress=progress)
    message = (
        f"{page.path} shows {page.rois} ROIs, {page.with_sound} of them with sound "
        f"({page.size / _MEGABYTE:.1f} MB)."
    )
    _write_activity(path, review)
    if figures:
        files = write_figures(path, review=review, root=root, progress=progress)
        message += f" {len(files)} figures are in {files[0].parent}."
    return JobResult((), message, page.problems, page.path)


def _write_activity(path: Path, review: Path | None) -> None:
    result = read_run(path)
    table = apply_review(result.table, None if review is None else read_review(review))
    recorded = recorded_times(table, result.effort, result.sites)
    write_csv(path / ACTIVITY_FILE, activity_table(table, recorded))


def compare_job(paths: Sequence[Path], out: Path) -> JobResult:
    """Write `compare.png` and `compare.svg` of several runs into a folder.

    Returns:
        A table of the kept iteration of each run.

    Raises:
        RunError, InputError: see `darksound.report.figure_files.write_comparison`.
    """
    files, runs = write_comparison(paths, out)
    table = comparison_table({name: run.iterations for name, run in runs.items()})
    return JobResult((table,), f"The figure is in {' and '.join(map(str, files))}.")

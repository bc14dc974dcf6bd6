"""The job of `darksound report`: the page of a finished run, and its figures."""

from dataclasses import replace
from pathlib import Path

from darksound.jobs.base import JobResult
from darksound.progress import Progress, silent
from darksound.report.figure_files import write_figures
from darksound.report.page.writing import Page, write_page
from darksound.rois.review import read_review
from darksound.run.reading import read_result
from darksound.settings import Settings

__all__ = ["report_job", "report_page"]

_MEGABYTE = 1e6


def report_page(
    path: Path,
    settings: Settings,
    *,
    root: Path | None = None,
    review: Path | None = None,
    progress: Progress = silent,
) -> Page:
    """Write `report.html` in a run.

    Args:
        path: of the run, which `darksound mec` wrote.
        settings: `report` says what the page holds and `compute` who works on it; all others are
            the run's own.
        root: where the recordings lie now, if they were moved.
        review: a `review.csv` that the page starts from.
        progress: told of the ROIs heard.

    Raises:
        RunError: it is no run of MEC, or the page cannot be written.
        InputError: the review cannot be read, or is of another run.
    """
    result = read_result(path, root)
    own = result.settings.replace(
        report=settings.report.model_dump(exclude_unset=True),
        compute=settings.compute.model_dump(exclude_unset=True),
    )
    said = None
    if review is not None:
        result.reviewed(read_review(review))  # refuses the review of another run
        said = review.read_text(encoding="utf-8-sig")
    return write_page(replace(result, settings=own), review=said, progress=progress)


def report_job(
    path: Path,
    settings: Settings,
    *,
    figures: bool = False,
    root: Path | None = None,
    review: Path | None = None,
    progress: Progress = silent,
) -> JobResult:
    """`report_page`, and with `figures` the figures for papers beside it.

    Raises:
        RunError, InputError: as there.
    """
    page = report_page(path, settings, root=root, review=review, progress=progress)
    sentence = (
        f"{page.path} shows {page.rois} ROIs, {page.heard} of them with sound "
        f"({page.size / _MEGABYTE:.1f} MB)."
    )
    if figures:
        files = write_figures(path, review=review, root=root, progress=progress)
        sentence += f" {len(files)} figures are in {files[0].parent}."
    return JobResult((), sentence, page.unreadable)

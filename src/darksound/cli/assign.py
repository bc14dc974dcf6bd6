"""`darksound assign`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from darksound.cli.checks import check_catalogue_folder
from darksound.cli.options import (
    CommonOptions,
    DaskOptions,
    DataOptions,
    PageOptions,
    RunOptions,
    SegmentationOptions,
)
from darksound.cli.runner import run_job

if TYPE_CHECKING:
    from darksound.jobs.base import JobResult
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["assign"]

_PANEL = "Catalogue"


def assign(
    data: DataOptions,
    segmentation: SegmentationOptions,
    page: PageOptions,
    run: RunOptions,
    dask: DaskOptions,
    common: CommonOptions,
    catalogue: Annotated[
        Path | None,
        typer.Argument(
            metavar="CATALOGUE", help="Folder of a catalogue; not needed with --resume."
        ),
    ] = None,
    max_rejected: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Largest share of calls of known types that are rejected as unknown; "
            "default: 0.05.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    no_report: Annotated[
        bool,
        typer.Option(
            "--no-report", help="Do not write report.html.", rich_help_panel=PageOptions.panel
        ),
    ] = False,
) -> None:
    """Assign new recordings to the call types of a catalogue.

    Each ROI is of a known type, with a probability, or of a new type that is found among the
    others, or unknown. Recordings are segmented and embedded as those of the catalogue. The run has
    the files of darksound mec, so that report, export and reviews work alike;
    darksound catalogue update adds what it found to the catalogue.
    """
    if catalogue is None and not run.resume:
        raise typer.BadParameter("Name the folder of a catalogue, or --resume a run.")
    run_job(
        "assign",
        _job,
        common,
        run,
        data,
        segmentation.flags(),
        page.flags(),
        dask.flags(),
        {"catalogue": {"max_rejected": max_rejected}},
        {"report": {"page": False if no_report else None}},
        checkpoint=catalogue,
        check=lambda _: None if catalogue is None else check_catalogue_folder(catalogue),
    )


def _job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.assign import assign_run

    return assign_run(run, progress)

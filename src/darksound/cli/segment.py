"""`darksound segment`."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from darksound.cli.options import (
    CommonOptions,
    DaskOptions,
    DataOptions,
    Flags,
    FoldersOption,
    RunOptions,
    SegmentationOptions,
    SitesOption,
)
from darksound.cli.runner import run_job

if TYPE_CHECKING:
    from darksound.jobs.base import JobResult
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["segment"]


@dataclass(frozen=True)
class SegmentOptions:
    """How long ROIs are, where recordings were made, and how many may be unreadable."""

    panel: ClassVar[str] = SegmentationOptions.panel

    roi_length: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS", help="ROI length; longer units are cut at their quietest points."
        ),
    ] = None
    max_unusable: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="Fail if more recordings are unreadable than this, such as 5%."
        ),
    ] = None
    folders: FoldersOption = None
    sites: SitesOption = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {
            "audio": {"roi_s": self.roi_length},
            "segmentation": {"max_unusable": self.max_unusable},
        }


def segment(
    length: SegmentOptions,
    segmentation: SegmentationOptions,
    run: RunOptions,
    dask: DaskOptions,
    common: CommonOptions,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECORDINGS", help="Recordings, or folders of them.", show_default=False
        ),
    ] = None,
    plot: Annotated[
        bool,
        typer.Option(
            "--plot",
            help="Plot spectrograms with ROIs, and ROIs per hour.",
            rich_help_panel=SegmentOptions.panel,
        ),
    ] = False,
) -> None:
    """Find the ROIs in recordings of any length.

    --out can be a run directory, or a .parquet or .csv file; the run directory is then
    runs/segment-TIME. An interrupted command can be repeated; finished recordings are not
    segmented again.
    """
    from darksound.run.files import ROI_FORMATS

    target = run.out if run.out is not None and run.out.suffix in ROI_FORMATS else None
    run_job(
        "segment",
        partial(_job, plot),
        common,
        run if target is None else replace(run, out=None),
        DataOptions(data=recordings, rois="segment", folders=length.folders, sites=length.sites),
        length.flags(),
        segmentation.flags(),
        dask.flags(),
        target=target,
    )


def _job(plot: bool, run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.segment import segment_run

    return segment_run(run, progress, plot)

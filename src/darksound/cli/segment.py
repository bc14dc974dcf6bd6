"""`darksound segment`."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from darksound.cli.options import (
    ClusterOptions,
    CommonOptions,
    DataOptions,
    RunOptions,
    SegmentOptions,
    flattened,
)
from darksound.cli.perform import perform

if TYPE_CHECKING:
    from darksound.jobs.base import Outcome
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("segment")(flattened(segment))


def segment(
    segmentation: SegmentOptions,
    run: RunOptions,
    cluster: ClusterOptions,
    common: CommonOptions,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECORDINGS",
            help="Folders of recordings, or recordings.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        bool,
        typer.Option("--plot", help="Draw spectrograms with the ROIs, and ROIs by the hour."),
    ] = False,
) -> None:
    """Find the sound units in recordings of any length.

    --out may be a run directory, or a .parquet or .csv file; the record of the run then goes to
    runs/segment-TIME. Run again after it was stopped, it does what is missing.
    """
    from darksound.run.files import ROI_FORMATS

    target = run.out if run.out is not None and run.out.suffix in ROI_FORMATS else None
    perform(
        "segment",
        partial(_job, plot),
        common,
        run if target is None else replace(run, out=None),
        DataOptions(data=recordings, rois="segment"),
        segmentation.flags(),
        cluster.flags(),
        target=target,
    )


def _job(plot: bool, run: "Run", progress: "Progress") -> "Outcome":
    from darksound.jobs.segment import segment_run

    return segment_run(run, progress, plot)

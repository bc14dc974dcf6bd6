"""`darksound mec`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from darksound.cli.options import (
    CheckpointOptions,
    CommonOptions,
    DaskOptions,
    DataOptions,
    Flags,
    LearnerOptions,
    PageOptions,
    RunOptions,
    SegmentationOptions,
)
from darksound.cli.runner import run_job

if TYPE_CHECKING:
    from darksound.jobs.base import JobResult
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["mec"]


@dataclass(frozen=True)
class LoopOptions:
    """The MEC loop."""

    panel: ClassVar[str] = "Clustering"

    iterations: Annotated[
        int | None, typer.Option(metavar="N", help="Largest number of fine-tunings.")
    ] = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {"mec": {"iterations": self.iterations}}


def mec(
    data: DataOptions,
    segmentation: SegmentationOptions,
    loop: LoopOptions,
    source: CheckpointOptions,
    learner: LearnerOptions,
    page: PageOptions,
    run: RunOptions,
    dask: DaskOptions,
    common: CommonOptions,
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="review.csv of an earlier run on these ROIs: rejected ROIs are left out; named or "
            "merged ROIs are constraints and pseudo-labels.",
            rich_help_panel=LoopOptions.panel,
        ),
    ] = None,
    no_report: Annotated[
        bool,
        typer.Option(
            "--no-report", help="Do not write report.html.", rich_help_panel=PageOptions.panel
        ),
    ] = False,
) -> None:
    """Group ROIs into call types by Meta-Embedded Clustering (MEC).

    Labels are not needed. Without --data, the test split of darksound-2023 is used. --data demo
    needs no files.
    """
    run_job(
        "mec",
        _job,
        common,
        run,
        data,
        segmentation.flags(),
        loop.flags(),
        learner.flags(),
        page.flags(),
        dask.flags(),
        {"report": {"page": False if no_report else None}},
        checkpoint=source.checkpoint,
        review=review,
    )


def _job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.mec import mec_run

    return mec_run(run, progress)

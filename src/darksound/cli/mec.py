"""`darksound mec`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from darksound.cli.options import (
    CheckpointOptions,
    ClusterOptions,
    CommonOptions,
    DataOptions,
    LearnerOptions,
    LoopOptions,
    PageOptions,
    RunOptions,
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
    app.command("mec")(flattened(mec))


def mec(
    data: DataOptions,
    looping: LoopOptions,
    source: CheckpointOptions,
    learner: LearnerOptions,
    run: RunOptions,
    page: PageOptions,
    cluster: ClusterOptions,
    common: CommonOptions,
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="review.csv of an earlier run on these ROIs: what was rejected is left out, what "
            "was named or merged is learnt from and stays together.",
        ),
    ] = None,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Do not write report.html.")
    ] = False,
) -> None:
    """Group ROIs into call types by Meta-Embedded Clustering; no labels needed.

    Without --data, the test split of darksound-2023; --data demo needs no files.
    """
    perform(
        "mec",
        _job,
        common,
        run,
        data,
        looping.flags(),
        learner.flags(),
        page.flags(),
        cluster.flags(),
        {"report": {"page": False if no_report else None}},
        checkpoint=source.checkpoint,
        review=review,
    )


def _job(run: "Run", progress: "Progress") -> "Outcome":
    from darksound.jobs.mec import mec_run

    return mec_run(run, progress)

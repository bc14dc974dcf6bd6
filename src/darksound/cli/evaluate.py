"""`darksound evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from darksound.cli.options import CommonOptions, DataOptions, LearnerOptions, RunOptions
from darksound.cli.runner import run_job

if TYPE_CHECKING:
    from darksound.jobs.base import JobResult
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["evaluate"]


def evaluate(
    data: DataOptions,
    learner: LearnerOptions,
    run: RunOptions,
    common: CommonOptions,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="Trained learner: a run directory or a weights file."),
    ] = None,
) -> None:
    """Evaluate a learner on labelled ROIs: few-shot accuracy, and agreement of clusters."""
    run_job("evaluate", _job, common, run, data, learner.flags(), checkpoint=checkpoint)


def _job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.evaluate import evaluate_run

    return evaluate_run(run, progress)

"""`darksound evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from darksound.cli.options import CommonOptions, DataOptions, LearnerOptions, RunOptions, flattened
from darksound.cli.perform import perform

if TYPE_CHECKING:
    from darksound.jobs.base import Outcome
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(flattened(evaluate))


def evaluate(
    data: DataOptions,
    learner: LearnerOptions,
    run: RunOptions,
    common: CommonOptions,
    checkpoint: Annotated[
        Path | None, typer.Argument(help="A training run's directory, or a weights file.")
    ] = None,
) -> None:
    """Measure a learner on labelled ROIs: few-shot accuracy, and how its embeddings cluster."""
    perform("evaluate", _job, common, run, data, learner.flags(), checkpoint=checkpoint)


def _job(run: "Run", progress: "Progress") -> "Outcome":
    from darksound.jobs.evaluate import evaluate_run

    return evaluate_run(run, progress)

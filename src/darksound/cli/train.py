"""`darksound train`."""

from typing import TYPE_CHECKING

import typer

from darksound.cli.options import (
    CommonOptions,
    DataOptions,
    LearnerOptions,
    RunOptions,
    TrainingOptions,
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
    app.command("train")(flattened(train))


def train(
    data: DataOptions,
    learner: LearnerOptions,
    training: TrainingOptions,
    run: RunOptions,
    common: CommonOptions,
) -> None:
    """Train a few-shot learner on labelled ROIs."""
    perform("train", _job, common, run, data, learner.flags(), training.flags())


def _job(run: "Run", progress: "Progress") -> "Outcome":
    from darksound.jobs.train import train_run

    return train_run(run, progress)

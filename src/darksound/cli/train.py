"""`darksound train`."""

from typing import TYPE_CHECKING

from darksound.cli.options import (
    CommonOptions,
    DataOptions,
    LearnerOptions,
    RunOptions,
    TrainingOptions,
)
from darksound.cli.runner import run_job

if TYPE_CHECKING:
    from darksound.jobs.base import JobResult
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["train"]


def train(
    data: DataOptions,
    learner: LearnerOptions,
    training: TrainingOptions,
    run: RunOptions,
    common: CommonOptions,
) -> None:
    """Train a few-shot learner on labelled ROIs."""
    run_job("train", _job, common, run, data, learner.flags(), training.flags())


def _job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.train import train_run

    return train_run(run, progress)

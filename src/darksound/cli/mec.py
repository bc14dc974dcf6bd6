"""`darksound mec`."""

from typing import TYPE_CHECKING

import typer

from darksound.cli.options import (
    CheckpointOptions,
    CommonOptions,
    DataOptions,
    LearnerOptions,
    LoopOptions,
    RunOptions,
    flattened,
)
from darksound.cli.perform import perform

if TYPE_CHECKING:
    from darksound.progress import Progress
    from darksound.runs.directory import Run
    from darksound.runs.outcome import Outcome

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
    common: CommonOptions,
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
        checkpoint=source.checkpoint,
    )


def _job(run: "Run", progress: "Progress") -> "Outcome":
    from darksound.runs.mec import mec_run

    return mec_run(run, progress)

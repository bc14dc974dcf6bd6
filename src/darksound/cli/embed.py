"""`darksound embed`."""

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from darksound.cli.options import (
    CheckpointOptions,
    ClusterOptions,
    CommonOptions,
    DataOptions,
    LearnerOptions,
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
    app.command("embed")(flattened(embed))


def embed(
    data: DataOptions,
    source: CheckpointOptions,
    learner: LearnerOptions,
    run: RunOptions,
    cluster: ClusterOptions,
    common: CommonOptions,
) -> None:
    """Turn ROIs into vectors.

    --out may be a run directory, or a .parquet or .npy file; the record of the run then goes to
    runs/embed-TIME.
    """
    from darksound.run.files import EMBEDDING_FORMATS

    target = run.out if run.out is not None and run.out.suffix in EMBEDDING_FORMATS else None
    perform(
        "embed",
        _job,
        common,
        run if target is None else replace(run, out=None),
        data,
        learner.flags(),
        cluster.flags(),
        checkpoint=source.checkpoint,
        target=target,
    )


def _job(run: "Run", progress: "Progress") -> "Outcome":
    from darksound.jobs.embed import embed_run

    return embed_run(run, progress)

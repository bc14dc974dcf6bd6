"""`darksound embed`."""

from dataclasses import replace
from typing import TYPE_CHECKING

from darksound.cli.options import (
    CheckpointOptions,
    CommonOptions,
    DaskOptions,
    DataOptions,
    LearnerOptions,
    RunOptions,
)
from darksound.cli.runner import run_job

if TYPE_CHECKING:
    from darksound.jobs.base import JobResult
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["embed"]


def embed(
    data: DataOptions,
    source: CheckpointOptions,
    learner: LearnerOptions,
    run: RunOptions,
    dask: DaskOptions,
    common: CommonOptions,
) -> None:
    """Compute the embeddings of ROIs.

    --out can be a run directory, or a .parquet or .npy file; the run directory is then
    runs/embed-TIME.
    """
    from darksound.run.files import EMBEDDING_FORMATS

    target = run.out if run.out is not None and run.out.suffix in EMBEDDING_FORMATS else None
    run_job(
        "embed",
        _job,
        common,
        run if target is None else replace(run, out=None),
        data,
        learner.flags(),
        dask.flags(),
        checkpoint=source.checkpoint,
        target=target,
    )


def _job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.embed import embed_run

    return embed_run(run, progress)

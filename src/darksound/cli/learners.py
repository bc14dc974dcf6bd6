"""The commands on learners: `train`, `evaluate`, `embed` and `pretrain`."""

from dataclasses import dataclass, replace
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
    RunOptions,
    SegmentationOptions,
    TrainingOptions,
)
from darksound.cli.runner import run_job

if TYPE_CHECKING:
    from darksound.jobs.base import JobResult
    from darksound.progress import Progress
    from darksound.run.directory import Run
    from darksound.settings import Settings

__all__ = ["embed", "evaluate", "pretrain", "train"]


def train(
    data: DataOptions,
    segmentation: SegmentationOptions,
    learner: LearnerOptions,
    training: TrainingOptions,
    run: RunOptions,
    common: CommonOptions,
) -> None:
    """Train a few-shot learner on labelled ROIs.

    Without --data, the splits train and val of darksound-2023 are used. --data demo:train needs no
    files.
    """
    run_job(
        "train",
        _train_job,
        common,
        run,
        data,
        segmentation.flags(),
        learner.flags(),
        training.flags(),
    )


def _train_job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.train import train_run

    return train_run(run, progress)


def evaluate(
    data: DataOptions,
    segmentation: SegmentationOptions,
    learner: LearnerOptions,
    run: RunOptions,
    common: CommonOptions,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="Trained learner: a run directory or a weights file."),
    ] = None,
) -> None:
    """Evaluate a learner on labelled ROIs.

    Its figures are the few-shot accuracy, and the agreement of clusters with labels. Without
    --data, the test split of darksound-2023 is used. --data demo:test needs no files.
    """
    run_job(
        "evaluate",
        _evaluate_job,
        common,
        run,
        data,
        segmentation.flags(),
        learner.flags(),
        checkpoint=checkpoint,
    )


def _evaluate_job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.evaluate import evaluate_run

    return evaluate_run(run, progress)


def embed(
    data: DataOptions,
    segmentation: SegmentationOptions,
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
        _embed_job,
        common,
        run if target is None else replace(run, out=None),
        data,
        segmentation.flags(),
        learner.flags(),
        dask.flags(),
        checkpoint=source.checkpoint,
        target=target,
        check=_check_trained if source.checkpoint is None and not run.resume else None,
    )


def _check_trained(settings: "Settings") -> None:
    from darksound.meta.backbones import check_trained

    check_trained(settings)


def _embed_job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.embed import embed_run

    return embed_run(run, progress)


@dataclass(frozen=True)
class PretrainingOptions:
    """How long to pretrain."""

    panel: ClassVar[str] = "Training"

    species: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of synthetic species per window length."),
    ] = None
    steps: Annotated[int | None, typer.Option(metavar="N", help="Number of training steps.")] = None
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Weights file to start from; random weights without it."),
    ] = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {
            "backbone": {"weights": self.weights or "none"},
            "pretraining": {"species": self.species, "steps": self.steps},
        }


def pretrain(pretraining: PretrainingOptions, run: RunOptions, common: CommonOptions) -> None:
    """Pretrain a backbone on synthetic birds; no recordings are needed."""
    run_job("pretrain", _pretrain_job, common, run, DataOptions(), pretraining.flags())


def _pretrain_job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.pretrain import pretrain_run

    return pretrain_run(run, progress)

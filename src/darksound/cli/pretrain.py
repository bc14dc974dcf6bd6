"""`darksound pretrain`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from darksound.cli.options import CommonOptions, DataOptions, Flags, RunOptions
from darksound.cli.runner import run_job

if TYPE_CHECKING:
    from darksound.jobs.base import JobResult
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["pretrain"]


@dataclass(frozen=True)
class PretrainingOptions:
    """How long to pretrain."""

    panel: ClassVar[str] = "Training"

    species: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of synthetic species per window length."),
    ] = None
    steps: Annotated[int | None, typer.Option(metavar="N", help="Number of training steps.")] = None

    def flags(self) -> Flags:
        """Return the settings of these options."""
        return {
            # Pretraining starts from random weights.
            "backbone": {"weights": "none"},
            "pretraining": {"species": self.species, "steps": self.steps},
        }


def pretrain(pretraining: PretrainingOptions, run: RunOptions, common: CommonOptions) -> None:
    """Pretrain a backbone on synthetic birds; no recordings are needed."""
    run_job("pretrain", _job, common, run, DataOptions(), pretraining.flags())


def _job(run: "Run", progress: "Progress") -> "JobResult":
    from darksound.jobs.pretrain import pretrain_run

    return pretrain_run(run, progress)

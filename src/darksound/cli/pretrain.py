"""`darksound pretrain`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from darksound.cli.options import CommonOptions, DataOptions, Flags, RunOptions, flattened
from darksound.cli.perform import perform

if TYPE_CHECKING:
    from darksound.jobs.base import Outcome
    from darksound.progress import Progress
    from darksound.run.directory import Run

__all__ = ["register"]


@dataclass(frozen=True)
class PretrainingOptions:
    """How much is learnt."""

    species: Annotated[
        int | None, typer.Option(metavar="N", help="Synthetic species of each window length.")
    ] = None
    steps: Annotated[int | None, typer.Option(metavar="N", help="Batches to learn from.")] = None

    def flags(self) -> Flags:
        """The settings that they stand for, nested, None where not given."""
        return {
            # Weights that learn to hear start from none.
            "backbone": {"weights": "none"},
            "pretraining": {"species": self.species, "steps": self.steps},
        }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pretrain")(flattened(pretrain))


def pretrain(pretraining: PretrainingOptions, run: RunOptions, common: CommonOptions) -> None:
    """Teach a backbone to hear, from synthetic birds alone."""
    perform("pretrain", _job, common, run, DataOptions(), pretraining.flags())


def _job(run: "Run", progress: "Progress") -> "Outcome":
    from darksound.jobs.pretrain import pretrain_run

    return pretrain_run(run, progress)

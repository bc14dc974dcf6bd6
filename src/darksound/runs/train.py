"""The job of `darksound train`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from darksound.errors import InputError
from darksound.meta.distributed import current_crew
from darksound.meta.learners import build_learner
from darksound.meta.state import EpochReport
from darksound.progress import Progress
from darksound.report.tables import metrics_table
from darksound.runs.announce import announce
from darksound.runs.backbone import names_rois, run_rois, take_up_backbone
from darksound.runs.contents import write_csv
from darksound.runs.directory import Run
from darksound.runs.fingerprint import fingerprint
from darksound.runs.outcome import Outcome
from darksound.runs.repeatable import make_repeatable
from darksound.runs.tensorboard import epoch_writer
from darksound.runs.training import train_in
from darksound.runs.work import Work
from darksound.settings import Settings

__all__ = ["train_run"]


def train_run(run: Run, progress: Progress) -> Outcome:
    """Train a learner; leaves `checkpoints/` and `training.csv`, a row an epoch.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.train`.
        RunError: the run cannot be gone on with.
    """
    make_repeatable(run.settings.seed)
    if not run.inputs.data and not names_rois(run.settings):
        raise InputError("Nothing to learn from; name labelled ROIs with --data.")
    settings = _with_tasks_a_step(run, take_up_backbone(run))
    learner = build_learner(settings)
    rois = run_rois(run, settings, progress)
    run.note_data(len(rois), fingerprint(rois))
    work = Work.of_training(len(rois), settings, settings.training.epochs)
    announce(rois, learner, settings, work, run.path)
    with epoch_writer(run.path / "tensorboard") as write_epoch:

        def keep(reports: Sequence[EpochReport]) -> None:
            rows = [asdict(report) for report in reports]
            write_csv(run.path / "training.csv", pd.DataFrame(rows))
            write_epoch(rows[-1])
            run.journal.append("epoch", **rows[-1])

        trained = train_in(
            run.path / "checkpoints", rois, settings, progress=progress, on_epoch=keep
        )
    run.note_problems(trained.problems)
    best, names = trained.best, ("validation_accuracy", "validation_loss", "train_accuracy")
    figures = {name: value for name in names if (value := getattr(best, name)) == value}
    which = f"Epoch {best.epoch} of {len(trained.reports)}" if best.epoch else "Before training"
    return Outcome(
        (metrics_table(f"{which}, which is kept", figures),),
        f"The learner is in {run.path}. Judge it on other data with: "
        f"darksound evaluate {_shown(run.path)} --data ...",
        len(trained.problems),
    )


def _with_tasks_a_step(run: Run, settings: Settings) -> Settings:
    """The number of tasks in a step as a number, so that another number of processes may resume.

    Raises:
        SettingsError: there are more processes than tasks.
    """
    tasks = current_crew().tasks_a_step(settings.training)
    if tasks != settings.training.tasks_per_step:
        settings = settings.replace(training={"tasks_per_step": tasks})
        run.adopt_settings(settings)
    return settings


def _shown(path: Path) -> str:
    text = str(path)
    return f"'{text}'" if " " in text else text

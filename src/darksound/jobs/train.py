"""The job of `darksound train`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from darksound.errors import InputError
from darksound.jobs.base import Outcome, make_repeatable
from darksound.jobs.estimate import Work, announce
from darksound.jobs.inputs import names_rois, run_rois, take_up_backbone
from darksound.meta.checkpoints import EpochReport, TrainState, load_train_state, save_training
from darksound.meta.distributed import current_crew
from darksound.meta.learners import Learner, build_learner
from darksound.meta.training import fit, training_images
from darksound.progress import Progress
from darksound.report.tables import metrics_table
from darksound.rois.roi_set import Problem, RoiSet
from darksound.run.directory import Run
from darksound.run.files import write_csv
from darksound.run.manifest import fingerprint
from darksound.settings import Settings

__all__ = ["Trained", "epoch_writer", "train_in", "train_run"]


@contextmanager
def epoch_writer(folder: Path) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """What takes the figures of an epoch, `epoch` among them; it does nothing without the extra."""
    if find_spec("tensorboard") is None:
        yield lambda figures: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def write(figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                if name != "epoch":
                    writer.add_scalar(name, value, int(figures["epoch"]))
            writer.flush()

        yield write


@dataclass(frozen=True)
class Trained:
    """The end of a training.

    Attributes:
        learner: with the weights that were kept.
        reports: one an epoch.
        best: figures of the epoch that was kept; epoch 0 is the learner before training.
        problems: inputs that were left out.
    """

    learner: Learner
    reports: tuple[EpochReport, ...]
    best: EpochReport
    problems: tuple[Problem, ...]


def train_in(
    folder: Path,
    rois: RoiSet,
    settings: Settings,
    *,
    progress: Progress,
    validation: RoiSet | None = None,
    on_epoch: Callable[[Sequence[EpochReport]], None] = lambda reports: None,
) -> Trained:
    """Train as `darksound.train` does, keeping the state of each epoch in `folder`.

    Where the folder holds a state, training goes on from there and ends with the weights that
    it would have had without the stop.

    Args:
        folder: for checkpoints; `best` is the result.
        rois, settings, validation: see `darksound.train`.
        progress: told of work done.
        on_epoch: called after each epoch with the figures of all so far, once it is safe.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.train`.
        CheckpointError: the state in the folder is damaged.
    """
    images, judged_on = training_images(rois, settings, validation, progress)
    state = current_crew().from_first(partial(_state, folder, images.settings))

    def keep(_: EpochReport, now: TrainState) -> None:
        save_training(folder, now)
        on_epoch(now.reports)

    learner = fit(state, images, judged_on, images.settings, on_epoch=keep, progress=progress)
    problems = [*images.rois.problems, *(judged_on.rois.problems if judged_on is not None else ())]
    assert state.kept is not None  # there is one epoch at least
    return Trained(learner, tuple(state.reports), state.kept, tuple(dict.fromkeys(problems)))


def _state(folder: Path, settings: Settings) -> TrainState:
    """Where the training in the folder stands, or a beginning."""
    if (folder / "last.state.pt").exists():
        return load_train_state(folder)
    return TrainState(build_learner(settings))


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
    if tasks != settings.training.episodes_per_step:
        settings = settings.replace(training={"episodes_per_step": tasks})
        run.adopt_settings(settings)
    return settings


def _shown(path: Path) -> str:
    text = str(path)
    return f"'{text}'" if " " in text else text

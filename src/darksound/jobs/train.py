"""The job of `darksound train`."""

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from darksound.jobs.base import JobResult, seed_everything
from darksound.jobs.estimate import Workload, log_estimate
from darksound.jobs.inputs import (
    load_run_rois,
    resolve_run_settings,
    use_default_data,
)
from darksound.jobs.stages import time_left
from darksound.meta.checkpoints import EpochReport, TrainState, load_train_state, save_train_state
from darksound.meta.device import describe_machine
from darksound.meta.distributed import current_process_group
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.meta.training import fit, training_images
from darksound.progress import Progress
from darksound.report.tables import metrics_table
from darksound.rois.roi_set import Problem, RoiSet
from darksound.run.directory import Run
from darksound.run.files import PROBLEMS_FILE, write_csv
from darksound.run.manifest import fingerprint
from darksound.settings import Settings

__all__ = ["TrainingResult", "tensorboard_writer", "train_in_folder", "train_run"]


@contextmanager
def tensorboard_writer(folder: Path) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Yield a function that writes the figures of an epoch, with the key `epoch`, for TensorBoard.

    Without the extra `tensorboard` it does nothing.
    """
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
class TrainingResult:
    """The result of a training.

    Attributes:
        learner: the learner with the best weights.
        reports: one per epoch.
        best: the report of the best epoch; epoch 0 is the learner before training.
        problems: skipped inputs.
    """

    learner: Learner
    reports: tuple[EpochReport, ...]
    best: EpochReport
    problems: tuple[Problem, ...]


def train_in_folder(
    rois: RoiSet,
    settings: Settings,
    folder: Path,
    *,
    progress: Progress,
    validation: RoiSet | None = None,
    on_epoch: Callable[[Sequence[EpochReport]], None] = lambda reports: None,
) -> TrainingResult:
    """Train as `darksound.train` does, and save the state of each epoch in `folder`.

    If the folder contains a state, training resumes from it, and ends with the same weights as
    without the interruption.

    Args:
        rois, settings, validation: see `darksound.train`.
        folder: for checkpoints; `best` is the result.
        progress: called with the progress.
        on_epoch: called after each epoch, when its state is saved, with the reports of all epochs.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.train`.
        CheckpointError: the state in the folder is damaged.
    """
    images, validation_images = training_images(
        rois, settings, validation=validation, progress=progress
    )
    state = current_process_group().broadcast(partial(_state, folder, images.settings))

    def save(_: EpochReport, current: TrainState) -> None:
        save_train_state(folder, current)
        on_epoch(current.reports)

    learner = fit(
        images,
        state,
        images.settings,
        validation_images=validation_images,
        on_epoch=save,
        progress=progress,
    )
    problems = list(images.rois.problems)
    if validation_images is not None:
        problems += validation_images.rois.problems
    assert state.best_report is not None  # there is at least one epoch
    return TrainingResult(
        learner, tuple(state.reports), state.best_report, tuple(dict.fromkeys(problems))
    )


def _state(folder: Path, settings: Settings) -> TrainState:
    """Return the state of the training in the folder, or an initial state."""
    if (folder / "last.state.pt").exists():
        return load_train_state(folder)
    return TrainState(build_learner(settings))


def train_run(run: Run, progress: Progress) -> JobResult:
    """Train a learner; write `checkpoints/` and `training.csv`, one row per epoch.

    Without data it trains on the splits `train` and `val` of the published set.

    Raises:
        InputError, SettingsError, CheckpointError: see `darksound.train`.
        RunError: the run cannot be resumed.
    """
    seed_everything(run.settings.seed)
    # The column `split` of these ROIs says which of them are for validation.
    use_default_data(run, "train", "val", demo="demo:train")
    settings = _with_episodes_per_step(run, resolve_run_settings(run, progress=progress))
    learner = build_learner(settings)
    rois = load_run_rois(run, settings, progress)
    run.record_data(len(rois), fingerprint(rois))
    run.record_machine(describe_machine(settings))
    workload = Workload.of_training(len(rois), settings, settings.training.epochs)
    log_estimate(rois, learner, settings, workload, run.path)
    progress = time_left(progress, len(rois), learner, settings, workload)
    with tensorboard_writer(run.path / "tensorboard") as write_epoch:

        def record(reports: Sequence[EpochReport]) -> None:
            rows = [asdict(report) for report in reports]
            write_csv(run.path / "training.csv", pd.DataFrame(rows))
            write_epoch(rows[-1])
            run.journal.append("epoch", **rows[-1])

        result = train_in_folder(
            rois, settings, run.path / "checkpoints", progress=progress, on_epoch=record
        )
    run.record_problems(result.problems)
    best, names = result.best, ("validation_accuracy", "validation_loss", "train_accuracy")
    # A figure that was not computed is NaN.
    figures = {name: value for name in names if not math.isnan(value := getattr(best, name))}
    epoch = f"epoch {best.epoch} of {len(result.reports)}" if best.epoch else "before training"
    return JobResult(
        (metrics_table(f"Best epoch: {epoch}", figures),),
        f"The learner is in {run.path}. Evaluate it on other data with: "
        f"darksound evaluate {shlex.quote(str(run.path))} --data ...",
        result.problems,
        run.path / PROBLEMS_FILE,
    )


def _with_episodes_per_step(run: Run, settings: Settings) -> Settings:
    """Return the settings with `episodes_per_step` as a number instead of `auto`.

    A different number of processes can then resume the run with the same result.

    Raises:
        SettingsError: there are more processes than episodes in a step.
    """
    n_episodes = current_process_group().episodes_per_step(settings.training)
    if n_episodes != settings.training.episodes_per_step:
        settings = settings.replace(training={"episodes_per_step": n_episodes})
        run.update_settings(settings)
    return settings

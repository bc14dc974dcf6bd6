"""Training that can be stopped at any moment and gone on with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from darksound.data.rois import Problem, RoiSet
from darksound.meta.checkpoints import load_train_state, save_training
from darksound.meta.distributed import current_crew
from darksound.meta.learners import Learner, build_learner
from darksound.meta.state import EpochReport, TrainState
from darksound.meta.training import fit, training_images
from darksound.progress import Progress
from darksound.settings import Settings

__all__ = ["Trained", "train_in"]


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

"""Training a learner: epochs, validation, schedule, early stop, and the best weights."""

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from darksound.errors import InputError
from darksound.meta.checkpoints import EpochReport, TrainState
from darksound.meta.classical import ClassicalRegime
from darksound.meta.distributed import SharedRegime, current_crew
from darksound.meta.episodes import Episode, EpisodeSampler
from darksound.meta.evaluation import judge_episodes
from darksound.meta.features import require_fit, settle
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.meta.splits import part_rois, recording_names
from darksound.meta.steps import Descent, EpisodicRegime, Regime, make_optimizer, run_pass
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings, TrainingSettings
from darksound.store.building import build_store
from darksound.store.contract import Store

if TYPE_CHECKING:
    from darksound.store.contract import Store

__all__ = ["REGIMES", "EpochReport", "TrainState", "fine_tune", "fit", "train", "training_images"]


def fine_tune(
    learner: Learner,
    images: "Store",
    rows: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    recordings: npt.ArrayLike | None,
    settings: Settings,
    *,
    tasks: int,
    learning_rate: float,
    key: tuple[int, ...],
    support_as_it_is: bool = False,
    progress: Progress = silent,
) -> None:
    """Train a learner in place on episodes drawn from rows with given labels.

    Args:
        learner: trained in place, left in evaluation mode.
        images: where the rows' images are.
        rows: `(n,)` rows of `images`.
        labels: `(n,)` class of each row, from 0.
        recordings: `(n,)` names, or None where they shall not matter.
        settings: for episodes, augmentation, optimiser, compute and the seed.
        tasks: how many episodes.
        learning_rate: of a fresh optimiser.
        support_as_it_is: alter queries alone.
        key: makes the episodes of this call its own, such as `(iteration,)`.
        progress: told of the episodes done, as `fine-tuning`.

    Raises:
        InputError: fewer than two classes are big enough for an episode.
        CheckpointError: the images are of another front end.
    """
    require_fit(learner, images)
    sampler = EpisodeSampler(labels, recordings, settings.episodes, rows)
    regime = EpisodicRegime(learner, images, sampler, settings, support_as_it_is)
    optimizer = make_optimizer(regime.module, settings, learning_rate)
    descend = Descent(optimizer, settings.compute)
    counters = (int(Purpose.FINE_TUNE), *key)
    run_pass(regime, descend, tasks, counters, progress, "fine-tuning")


logger = logging.getLogger(__name__)
OnEpoch = Callable[[EpochReport, TrainState], None]

REGIMES: MappingProxyType[str, Callable[[Learner, Store, EpisodeSampler, Settings], Regime]] = (
    MappingProxyType({"episodic": EpisodicRegime, "classical": ClassicalRegime})
)


def train(
    rois: RoiSet,
    settings: Settings,
    *,
    validation: RoiSet | None = None,
    learner: Learner | None = None,
    resume: TrainState | None = None,
    on_epoch: OnEpoch | None = None,
    progress: Progress = silent,
) -> Learner:
    """Train a learner on labelled ROIs.

    Args:
        rois: where its `split` names training and validation ROIs, these are used so.
        settings: all of them.
        validation: ROIs that judge the epochs; by default the split `val`, or a held-out share.
        learner: trained further in place; by default a new one.
        resume: a training to go on with; takes the place of `learner`.
        on_epoch: called after each epoch with its figures and the state to save.
        progress: told of steps done.

    Returns:
        The learner with the weights of its best epoch, in evaluation mode.

    Raises:
        InputError: no labels, or fewer than two classes big enough for an episode.
        SettingsError: an unknown backbone or learner, or parts that do not go together.
        CheckpointError: weights that cannot be had, or made for another front end.
    """
    images, judged_on = training_images(rois, settings, validation, progress)
    if resume is None:
        resume = TrainState(learner if learner is not None else build_learner(images.settings))
    return fit(resume, images, judged_on, images.settings, on_epoch=on_epoch, progress=progress)


def training_images(
    rois: RoiSet, settings: Settings, validation: RoiSet | None, progress: Progress
) -> tuple[Store, Store | None]:
    """Images to train on, with their altered versions, and those that judge the epochs.

    Args:
        rois, settings, validation, progress: see `train`.

    Raises:
        InputError: no labels, or no ROI that can be read.
    """
    to_train, to_validate = part_rois(rois, settings, validation)
    # The others find in the cache what the first has made.
    with current_crew().first_then_others():
        images = build_store(to_train, settings, progress, versions=settings.augmentation.versions)
        if to_validate is None:
            return images, None
        return images, build_store(to_validate, images.settings, progress)


def fit(
    state: TrainState,
    images: Store,
    judged_on: Store | None,
    settings: Settings,
    *,
    on_epoch: OnEpoch | None = None,
    progress: Progress = silent,
) -> Learner:
    """Train on images that are made already; `train` without what comes before.

    Where torch has a group of processes, each calls this with the same arguments, and they share
    the work; see `darksound.meta.distributed`.

    Raises:
        InputError: fewer than two classes big enough for an episode.
        SettingsError: the regime does not suit the learner, or fewer tasks a step than processes.
        CheckpointError: the images are of another front end than the learner's.
    """
    learner = state.learner
    require_fit(learner, images)
    settle(learner, images)
    sampler = _sampler(images, settings)
    learner.classes = tuple(str(name) for name in sampler.classes)
    crew = current_crew()
    tasks = crew.tasks_a_step(settings.training)
    regime = SharedRegime(
        REGIMES[settings.training.regime](learner, images, sampler, settings), tasks, crew
    )
    optimizer = make_optimizer(regime.module, settings, settings.training.learning_rate)
    _take_up(state, regime.module, optimizer, settings.training)
    episodes = _validation_episodes(judged_on, settings)
    if state.epoch == 0:
        state.best = copy.deepcopy(learner.state_dict())
        state.start = _as_given(learner, judged_on, episodes, settings)
    if not episodes:
        logger.warning("nothing validates this training; its epochs are compared by training loss")
    while not _is_over(state, settings.training):
        begun = time.perf_counter()
        stage = f"epoch {state.epoch + 1}/{settings.training.epochs}"
        steps = math.ceil(settings.training.episodes_per_epoch / tasks)
        # Anew for each epoch, so that a training that goes on does as one that never stopped.
        descend = Descent(optimizer, settings.compute)
        done = crew.mean(run_pass(regime, descend, steps, (state.epoch,), progress, stage))
        loss, accuracy = _validate(learner, judged_on, episodes, settings)
        seconds = time.perf_counter() - begun
        report = EpochReport(
            state.epoch + 1,
            done.loss,
            done.accuracy,
            loss,
            accuracy,
            state.learning_rate,
            done.images / done.seconds,
            seconds,
        )
        _advance(state, report, regime.module, optimizer, settings.training)
        logger.info("%s: %s", stage, _line(report))
        if on_epoch is not None:
            on_epoch(report, state)
    if state.kept is not None and state.kept is state.start:
        logger.warning(
            "no epoch is better on the validation ROIs than the learner was before training "
            "(accuracy %.3f), which is kept as it was",
            state.start.validation_accuracy,
        )
    learner.load_state_dict(state.best)
    return learner.eval()


def _as_given(
    learner: Learner, images: Store | None, episodes: Sequence[Episode], settings: Settings
) -> EpochReport | None:
    """Epoch 0: training must not end below where it began."""
    if not episodes:
        return None
    begun = time.perf_counter()
    learner.eval()
    loss, accuracy = _validate(learner, images, episodes, settings)
    nothing = math.nan
    seconds = time.perf_counter() - begun
    return EpochReport(0, nothing, nothing, loss, accuracy, 0.0, nothing, seconds)


def _sampler(images: Store, settings: Settings) -> EpisodeSampler:
    labels = images.rois.labels
    if labels is None:
        raise InputError("None of the ROIs that could be read has a label.")
    return EpisodeSampler(labels, recording_names(images.rois), settings.episodes)


def _validation_episodes(images: Store | None, settings: Settings) -> list[Episode]:
    """The same episodes every epoch, so that epochs differ by their weights alone."""
    if images is None:
        return []
    try:
        sampler = _sampler(images, settings)
    except InputError as error:
        logger.warning("the validation ROIs cannot be used: %s", error)
        return []
    tasks = range(settings.training.validation_episodes)
    return [sampler.sample(numpy_generator(settings.seed, Purpose.VALIDATION, i)) for i in tasks]


def _validate(
    learner: Learner, images: Store | None, episodes: Sequence[Episode], settings: Settings
) -> tuple[float, float]:
    if images is None or not episodes:
        return math.nan, math.nan
    crew = current_crew()
    own = [episodes[i] for i in crew.own(len(episodes))]
    judged = judge_episodes(learner, images, own, settings)
    loss, accuracy = np.mean(crew.all_of([(one.loss, one.accuracy) for one in judged]), axis=0)
    return float(loss), float(accuracy)


def _is_over(state: TrainState, training: TrainingSettings) -> bool:
    if state.epoch >= training.epochs:
        return True
    return state.epoch - state.best_epoch >= training.early_stopping_patience


def _take_up(
    state: TrainState,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    training: TrainingSettings,
) -> None:
    """Bring module and optimiser to where the state says that training stands."""
    if state.epoch == 0:
        state.learning_rate = training.learning_rate
        return
    module.load_state_dict({**module.state_dict(), **state.head})
    optimizer.load_state_dict(state.optimizer)
    _set_rate(optimizer, state.learning_rate)


def _advance(
    state: TrainState,
    report: EpochReport,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    training: TrainingSettings,
) -> None:
    """Note an epoch: keep its weights if they are the best, lower the rate if it is time."""
    state.epoch = report.epoch
    state.reports.append(report)
    state.head = {k: v for k, v in module.state_dict().items() if k.startswith("head.")}
    state.stale += 1
    if state.best_epoch == report.epoch:
        state.stale = 0
    if state.kept is report:
        state.best = copy.deepcopy(state.learner.state_dict())
    if state.stale > training.lr_patience:
        state.learning_rate *= training.lr_factor
        state.stale = 0
        _set_rate(optimizer, state.learning_rate)
    state.optimizer = optimizer.state_dict()


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def _line(report: EpochReport) -> str:
    text = f"loss {report.train_loss:.3g}, accuracy {report.train_accuracy:.3f}"
    if not math.isnan(report.validation_accuracy):
        text += f", validation accuracy {report.validation_accuracy:.3f}"
    return f"{text}, {report.images_per_s:.0f} images/s"

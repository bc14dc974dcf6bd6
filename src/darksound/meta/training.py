"""Training a learner: epochs, validation, learning rate schedule, early stopping, best weights."""

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from darksound.errors import InputError
from darksound.meta.checkpoints import EpochReport, TrainState
from darksound.meta.distributed import DistributedRegime, current_process_group
from darksound.meta.episodes import Episode, EpisodeSampler, recording_names, split_rois
from darksound.meta.evaluation import score_episodes
from darksound.meta.features import check_store, fit_backbone
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.meta.optimization import OptimizerStep, make_optimizer, run_epoch
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.meta.regimes import REGIMES, EpisodicRegime
from darksound.parallel.threads import single_threaded
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import ComputeSettings, Settings, TrainingSettings
from darksound.store.building import build_store
from darksound.store.contract import Store

__all__ = ["fine_tune", "fit", "make_scheduler", "train", "training_images"]

logger = logging.getLogger(__name__)
OnEpoch = Callable[[EpochReport, TrainState], None]


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
        rois: if their column `split` names training and validation ROIs, it is used.
        settings: settings of the front end, the learner and the training.
        validation: ROIs to validate each epoch on; by default the split `val`, or a held-out share.
        learner: trained further, in place; by default a new learner.
        resume: state of a training to resume, in place of `learner`.
        on_epoch: called after each epoch with its figures and the state to save.
        progress: called with the number of steps done.

    Returns:
        The learner with the weights of its best epoch, in evaluation mode; of its last epoch if
        `training.validation_share` is 0 and `validation` is None.

    Raises:
        InputError: there are no labels, or fewer than two classes are large enough.
        SettingsError: the backbone or the learner is unknown, or settings do not fit together.
        CheckpointError: weights cannot be fetched or read, or are for another front end.
    """
    images, validation_images = training_images(
        rois, settings, validation=validation, progress=progress
    )
    if resume is None:
        resume = TrainState(learner if learner is not None else build_learner(images.settings))
    return fit(
        images,
        resume,
        images.settings,
        validation_images=validation_images,
        on_epoch=on_epoch,
        progress=progress,
    )


def training_images(
    rois: RoiSet,
    settings: Settings,
    *,
    validation: RoiSet | None = None,
    progress: Progress = silent,
) -> tuple[Store, Store | None]:
    """Return the images to train on, with their altered versions, and those to validate on.

    Args:
        rois, settings, validation, progress: see `train`.

    Raises:
        InputError: there are no labels, or no ROI can be read.
    """
    training_rois, validation_rois = split_rois(rois, settings, validation)
    # The other ranks read from the cache what rank 0 has computed.
    with current_process_group().rank_0_first():
        n_versions = settings.augmentation.versions
        images = build_store(training_rois, settings, progress, versions=n_versions)
        if validation_rois is None:
            return images, None
        return images, build_store(validation_rois, images.settings, progress)


@single_threaded()
def fit(
    images: Store,
    state: TrainState,
    settings: Settings,
    *,
    validation_images: Store | None = None,
    on_epoch: OnEpoch | None = None,
    progress: Progress = silent,
) -> Learner:
    """Train on images that exist already; see `train`.

    Within a process group of torch, all processes call this with the same arguments and share the
    work; see `darksound.meta.distributed`.

    Args:
        images: images to train on, with labels.
        state: a new state or that of a training to resume; updated in place.
        settings: `training`, `episodes`, `augmentation`, `front_end.channels`, `compute` and
            `seed` are used.
        validation_images: images to validate each epoch on.
        on_epoch: called after each epoch with its figures and the state to save.
        progress: called with the number of steps done.

    Returns:
        The learner with the weights of its best epoch, in evaluation mode.

    Raises:
        InputError: fewer than two classes are large enough for an episode.
        SettingsError: the regime does not fit the learner, or there are more processes than
            episodes in a step.
        CheckpointError: the images were made with another front end than the learner's.
    """
    learner, training = state.learner, settings.training
    check_store(images, learner)
    fit_backbone(images, learner)
    sampler = _sampler(images, settings)
    learner.classes = tuple(str(name) for name in sampler.classes)
    group = current_process_group()
    episodes_per_step = group.episodes_per_step(training)
    regime = DistributedRegime(
        REGIMES[training.regime](learner, images, sampler, settings), episodes_per_step, group
    )
    optimizer = make_optimizer(regime.module, training, training.learning_rate)
    scheduler = make_scheduler(optimizer, training)
    _restore(state, regime.module, optimizer, scheduler)
    episodes = _validation_episodes(validation_images, settings)
    if state.epoch == 0:
        state.best_weights = copy.deepcopy(learner.state_dict())
        state.initial_report = _initial_report(
            validation_images, learner, episodes, settings.compute
        )
    state.keeps_last = not episodes and training.validation_share == 0
    if state.keeps_last:
        logger.info(
            "There is no validation (training.validation_share is 0); the last epoch is kept."
        )
    elif not episodes:
        logger.warning("There are no validation ROIs; epochs are compared by training loss.")
    while not _is_finished(state, training):
        start = time.perf_counter()
        stage = f"epoch {state.epoch + 1}/{training.epochs}"
        n_steps = math.ceil(training.episodes_per_epoch / episodes_per_step)
        # A new loss scale each epoch, so that a resumed training equals an uninterrupted one.
        optimizer_step = OptimizerStep(optimizer, settings.compute)
        means = run_epoch(
            regime,
            optimizer_step,
            n_steps,
            counters=(state.epoch,),
            progress=progress,
            stage=stage,
        )
        means = group.mean(means)
        loss, accuracy = _validate(validation_images, learner, episodes, settings.compute)
        report = EpochReport(
            epoch=state.epoch + 1,
            train_loss=means.loss,
            train_accuracy=means.accuracy,
            validation_loss=loss,
            validation_accuracy=accuracy,
            learning_rate=optimizer.param_groups[0]["lr"],
            images_per_s=means.n_images / means.seconds,
            seconds=time.perf_counter() - start,
        )
        _update(state, report, regime.module, optimizer, scheduler)
        logger.info("%s: %s", stage, _summary(report))
        if on_epoch is not None:
            on_epoch(report, state)
    if state.initial_report is not None and state.best_report is state.initial_report:
        logger.warning(
            "No epoch is better on the validation ROIs than the learner before training (accuracy "
            "%.3f), so its weights are kept.",
            state.initial_report.validation_accuracy,
        )
    learner.load_state_dict(state.best_weights)
    return learner.eval()


@single_threaded()
def fine_tune(
    images: Store,
    labels: npt.NDArray[np.int64],
    learner: Learner,
    settings: Settings,
    *,
    rows: npt.NDArray[np.int64],
    recordings: npt.ArrayLike | None,
    n_episodes: int,
    learning_rate: float,
    counters: tuple[int, ...],
    augment_support: bool = True,
    progress: Progress = silent,
) -> None:
    """Train a learner in place on episodes of some rows with given labels.

    Args:
        images: images of all ROIs.
        labels: `(n,)` class of each of `rows`, from 0.
        learner: trained in place and left in evaluation mode.
        settings: `episodes`, `augmentation`, `training` (optimiser), `front_end.channels`,
            `compute` and `seed` are used.
        rows: `(n,)` rows of `images`.
        recordings: `(n,)` names; support and query of a class share no recording where that is
            possible. None ignores recordings.
        n_episodes: number of episodes.
        learning_rate: learning rate of a new optimiser.
        counters: select the random numbers of this call, such as `(iteration,)`.
        augment_support: augment support and queries; otherwise queries alone.
        progress: called with the number of episodes done, as `fine-tuning`.

    Raises:
        InputError: fewer than two classes are large enough for an episode.
        CheckpointError: the images were made with another front end.
    """
    check_store(images, learner)
    sampler = EpisodeSampler(labels, recordings, settings.episodes, rows)
    regime = EpisodicRegime(learner, images, sampler, settings, augment_support=augment_support)
    optimizer = make_optimizer(regime.module, settings.training, learning_rate)
    run_epoch(
        regime,
        OptimizerStep(optimizer, settings.compute),
        n_episodes,
        counters=(int(Purpose.FINE_TUNE), *counters),
        progress=progress,
        stage="fine-tuning",
    )


def make_scheduler(
    optimizer: torch.optim.Optimizer, settings: TrainingSettings
) -> ReduceLROnPlateau:
    """Return the scheduler that reduces the learning rate when epochs stop improving.

    Its metric is `TrainState.best_epoch`, which rises exactly if the epoch is the best so far, so
    that epochs are compared by accuracy and then by loss. `threshold` and `eps` of 0 make every
    improvement and every reduction count.
    """
    return ReduceLROnPlateau(
        optimizer,
        mode="max",
        factor=settings.lr_factor,
        patience=settings.lr_patience,
        threshold=0.0,
        threshold_mode="abs",
        eps=0.0,
    )


def _sampler(images: Store, settings: Settings) -> EpisodeSampler:
    labels = images.rois.labels
    if labels is None:
        raise InputError("None of the ROIs that could be read has a label.")
    return EpisodeSampler(labels, recording_names(images.rois), settings.episodes)


def _validation_episodes(images: Store | None, settings: Settings) -> list[Episode]:
    """Return the validation episodes: the same in every epoch, so that epochs are comparable."""
    if images is None:
        return []
    try:
        sampler = _sampler(images, settings)
    except InputError as error:
        logger.warning("The validation ROIs cannot be used: %s", error)
        return []
    return [
        sampler.sample(numpy_generator(settings.seed, Purpose.VALIDATION, number))
        for number in range(settings.training.validation_episodes)
    ]


def _initial_report(
    images: Store | None, learner: Learner, episodes: Sequence[Episode], compute: ComputeSettings
) -> EpochReport | None:
    """Return the figures before training, so that training never makes the learner worse."""
    if not episodes:
        return None
    start = time.perf_counter()
    learner.eval()
    loss, accuracy = _validate(images, learner, episodes, compute)
    seconds = time.perf_counter() - start
    return EpochReport(0, math.nan, math.nan, loss, accuracy, 0.0, math.nan, seconds)


def _validate(
    images: Store | None, learner: Learner, episodes: Sequence[Episode], compute: ComputeSettings
) -> tuple[float, float]:
    """Return mean loss and accuracy over the episodes; NaN without any."""
    if images is None or not episodes:
        return math.nan, math.nan
    group = current_process_group()
    shard = [episodes[i] for i in group.shard(len(episodes))]
    scores = score_episodes(images, learner, shard, compute)
    figures = group.all_gather([(score.loss, score.accuracy) for score in scores])
    loss, accuracy = np.mean(figures, axis=0)
    return float(loss), float(accuracy)


def _is_finished(state: TrainState, settings: TrainingSettings) -> bool:
    if state.epoch >= settings.epochs:
        return True
    return state.epoch - state.best_epoch >= settings.early_stopping_patience


def _restore(
    state: TrainState,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: ReduceLROnPlateau,
) -> None:
    """Load the state of a training to resume."""
    if state.epoch > 0:
        module.load_state_dict({**module.state_dict(), **state.head})
        optimizer.load_state_dict(state.optimizer)
        scheduler.load_state_dict(state.scheduler)


def _update(
    state: TrainState,
    report: EpochReport,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: ReduceLROnPlateau,
) -> None:
    """Add an epoch to the state: keep the weights of the best one, and step the scheduler."""
    state.epoch = report.epoch
    state.reports.append(report)
    state.head = {k: v for k, v in module.state_dict().items() if k.startswith("head.")}
    if state.best_report is report:
        state.best_weights = copy.deepcopy(state.learner.state_dict())
    scheduler.step(state.best_epoch)
    state.optimizer = optimizer.state_dict()
    state.scheduler = scheduler.state_dict()


def _summary(report: EpochReport) -> str:
    text = f"loss {report.train_loss:.3g}, accuracy {report.train_accuracy:.3f}"
    if not math.isnan(report.validation_accuracy):
        text += f", validation accuracy {report.validation_accuracy:.3f}"
    return f"{text}, {report.images_per_s:.0f} images/s"

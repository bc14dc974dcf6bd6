"""The MEC loop on a store of images: embed, cluster, fine-tune on pseudo-labels, again."""

import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from math import ceil, isnan

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.constraints import NOTHING_SAID, Groups, impose
from darksound.cluster.embedding import Embed, embed
from darksound.cluster.iteration import Iteration, describe
from darksound.cluster.merging import merge_confused
from darksound.cluster.normalise import without_background
from darksound.cluster.notes import Notebook, Stopwatch
from darksound.cluster.pseudo_labels import PseudoLabels, pseudo_labels
from darksound.cluster.state import MecState, Outcome, weights_of
from darksound.cluster.structure import find_clusters
from darksound.errors import CheckpointError, RunError
from darksound.meta.features import settle
from darksound.meta.learners import Learner
from darksound.meta.splits import recording_names
from darksound.meta.training import fine_tune
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.store.contract import Store

__all__ = ["OnIteration", "run_loop"]

Vectors = npt.NDArray[np.float32]
logger = logging.getLogger(__name__)

#: Called after each iteration with its figures and all that is needed to go on from there.
OnIteration = Callable[[Iteration, MecState], None]


def run_loop(
    images: Store,
    learner: Learner,
    settings: Settings,
    *,
    progress: Progress = silent,
    on_iteration: OnIteration | None = None,
    resume: MecState | None = None,
    truth: Groups = NOTHING_SAID,
    embedding: Embed = embed,
) -> MecState:
    """Iterate until the settings' number of fine-tunings, agreement, or nothing to learn from.

    Nothing but the state passes from one iteration to the next, so that a loop resumed from the
    state of any iteration ends with the same labels. The learner itself is not changed. What is
    known of ROIs (`truth`, see `impose`) holds in every iteration, and so of its pseudo-labels.
    Something may take the place of `embed` (`embedding`) that gives the same.

    Returns:
        The last state; its last note says why the loop ended early, where it did.

    Raises:
        CheckpointError: the learner as given embeds ROIs as something that is no number.
        RunError: `resume` is of other ROIs or another learner.
    """
    network = deepcopy(learner)
    settle(network, images)
    total = settings.mec.iterations + 1
    progress("iteration", 0, total)
    if resume is None:
        state = _begin(network, images, settings, progress, truth, embedding)
        _tell(state, settings, total, on_iteration, progress)
    else:
        state = _checked(resume, network, images)
        progress("iteration", len(state.iterations), total)
    first = _first_embeddings(state, network, images, settings, embedding)
    while len(state.iterations) < total and (why := _finished(state, settings)) is None:
        before = len(state.iterations)
        state = _advance(state, network, images, settings, progress, truth, first, embedding)
        if len(state.iterations) > before:
            _tell(state, settings, total, on_iteration, progress)
    if len(state.iterations) < total:
        state = _with_note(state, why or "")
        progress("iteration", total, total)
    return state


def _begin(
    network: Learner,
    images: Store,
    settings: Settings,
    progress: Progress,
    truth: Groups,
    embedding: Embed,
) -> MecState:
    watch = Stopwatch()
    notes = Notebook()
    weights = weights_of(network)
    with watch.timing("embed_s"):
        embeddings = embedding(network, images, settings, progress)
    if not np.isfinite(embeddings).all():
        raise CheckpointError(
            "The learner embeds ROIs as values that are not finite; its weights are broken. "
            "Use another checkpoint."
        )
    clustering = _grouped(network, images, embeddings, settings, notes, progress, truth, watch)
    figures = describe(0, embeddings, clustering, None, images.rois.labels, settings, watch)
    outcome = Outcome(0, weights, embeddings, clustering)
    return MecState((figures,), outcome, outcome, weights, notes.sentences)


def _advance(
    state: MecState,
    network: Learner,
    images: Store,
    settings: Settings,
    progress: Progress,
    truth: Groups,
    first: Vectors,
    embedding: Embed,
) -> MecState:
    """One fine-tuning and what is found after it; without progress where it fails."""
    watch = Stopwatch()
    number = len(state.iterations)
    notes = Notebook(state.notes)
    network.load_state_dict(state.first_weights if settings.mec.restart else state.last.weights)
    with watch.timing("fine_tune_s"):
        _learn(network, images, _next_labels(state, settings), number, settings, progress)
    with watch.timing("embed_s"):
        embeddings = embedding(network, images, settings, progress)
    if not np.isfinite(embeddings).all():
        return replace(
            state,
            ended=f"Fine-tuning {number} left the learner with weights that are not finite; the "
            f"loop ends there. Lower mec.learning_rate (now {settings.mec.learning_rate:g}).",
        )
    if settings.mec.background:
        known = state.last.clustering.labels
        embeddings = without_background(embeddings, known, recording_names(images.rois))
    clustering = _grouped(network, images, embeddings, settings, notes, progress, truth, watch)
    figures = describe(
        number,
        first if settings.mec.validity_embeddings == "first" else embeddings,
        clustering,
        state.last.clustering,
        images.rois.labels,
        settings,
        watch,
    )
    outcome = Outcome(number, weights_of(network), embeddings, clustering)
    return state.followed_by(figures, outcome, notes.sentences, settings.mec.selection_criterion)


def _first_embeddings(
    state: MecState, network: Learner, images: Store, settings: Settings, embedding: Embed
) -> Vectors:
    """Embeddings `(n, dim)` of the learner as it was given, asked for again on resuming."""
    if not state.last.iteration:
        return state.last.embeddings
    network.load_state_dict(state.first_weights)
    return embedding(network, images, settings, silent)


def _source(state: MecState, settings: Settings) -> Outcome:
    return state.best if settings.mec.labels_from == "best" else state.last


def _next_labels(state: MecState, settings: Settings) -> PseudoLabels:
    return pseudo_labels(_source(state, settings).clustering, settings)


def _grouped(
    network: Learner,
    images: Store,
    embeddings: Vectors,
    settings: Settings,
    notes: Notebook,
    progress: Progress,
    truth: Groups,
    watch: Stopwatch,
) -> Clustering:
    """What the clusterer finds, what the learner confuses made one, and what is known laid over."""
    found = find_clusters(embeddings, settings, notes, progress, watch)
    if settings.mec.merge > 0:
        found = merge_confused(network, images, found, settings)
    return impose(found, truth)


def _learn(
    network: Learner,
    images: Store,
    pseudo: PseudoLabels,
    number: int,
    settings: Settings,
    progress: Progress,
) -> None:
    logger.info(
        "Fine-tuning %d on %d core members of %d clusters, %d-way %d-shot with %d queries.",
        number,
        pseudo.rows.size,
        pseudo.n_clusters,
        pseudo.episodes.n_way,
        pseudo.episodes.n_shot,
        pseudo.episodes.n_query,
    )
    fine_tune(
        network,
        images,
        pseudo.rows,
        pseudo.labels,
        recording_names(images.rois)[pseudo.rows],
        _of_fine_tuning(settings, pseudo),
        tasks=_tasks(settings, pseudo),
        learning_rate=settings.mec.learning_rate,
        support_as_it_is=settings.mec.augmented == "queries",
        key=(number,),
        progress=progress,
    )


def _tasks(settings: Settings, pseudo: PseudoLabels) -> int:
    if settings.mec.epochs == 0:
        return settings.mec.n_episodes
    episodes = pseudo.episodes
    drawn = episodes.n_way * (episodes.n_shot + episodes.n_query)
    return min(settings.mec.n_episodes, ceil(settings.mec.epochs * pseudo.rows.size / drawn))


def _of_fine_tuning(settings: Settings, pseudo: PseudoLabels) -> Settings:
    alters = settings.augmentation.enabled and settings.mec.augmented != "none"
    augmentation = settings.augmentation.model_copy(update={"enabled": alters})
    training = settings.training.model_copy(
        update={"head_lr_multiplier": settings.mec.head_lr_multiplier}
    )
    return settings.model_copy(
        update={"episodes": pseudo.episodes, "augmentation": augmentation, "training": training}
    )


def _finished(state: MecState, settings: Settings) -> str | None:
    """Why no further iteration is worth its time, from the state alone."""
    figures = state.iterations[-1]
    if state.ended is not None:
        return state.ended
    usable = _next_labels(state, settings).n_clusters
    if usable < 2:
        found = state.iterations[_source(state, settings).iteration]
        return (
            f"Iteration {found.iteration} found {found.n_clusters} cluster(s), {usable} of "
            "them with enough sure members to learn from; fine-tuning needs two, so the loop "
            "ends there."
        )
    if not isnan(figures.ami_previous) and figures.ami_previous >= settings.mec.converged_ami:
        return (
            f"Iteration {figures.iteration} agrees with the one before (AMI "
            f"{figures.ami_previous:.3f}); the loop has converged."
        )
    stale = figures.iteration - state.kept
    if settings.mec.patience is not None and stale >= settings.mec.patience:
        return (
            f"No iteration after number {state.kept} was better by mec.selection_criterion "
            f"({settings.mec.selection_criterion}) in {stale} of them; the loop ends there."
        )
    return None


def _checked(state: MecState, network: Learner, images: Store) -> MecState:
    n = len(state.last.clustering.labels)
    if n != len(images):
        raise RunError(
            f"The run to resume is of {n} ROIs, and the data now hold {len(images)}; resume with "
            "the same data, or start a new run."
        )
    ours = {name: value.shape for name, value in network.state_dict().items()}
    if ours != {name: value.shape for name, value in state.first_weights.items()}:
        raise RunError(
            "The run to resume was begun with a learner of another kind; resume with the same "
            "checkpoint, or start a new run."
        )
    return state


def _with_note(state: MecState, sentence: str) -> MecState:
    notes = Notebook(state.notes)
    notes(sentence, logging.INFO)
    return replace(state, notes=notes.sentences)


def _tell(
    state: MecState,
    settings: Settings,
    total: int,
    on_iteration: OnIteration | None,
    progress: Progress,
) -> None:
    figures = state.iterations[-1]
    values = {
        name: value
        for name, value in figures.as_row().items()
        if name in ("n_clusters", "coverage", "dbcv", "ami_all") and not isnan(value)
    }
    logger.info(
        "Iteration %d: %s, %.1f s.",
        figures.iteration,
        ", ".join(f"{name} {value:.3g}" for name, value in values.items()),
        figures.seconds,
    )
    progress("iteration", figures.iteration + 1, total, values)
    if on_iteration is not None:
        on_iteration(figures, state)

"""The MEC loop on a store of images: embed, cluster, fine-tune on pseudo-labels, again."""

import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from math import isnan
from time import perf_counter

import numpy as np

from darksound.cluster.embedding import embed
from darksound.cluster.iteration import Iteration, describe
from darksound.cluster.notes import Notebook
from darksound.cluster.pseudo import PseudoLabels, pseudo_labels
from darksound.cluster.state import MecState, Outcome, weights_of
from darksound.cluster.structure import find_clusters
from darksound.data.images import ImageStore
from darksound.errors import CheckpointError, RunError
from darksound.meta.fine_tune import fine_tune
from darksound.meta.holdout import recording_names
from darksound.meta.learners import Learner
from darksound.progress import Progress, silent
from darksound.settings import Settings

__all__ = ["OnIteration", "run_loop"]

_LOG = logging.getLogger(__name__)

#: Called after each iteration with its figures and all that is needed to go on from there.
OnIteration = Callable[[Iteration, MecState], None]


def run_loop(
    images: ImageStore,
    learner: Learner,
    settings: Settings,
    *,
    progress: Progress = silent,
    on_iteration: OnIteration | None = None,
    resume: MecState | None = None,
) -> MecState:
    """Iterate until the settings' number of fine-tunings, agreement, or nothing to learn from.

    Nothing but the state passes from one iteration to the next, so that a loop resumed from the
    state of any iteration ends with the same labels. The learner itself is not changed.

    Returns:
        The last state; its last note says why the loop ended early, where it did.

    Raises:
        CheckpointError: the learner as given embeds ROIs as something that is no number.
        RunError: `resume` is of other ROIs or another learner.
    """
    network = deepcopy(learner)
    total = settings.mec.iterations + 1
    progress("iteration", 0, total)
    if resume is None:
        state = _begin(network, images, settings, progress)
        _tell(state, settings, total, on_iteration, progress)
    else:
        state = _checked(resume, network, images)
        progress("iteration", len(state.iterations), total)
    while len(state.iterations) < total and (why := _finished(state, settings)) is None:
        before = len(state.iterations)
        state = _advance(state, network, images, settings, progress)
        if len(state.iterations) > before:
            _tell(state, settings, total, on_iteration, progress)
    if len(state.iterations) < total:
        state = _with_note(state, why or "")
        progress("iteration", total, total)
    return state


def _begin(
    network: Learner, images: ImageStore, settings: Settings, progress: Progress
) -> MecState:
    began = perf_counter()
    notes = Notebook()
    weights = weights_of(network)
    embeddings = embed(network, images, settings, progress)
    if not np.isfinite(embeddings).all():
        raise CheckpointError(
            "The learner embeds ROIs as values that are not finite; its weights are broken. "
            "Use another checkpoint."
        )
    clustering = find_clusters(embeddings, settings, notes, progress)
    figures = describe(
        0, embeddings, clustering, None, images.rois.labels, settings, perf_counter() - began
    )
    outcome = Outcome(0, weights, embeddings, clustering)
    return MecState((figures,), outcome, outcome, weights, notes.sentences)


def _advance(
    state: MecState, network: Learner, images: ImageStore, settings: Settings, progress: Progress
) -> MecState:
    """One fine-tuning and what is found after it; without progress where it fails."""
    began = perf_counter()
    number = len(state.iterations)
    notes = Notebook(state.notes)
    network.load_state_dict(state.first_weights if settings.mec.restart else state.last.weights)
    _learn(
        network, images, pseudo_labels(state.last.clustering, settings), number, settings, progress
    )
    embeddings = embed(network, images, settings, progress)
    if not np.isfinite(embeddings).all():
        return replace(
            state,
            ended=f"Fine-tuning {number} left the learner with weights that are not finite; the "
            f"loop ends there. Lower mec.learning_rate (now {settings.mec.learning_rate:g}).",
        )
    clustering = find_clusters(embeddings, settings, notes, progress)
    figures = describe(
        number,
        embeddings,
        clustering,
        state.last.clustering,
        images.rois.labels,
        settings,
        perf_counter() - began,
    )
    outcome = Outcome(number, weights_of(network), embeddings, clustering)
    return state.followed_by(figures, outcome, notes.sentences, settings.mec.keep_by)


def _learn(
    network: Learner,
    images: ImageStore,
    pseudo: PseudoLabels,
    number: int,
    settings: Settings,
    progress: Progress,
) -> None:
    _LOG.info(
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
        settings.model_copy(update={"episodes": pseudo.episodes}),
        tasks=settings.mec.tasks,
        learning_rate=settings.mec.learning_rate,
        key=(number,),
        progress=progress,
    )


def _finished(state: MecState, settings: Settings) -> str | None:
    """Why no further iteration is worth its time, from the state alone."""
    figures = state.iterations[-1]
    if state.ended is not None:
        return state.ended
    usable = pseudo_labels(state.last.clustering, settings).n_clusters
    if usable < 2:
        return (
            f"Iteration {figures.iteration} found {figures.n_clusters} cluster(s), {usable} of "
            "them with enough sure members to learn from; fine-tuning needs two, so the loop "
            "ends there."
        )
    if not isnan(figures.ami_previous) and figures.ami_previous >= settings.mec.converged_ami:
        return (
            f"Iteration {figures.iteration} agrees with the one before (AMI "
            f"{figures.ami_previous:.3f}); the loop has converged."
        )
    return None


def _checked(state: MecState, network: Learner, images: ImageStore) -> MecState:
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
    _LOG.info(
        "Iteration %d: %s, %.1f s.",
        figures.iteration,
        ", ".join(f"{name} {value:.3g}" for name, value in values.items()),
        figures.seconds,
    )
    progress("iteration", figures.iteration + 1, total, values)
    if on_iteration is not None:
        on_iteration(figures, state)

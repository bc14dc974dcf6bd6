"""The MEC loop on a store of images: embed, cluster, fine-tune on pseudo-labels, repeat."""

import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from math import ceil, isnan

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.embedding import EmbeddingFunction, check_finite, embed
from darksound.cluster.estimators import FitPredict, FitTransform
from darksound.cluster.iteration import Iteration, describe
from darksound.cluster.levels import find_levels
from darksound.cluster.merging import merge_confused
from darksound.cluster.normalise import subtract_recording_offsets
from darksound.cluster.notes import DimensionChoice, Notes, Stopwatch
from darksound.cluster.pseudo_labels import (
    NO_CONSTRAINTS,
    PseudoLabels,
    ReviewedGroups,
    apply_constraints,
    pseudo_labels,
)
from darksound.cluster.state import MecState, Snapshot, copy_weights
from darksound.cluster.structure import check_methods, find_clusters
from darksound.errors import RunError
from darksound.meta.episodes import recording_names
from darksound.meta.features import fit_backbone
from darksound.meta.learners.base import Learner
from darksound.meta.training import fine_tune
from darksound.parallel.threads import single_threaded
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.store.contract import Store

__all__ = ["MecLoop", "OnIteration"]

Vectors = npt.NDArray[np.float32]
logger = logging.getLogger(__name__)

#: Called after each iteration with its metrics and the state to resume from.
OnIteration = Callable[[Iteration, MecState], None]

# Metrics of an iteration that are logged and shown beside the progress.
_REPORTED_METRICS = ("n_clusters", "n_superclusters", "coverage", "dbcv", "ami_all")


class MecLoop:
    """Embed, cluster and fine-tune, until a stopping criterion holds.

    Only the state passes from one iteration to the next, so that a loop that is resumed from the
    state of any iteration ends with the same labels. The learner itself is not changed.

    Args:
        images: of the ROIs, made with the learner's front end.
        learner: the initial learner.
        settings: of all stages.
        constraints: `(n,)` on the clusters of every iteration, see `apply_constraints`.
        reducer: an object with `fit_transform`, in place of `reduction.method`.
        clusterer: an object with `fit_predict`, in place of `clustering.method`.
        embedding_function: `embed`, or a function with the same result.
        progress: called with the progress of each stage.

    Raises:
        SettingsError: the reducer or the clusterer is unknown, or its parameters do not fit.
    """

    def __init__(
        self,
        images: Store,
        learner: Learner,
        settings: Settings,
        *,
        constraints: ReviewedGroups = NO_CONSTRAINTS,
        reducer: FitTransform | None = None,
        clusterer: FitPredict | None = None,
        embedding_function: EmbeddingFunction = embed,
        progress: Progress = silent,
    ) -> None:
        check_methods(settings, reducer=reducer, clusterer=clusterer)
        self._images, self._settings, self._mec = images, settings, settings.mec
        self._network = deepcopy(learner)
        self._constraints = constraints
        self._reducer, self._clusterer = reducer, clusterer
        self._embedding_function = embedding_function
        self._progress = progress
        self._recordings = recording_names(images.rois)
        self._labels = images.rois.compared_labels
        self._initial: Vectors | None = None
        # With the first iteration, which has no fine-tuning.
        self._max_iterations = settings.mec.iterations + 1
        fit_backbone(images, self._network)

    @single_threaded()
    def run(
        self, *, resume: MecState | None = None, on_iteration: OnIteration | None = None
    ) -> MecState:
        """Iterate until a stopping criterion holds, and return the last state.

        The criteria are the largest number of fine-tunings, agreement with the previous iteration,
        `mec.patience`, and fewer than two clusters with enough core members. If the loop ends
        early, the last note says why.

        Args:
            resume: a state that `on_iteration` was called with.
            on_iteration: called after each iteration.

        Raises:
            CheckpointError: embeddings of the initial learner are not finite.
            RunError: `resume` is a state of other ROIs or of another learner.
        """
        self._progress("iteration", 0, self._max_iterations)
        if resume is None:
            state = self._first_iteration()
            self._report(state, on_iteration)
        else:
            self._check_resumable(resume)
            state = resume
            self._progress("iteration", len(state.iterations), self._max_iterations)
        initial_embeddings = self._initial = self._initial_embeddings(state)
        reason = None
        while len(state.iterations) < self._max_iterations:
            reason = self._stop_reason(state)
            if reason is not None:
                break
            n_before = len(state.iterations)
            state = self._next_iteration(state, initial_embeddings)
            if len(state.iterations) > n_before:
                self._report(state, on_iteration)
        if reason is not None:
            notes = Notes(state.notes)
            notes(reason, logging.INFO)
            state = replace(state, notes=notes.sentences)
            self._progress("iteration", self._max_iterations, self._max_iterations)
        return state

    @property
    def initial_embeddings(self) -> Vectors:
        """Return the embeddings `(n, dim)` of the initial learner, after `run`."""
        assert self._initial is not None  # set by `run`
        return self._initial

    def _first_iteration(self) -> MecState:
        watch, notes = Stopwatch(), Notes()
        weights = copy_weights(self._network)
        with watch.timing("embed_s"):
            embeddings = check_finite(self._embed())
        clustering, n_components = self._cluster(embeddings, notes, watch)
        iteration = describe(
            embeddings, clustering, self._settings, labels=self._labels, watch=watch
        )
        levels = find_levels(clustering, embeddings, self._settings.reduction)
        iteration = replace(
            iteration, n_components=n_components, n_superclusters=levels.n_superclusters
        )
        snapshot = Snapshot(0, weights, embeddings, clustering)
        return MecState((iteration,), snapshot, snapshot, weights, notes.sentences)

    def _next_iteration(self, state: MecState, initial_embeddings: Vectors) -> MecState:
        """Return the state after one more iteration, or with `ended` if fine-tuning failed."""
        watch, notes = Stopwatch(), Notes(state.notes)
        number = len(state.iterations)
        start = state.first_weights if self._mec.restart else state.last.weights
        self._network.load_state_dict(start)
        with watch.timing("fine_tune_s"):
            self._fine_tune(self._next_labels(state), number)
        with watch.timing("embed_s"):
            embeddings = self._embed()
        if not np.isfinite(embeddings).all():
            return replace(
                state,
                ended=f"Weights after fine-tuning {number} are not finite; the loop ends there. "
                f"Lower mec.learning_rate (now {self._mec.learning_rate:g}).",
            )
        if self._mec.remove_recording_offset:
            embeddings = subtract_recording_offsets(
                embeddings, state.last.clustering.labels, self._recordings
            )
        clustering, n_components = self._cluster(embeddings, notes, watch)
        in_initial = self._mec.validity_embeddings == "initial"
        iteration = describe(
            initial_embeddings if in_initial else embeddings,
            clustering,
            self._settings,
            iteration=number,
            previous=state.last.clustering,
            labels=self._labels,
            watch=watch,
        )
        levels = find_levels(clustering, embeddings, self._settings.reduction)
        iteration = replace(
            iteration, n_components=n_components, n_superclusters=levels.n_superclusters
        )
        snapshot = Snapshot(number, copy_weights(self._network), embeddings, clustering)
        return state.with_iteration(iteration, snapshot, notes.sentences, self._mec)

    def _embed(self, progress: Progress | None = None) -> Vectors:
        progress = self._progress if progress is None else progress
        return self._embedding_function(self._images, self._network, self._settings, progress)

    def _initial_embeddings(self, state: MecState) -> Vectors:
        """Return the embeddings `(n, dim)` of the initial learner; a resumed loop repeats them."""
        if not state.last.iteration:
            return state.last.embeddings
        self._network.load_state_dict(state.first_weights)
        return self._embed(silent)

    def _cluster(
        self, embeddings: Vectors, notes: Notes, watch: Stopwatch
    ) -> tuple[Clustering, int | None]:
        """Return the clusters, and the dimensions after reduction if several were compared."""
        choices: list[DimensionChoice] = []
        clustering = find_clusters(
            embeddings,
            self._settings,
            reducer=self._reducer,
            clusterer=self._clusterer,
            note=notes,
            progress=self._progress,
            watch=watch,
            on_choice=choices.append,
        )
        for choice in choices:
            notes(choice.sentence, logging.INFO)
        if self._mec.merge_threshold > 0:
            clustering = merge_confused(
                self._images,
                self._network,
                clustering,
                self._settings.compute,
                threshold=self._mec.merge_threshold,
            )
        n_components = choices[0].n_components if choices else None
        return apply_constraints(clustering, self._constraints, embeddings), n_components

    def _next_labels(self, state: MecState) -> PseudoLabels:
        clustering = self._label_source(state).clustering
        return pseudo_labels(clustering, self._settings.episodes, self._mec.min_probability)

    def _label_source(self, state: MecState) -> Snapshot:
        return state.best if self._mec.labels_from == "best" else state.last

    def _fine_tune(self, labels: PseudoLabels, number: int) -> None:
        logger.info(
            "Fine-tuning %d on %d core members of %d clusters, %d-way %d-shot with %d queries.",
            number,
            labels.rows.size,
            labels.n_clusters,
            labels.episodes.n_way,
            labels.episodes.n_shot,
            labels.episodes.n_query,
        )
        fine_tune(
            self._images,
            labels.labels,
            self._network,
            self._fine_tuning_settings(labels),
            rows=labels.rows,
            recordings=self._recordings[labels.rows],
            n_episodes=self._n_episodes(labels),
            learning_rate=self._mec.learning_rate,
            counters=(number,),
            augment_support=self._mec.augmented_rois != "queries",
            progress=self._progress,
        )

    def _n_episodes(self, labels: PseudoLabels) -> int:
        if self._mec.epochs == 0:
            return self._mec.n_episodes
        episode = labels.episodes
        rois_per_episode = episode.n_way * (episode.n_shot + episode.n_query)
        for_epochs = ceil(self._mec.epochs * labels.rows.size / rois_per_episode)
        return min(self._mec.n_episodes, for_epochs)

    def _fine_tuning_settings(self, labels: PseudoLabels) -> Settings:
        augments = self._settings.augmentation.enabled and self._mec.augmented_rois != "none"
        return self._settings.replace(
            episodes=labels.episodes,
            augmentation={"enabled": augments},
            training={"head_lr_multiplier": self._mec.head_lr_multiplier},
        )

    def _stop_reason(self, state: MecState) -> str | None:
        """Return why the loop ends, from the state alone; None if it continues."""
        if state.ended is not None:
            return state.ended
        last = state.iterations[-1]
        n_usable = self._next_labels(state).n_clusters
        if n_usable < 2:
            source = state.iterations[self._label_source(state).iteration]
            return (
                f"Iteration {source.iteration} has {source.n_clusters} cluster(s), {n_usable} of "
                "them with enough core members for episodes; fine-tuning needs two, so the loop "
                "ends there."
            )
        limit = self._mec.converged_ami
        if limit != "never" and not isnan(last.ami_previous) and last.ami_previous >= limit:
            return (
                f"Iteration {last.iteration} agrees with the previous one (AMI "
                f"{last.ami_previous:.3f}); the loop has converged."
            )
        n_stale = last.iteration - state.kept
        if self._mec.patience is not None and n_stale >= self._mec.patience:
            return (
                f"No iteration after number {state.kept} was better by mec.selection_criterion "
                f"({self._mec.selection_criterion}) in {n_stale} of them; the loop ends there."
            )
        return None

    def _check_resumable(self, state: MecState) -> None:
        n = len(state.last.clustering.labels)
        if n != len(self._images):
            raise RunError(
                f"The run to resume has {n} ROIs, and the data now have {len(self._images)}; "
                "resume with the same data, or start a new run."
            )
        shapes = {name: value.shape for name, value in self._network.state_dict().items()}
        if shapes != {name: value.shape for name, value in state.first_weights.items()}:
            raise RunError(
                "The run to resume began with a learner of another kind; resume with the same "
                "checkpoint, or start a new run."
            )

    def _report(self, state: MecState, on_iteration: OnIteration | None) -> None:
        """Log the last iteration and call the callbacks."""
        iteration = state.iterations[-1]
        values = {
            name: value
            for name, value in iteration.as_row().items()
            if name in _REPORTED_METRICS and not isnan(value)
        }
        logger.info(
            "Iteration %d: %s, %.1f s.",
            iteration.iteration,
            ", ".join(f"{name} {value:.3g}" for name, value in values.items()),
            iteration.seconds,
        )
        self._progress("iteration", iteration.iteration + 1, self._max_iterations, values)
        if on_iteration is not None:
            on_iteration(iteration, state)

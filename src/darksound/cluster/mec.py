"""Meta-Embedded Clustering (MEC) of ROIs with a learner."""

from copy import deepcopy

import numpy as np

from darksound.cluster.assign import assign_noise
from darksound.cluster.embedding import EmbeddingFunction, embed
from darksound.cluster.estimators import FitPredict, FitTransform, record_estimators
from darksound.cluster.intervals import cluster_stability, with_type_count
from darksound.cluster.iteration import iteration_table
from darksound.cluster.levels import find_levels
from darksound.cluster.loop import MecLoop, OnIteration
from darksound.cluster.maps import map_coordinates, map_method
from darksound.cluster.notes import Notes
from darksound.cluster.pseudo_labels import NO_CONSTRAINTS
from darksound.cluster.result import MecOutcome, cluster_table
from darksound.cluster.stability import resampling_units
from darksound.cluster.state import MecState
from darksound.cluster.structure import check_methods
from darksound.errors import InputError
from darksound.meta.episodes import recording_names
from darksound.meta.learners.base import Learner
from darksound.parallel.threads import single_threaded
from darksound.progress import Progress, silent
from darksound.rois.review import Review
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings, adopt_checkpoint
from darksound.store.building import build_store
from darksound.store.contract import Store

__all__ = ["mec", "mec_on_images"]


def mec(
    rois: RoiSet,
    learner: Learner,
    settings: Settings | None = None,
    *,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
    review: Review | None = None,
    resume: MecState | None = None,
    on_iteration: OnIteration | None = None,
    embedding_function: EmbeddingFunction = embed,
    progress: Progress = silent,
) -> MecOutcome:
    """Cluster ROIs into call types (Poutaraud et al. 2024, doi 10.1016/j.ecoinf.2024.102687).

    Each iteration embeds all ROIs, reduces and clusters the embeddings, and fine-tunes the learner
    on few-shot episodes of the core members of the clusters. The iteration to keep is chosen
    without labels; labels are only used to report metrics.

    Args:
        rois: ROIs to cluster; those that cannot be read are left out and listed as problems.
        learner: the initial learner; it is not changed.
        settings: of all stages; front end, backbone and learner are the learner's. The default
            settings if None.
        reducer: an object with `fit_transform` as in scikit-learn, in place of `reduction.method`;
            it is copied before it is fitted.
        clusterer: an object with `fit_predict` as in scikit-learn, in place of
            `clustering.method`; it is copied before it is fitted. Negative labels are noise.
            Membership probabilities are its attribute `probabilities_`, 1 without it.
        review: of the clusters of an earlier run. Rejected ROIs are left out, and the other
            reviewed ROIs are constraints on the clusters of every iteration.
        resume: a state that `on_iteration` was called with; with the same ROIs, learner and
            settings, the result is the same as without the stop.
        on_iteration: called after each iteration with its metrics and the state to resume from.
        embedding_function: `embed`, or a function with the same result, such as
            `ResumableEmbedding`.
        progress: called with the progress of each stage.

    Raises:
        InputError: there are no ROIs, or none that can be read, or the review is of other ROIs.
        CheckpointError: the learner's weights are damaged.
        SettingsError: a setting is not possible or contradicts the learner's, or the reducer or
            the clusterer cannot be used.
        RunError: `resume` is a state of another run.
    """
    if not len(rois):
        raise InputError("There are no ROIs to cluster; check the data source.")
    if review is not None:
        rois = review.without_rejected(rois)
    adopted = adopt_checkpoint(settings or Settings(), learner.settings)
    check_methods(adopted, reducer=reducer, clusterer=clusterer)
    versions = adopted.augmentation.versions if adopted.mec.iterations else 0
    images = build_store(rois, adopted, progress, versions=versions, windows=True)
    return mec_on_images(
        images,
        learner,
        adopted,
        reducer=reducer,
        clusterer=clusterer,
        review=review,
        resume=resume,
        on_iteration=on_iteration,
        embedding_function=embedding_function,
        progress=progress,
    )


@single_threaded()
def mec_on_images(
    images: Store,
    learner: Learner,
    settings: Settings,
    *,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
    review: Review | None = None,
    resume: MecState | None = None,
    on_iteration: OnIteration | None = None,
    embedding_function: EmbeddingFunction = embed,
    progress: Progress = silent,
) -> MecOutcome:
    """Run `mec` on images of the learner's front end, without the ROIs that a review rejects.

    Args:
        images: of the ROIs.
        learner, settings and the others: see `mec`.

    Raises:
        CheckpointError, SettingsError, RunError: see `mec`.
        InputError: the review is of other ROIs.
    """
    table = images.rois.table
    constraints = NO_CONSTRAINTS if review is None else review.constraints(table["roi_id"])
    loop = MecLoop(
        images,
        learner,
        settings,
        constraints=constraints,
        reducer=reducer,
        clusterer=clusterer,
        embedding_function=embedding_function,
        progress=progress,
    )
    state = loop.run(resume=resume, on_iteration=on_iteration)
    best = state.best
    network = deepcopy(learner)
    network.load_state_dict(best.weights)
    notes = Notes(state.notes)
    if best.clustering.n_clusters < 2 and best.clustering.coverage < 1:
        notes("Noise ROIs were assigned to no cluster, since fewer than two clusters were found.")
    assignment = assign_noise(images, network, best.clustering, settings, progress)
    progress("map", 0, 1)
    used = record_estimators(settings, reducer, clusterer)
    method = map_method(used, len(images))
    mapped = [best.embeddings, loop.initial_embeddings] if state.kept else [best.embeddings]
    maps = map_coordinates(mapped, method, settings.reduction, settings.seed)
    progress("map", 1, 1)
    stability = cluster_stability(
        best.embeddings,
        best.clustering,
        resampling_units(recording_names(images.rois), table["start_s"].to_numpy(np.float64)),
        settings,
        constraints=constraints,
        reducer=reducer,
        clusterer=clusterer,
        note=notes,
        progress=progress,
    )
    levels = find_levels(best.clustering, best.embeddings, settings.reduction)
    return MecOutcome(
        rois=images.rois,
        clusters=cluster_table(
            images.rois,
            best.clustering,
            assignment,
            maps[0],
            levels,
            None if stability is None else stability.per_cluster,
        ),
        iterations=with_type_count(
            iteration_table(state.iterations, state.kept),
            None if stability is None else stability.types,
        ),
        embeddings=best.embeddings,
        map_before=maps[1] if state.kept else None,
        map_method=method,
        kept=state.kept,
        learner=network,
        settings=used,
        notes=notes.sentences,
        tree=levels.tree,
    )

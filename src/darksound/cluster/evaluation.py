"""Evaluation of a learner on labelled ROIs: few-shot episodes, and clusters of its embeddings."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.embedding import check_finite, embed
from darksound.cluster.estimators import FitPredict, FitTransform
from darksound.cluster.iteration import Iteration, describe
from darksound.cluster.notes import Notes, Stages
from darksound.cluster.structure import check_methods, find_clusters
from darksound.errors import InputError
from darksound.meta.evaluation import FewShot, evaluate_few_shot
from darksound.meta.learners.base import Learner
from darksound.meta.weights import check_finite as check_weights
from darksound.parallel.threads import single_threaded
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings, adopt_checkpoint
from darksound.store.building import build_store
from darksound.store.contract import Store

__all__ = ["Evaluation", "evaluate", "evaluate_on_images"]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a learner on labelled ROIs; rows of arrays are rows of `rois`.

    Attributes:
        rois: the ROIs that could be read.
        few_shot: accuracy over few-shot episodes, confusion matrix and metrics of each class.
        clusters: metrics of the clusters of the embeddings, with labels.
        clustering: the clusters.
        embeddings: `(n, dim)`.
        notes: sentences on settings that had to be changed.
        images: the images, or vectors, of `rois` that the learner was evaluated on.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(
        ...     evaluation={"n_episodes": 20, "folds": 2}, reduction={"method": "pca"}
        ... )
        >>> scores = ds.evaluate("demo:val", settings=settings)
        >>> scores.few_shot.confusion.shape
        (10, 10)
        >>> scores.table["figure"].tolist()[:4]
        ['accuracy', 'n_clusters', 'coverage', 'dbcv']
    """

    rois: RoiSet
    few_shot: FewShot
    clusters: Iteration
    clustering: Clustering
    embeddings: npt.NDArray[np.float32]
    notes: tuple[str, ...]
    images: Store = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return all metrics as plain values, with classes and confusion matrix."""
        few_shot = self.few_shot
        return {
            "few_shot": {
                "n_way": few_shot.n_way,
                "n_shot": few_shot.n_shot,
                "n_query": few_shot.n_query,
                "n_episodes": few_shot.n_episodes,
                "accuracy": few_shot.accuracy,
                "interval_95": few_shot.interval,
                "folds": few_shot.folds.tolist(),
                "classes": few_shot.classes.reset_index(names="class").to_dict("records"),
                "confusion": few_shot.confusion.to_numpy().tolist(),
            },
            "clusters": _cluster_metrics(self.clusters),
            "notes": list(self.notes),
        }

    @property
    def table(self) -> pd.DataFrame:
        """Return one row per metric: `figure`, `value`, and `interval_95` or NaN."""
        rows = [("accuracy", self.few_shot.accuracy, self.few_shot.interval)]
        metrics = _cluster_metrics(self.clusters)
        rows += [(name, value, float("nan")) for name, value in metrics.items()]
        return pd.DataFrame(rows, columns=["figure", "value", "interval_95"])


def evaluate(
    rois: RoiSet,
    learner: Learner,
    settings: Settings | None = None,
    *,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Evaluate a learner on labelled ROIs that it was not trained on.

    Args:
        rois: with labels.
        learner: in any mode; its weights are not changed.
        settings: of evaluation, reduction, clustering, compute and seed; front end, backbone and
            learner are the learner's. The learner's settings if None.
        reducer: an object with `fit_transform`, in place of `reduction.method`.
        clusterer: an object with `fit_predict`, in place of `clustering.method`.
        progress: called with the progress of each stage.

    Raises:
        InputError: no labels, too few ROIs per class for an episode, or no ROI that can be read.
        SettingsError: a setting is not possible or contradicts the learner's, or the reducer or
            the clusterer cannot be used.
    """
    if rois.labels is None:
        raise InputError(
            "None of these ROIs has a label, so there is nothing to evaluate against; use `mec` "
            "to cluster ROIs without labels."
        )
    adopted = learner.settings if settings is None else adopt_checkpoint(settings, learner.settings)
    check_methods(adopted, reducer=reducer, clusterer=clusterer)
    images = build_store(rois, adopted, progress, windows=True)
    return evaluate_on_images(
        images, learner, adopted, reducer=reducer, clusterer=clusterer, progress=progress
    )


@single_threaded()
def evaluate_on_images(
    images: Store,
    learner: Learner,
    settings: Settings,
    *,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Run `evaluate` on images of the learner's front end.

    Args:
        images: of the ROIs, with labels.
        learner, settings and the others: see `evaluate`.

    Raises:
        InputError: no labels, or too few ROIs per class for an episode.
        CheckpointError: weights or embeddings of the learner are not finite.
    """
    check_weights(learner.state_dict(), "The learner")
    evaluation = settings.evaluation
    sizes = evaluation.model_dump(include={"n_way", "n_shot", "n_query"})
    few_shot = evaluate_few_shot(
        images,
        learner,
        settings.replace(episodes=sizes),
        n_episodes=max(1, evaluation.n_episodes // evaluation.folds),
        folds=evaluation.folds,
        progress=progress,
    )
    embeddings = check_finite(embed(images, learner, settings, progress))
    notes = Notes()
    clustering = find_clusters(
        embeddings,
        settings,
        reducer=reducer,
        clusterer=clusterer,
        note=notes,
        progress=progress,
    )
    metrics = describe(embeddings, clustering, settings, labels=images.rois.labels)
    return Evaluation(
        images.rois, few_shot, metrics, clustering, embeddings, notes.sentences, images
    )


def _cluster_metrics(clusters: Iteration) -> dict[str, float]:
    """Return the metrics that a clustering without an earlier iteration has."""
    of_loop = {"iteration", "ami_previous", "seconds", *(field.name for field in fields(Stages))}
    return {name: value for name, value in clusters.as_row().items() if name not in of_loop}

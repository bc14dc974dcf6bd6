"""How good a learner is on labelled ROIs: few-shot tasks, and the clusters of its embeddings."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.embedding import embed
from darksound.cluster.iteration import Iteration, describe
from darksound.cluster.notes import Notebook, Stages, Stopwatch
from darksound.cluster.structure import find_clusters
from darksound.errors import InputError
from darksound.meta.evaluation import FewShot, evaluate_few_shot
from darksound.meta.learners import Learner
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings, adopt
from darksound.store.building import build_store
from darksound.store.contract import Store

__all__ = ["Evaluation", "evaluate", "evaluate_on_images"]


@dataclass(frozen=True)
class Evaluation:
    """A learner judged on labelled ROIs; rows of arrays are rows of `rois`.

    Attributes:
        rois: the ROIs that could be used.
        few_shot: accuracy over tasks, and what it is made of.
        clusters: figures of the clustering of the embeddings, with label metrics.
        clustering: the clusters themselves.
        embeddings: `(n, dim)`.
        notes: sentences on what was done differently from what was asked.
    """

    rois: RoiSet
    few_shot: FewShot
    clusters: Iteration
    clustering: Clustering
    embeddings: npt.NDArray[np.float32]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The figures as plain values, classes and confusion matrix included."""
        few = self.few_shot
        return {
            "few_shot": {
                "n_way": few.n_way,
                "n_shot": few.n_shot,
                "n_query": few.n_query,
                "tasks": few.tasks,
                "accuracy": few.accuracy,
                "interval_95": few.interval,
                "folds": few.folds.tolist(),
                "classes": few.classes.reset_index(names="class").to_dict("records"),
                "confusion": few.confusion.to_numpy().tolist(),
            },
            "clusters": _figures(self.clusters),
            "notes": list(self.notes),
        }

    def table(self) -> pd.DataFrame:
        """One row a figure: `figure`, `value`, and `interval_95` where there is one."""
        rows = [("accuracy", self.few_shot.accuracy, self.few_shot.interval)]
        rows += [(name, value, float("nan")) for name, value in _figures(self.clusters).items()]
        return pd.DataFrame(rows, columns=["figure", "value", "interval_95"])


def evaluate(
    learner: Learner,
    rois: RoiSet,
    settings: Settings | None = None,
    *,
    progress: Progress = silent,
) -> Evaluation:
    """Judge a learner on labelled ROIs that it was not trained on.

    Args:
        learner: in whatever mode; its weights are not changed.
        rois: with labels.
        settings: evaluation, reduction, clustering, compute and seed; front end, backbone and
            learner are the learner's own. The learner's settings where None.
        progress: called as work goes on.

    Raises:
        InputError: no labels, too few ROIs a class for a task, or no ROI that can be read.
        SettingsError: a setting is impossible or contradicts the learner's.
    """
    if rois.labels is None:
        raise InputError(
            "None of these ROIs has a label, so there is nothing to evaluate against; `mec` "
            "groups ROIs without labels."
        )
    ours = learner.settings if settings is None else adopt(settings, learner.settings)
    images = build_store(rois, ours, progress)
    return evaluate_on_images(learner, images, ours, progress=progress)


def evaluate_on_images(
    learner: Learner,
    images: Store,
    settings: Settings,
    *,
    progress: Progress = silent,
) -> Evaluation:
    """`evaluate` on images that are there already, made with the learner's front end.

    Raises:
        InputError: no labels, or too few ROIs a class for a task.
    """
    wanted = settings.evaluation
    sizes = wanted.model_dump(include={"n_way", "n_shot", "n_query"})
    few_shot = evaluate_few_shot(
        learner,
        images,
        settings.model_copy(update={"episodes": settings.episodes.model_copy(update=sizes)}),
        tasks=max(1, wanted.n_episodes // wanted.folds),
        folds=wanted.folds,
        progress=progress,
    )
    embeddings = embed(learner, images, settings, progress)
    notes = Notebook()
    clustering = find_clusters(embeddings, settings, notes, progress)
    figures = describe(0, embeddings, clustering, None, images.rois.labels, settings, Stopwatch())
    return Evaluation(images.rois, few_shot, figures, clustering, embeddings, notes.sentences)


def _figures(clusters: Iteration) -> dict[str, float]:
    """Figures that a single clustering has."""
    row = clusters.as_row()
    others = {"iteration", "ami_previous", "seconds", *(field.name for field in fields(Stages))}
    return {k: v for k, v in row.items() if k not in others}

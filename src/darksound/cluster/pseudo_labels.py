"""Pseudo-labels: the ROIs that the clusterer is sure of, and episodes that fit them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.metrics import NOISE
from darksound.settings import EpisodeSettings, Settings

__all__ = ["PseudoLabels", "core_members", "episodes_for", "pseudo_labels", "strongest_members"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PseudoLabels:
    """What a fine-tuning learns from.

    Attributes:
        rows: `(m,)` the core members of the clusters that are large enough, ascending.
        labels: `(m,)` their clusters.
        episodes: sizes of an episode that these clusters can fill.
    """

    rows: Ints
    labels: Ints
    episodes: EpisodeSettings

    @property
    def n_clusters(self) -> int:
        """How many clusters take part."""
        return int(np.unique(self.labels).size)


def core_members(clustering: Clustering, min_probability: float) -> Ints:
    """Rows `(m,)` in a cluster with at least this probability, ascending."""
    sure = (clustering.labels != NOISE) & (clustering.probability >= min_probability)
    return np.flatnonzero(sure)


def strongest_members(clustering: Clustering, at_most: int) -> Ints:
    """Rows `(m,)` of each cluster's most probable members, by cluster and falling probability.

    Ties go to the row that comes first.
    """
    inside = np.flatnonzero(clustering.labels != NOISE)
    order = inside[np.lexsort((inside, -clustering.probability[inside], clustering.labels[inside]))]
    labels = clustering.labels[order]
    rank = np.arange(order.size) - np.searchsorted(labels, labels)
    return order[rank < at_most]


def episodes_for(sizes: Ints, settings: EpisodeSettings) -> EpisodeSettings:
    """Episodes that three quarters of classes of these sizes `(k,)` can fill.

    Clusters are often smaller than the classes a learner was trained on. Shots and queries
    shrink together, in their proportion, until the first quartile of the sizes holds both;
    never below one of each. `n_way` is capped at the number of classes that can then take part.
    """
    wanted = settings.n_shot + settings.n_query
    quartile = int(np.quantile(sizes, 0.25, method="lower")) if sizes.size else 0
    total = max(2, min(wanted, quartile))
    n_shot = min(total - 1, max(1, round(total * settings.n_shot / wanted)))
    usable = int(np.sum(sizes >= total))
    return settings.model_copy(
        update={
            "n_way": max(2, min(settings.n_way, usable)),
            "n_shot": n_shot,
            "n_query": total - n_shot,
        }
    )


def pseudo_labels(clustering: Clustering, settings: Settings) -> PseudoLabels:
    """The core members of all clusters that can fill an episode, possibly none."""
    rows = core_members(clustering, settings.mec.min_probability)
    labels = clustering.labels[rows]
    sizes = np.bincount(labels, minlength=clustering.n_clusters)
    if settings.episodes.max_per_class != "all":
        sizes = np.minimum(sizes, settings.episodes.max_per_class)
    episodes = episodes_for(sizes[sizes >= 2], settings.episodes)
    fills = sizes[labels] >= episodes.n_shot + episodes.n_query
    return PseudoLabels(rows[fills], labels[fills], episodes)

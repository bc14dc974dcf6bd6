"""Pseudo-labels: core members of clusters, episodes that they fill, and constraints of a review."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from darksound.cluster.clusterers.base import Clustering, number_by_size
from darksound.cluster.metrics import NOISE
from darksound.cluster.normalise import normalise
from darksound.settings import EpisodeSettings

__all__ = [
    "NO_CONSTRAINTS",
    "PseudoLabels",
    "ReviewedGroups",
    "apply_constraints",
    "core_members",
    "fit_episodes",
    "most_probable_members",
    "pseudo_labels",
]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PseudoLabels:
    """The classes of a fine-tuning.

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
        """Return the number of clusters with pseudo-labels."""
        return int(np.unique(self.labels).size)


def core_members(clustering: Clustering, min_probability: float) -> Ints:
    """Return the rows `(m,)` in a cluster with at least this probability, ascending."""
    is_core = (clustering.labels != NOISE) & (clustering.probability >= min_probability)
    return np.flatnonzero(is_core)


def most_probable_members(clustering: Clustering, max_per_cluster: int) -> Ints:
    """Return the rows `(m,)` of each cluster's most probable members.

    They are sorted by cluster, then by descending probability, then by row.
    """
    inside = np.flatnonzero(clustering.labels != NOISE)
    order = inside[np.lexsort((inside, -clustering.probability[inside], clustering.labels[inside]))]
    labels = clustering.labels[order]
    rank = np.arange(order.size) - np.searchsorted(labels, labels)
    return order[rank < max_per_cluster]


def fit_episodes(sizes: Ints, settings: EpisodeSettings) -> EpisodeSettings:
    """Return episode sizes that three quarters of classes of these sizes `(k,)` can fill.

    Clusters are often smaller than the classes that a learner was trained on. `n_shot` and
    `n_query` are lowered in proportion until the first quartile of the sizes is as large as their
    sum; never below one each. `n_way` is at most the number of classes that are then large enough.
    """
    n_wanted = settings.n_shot + settings.n_query
    quartile = int(np.quantile(sizes, 0.25, method="lower")) if sizes.size else 0
    total = max(2, min(n_wanted, quartile))
    n_shot = min(total - 1, max(1, round(total * settings.n_shot / n_wanted)))
    n_large_enough = int(np.sum(sizes >= total))
    return settings.replace(
        n_way=max(2, min(settings.n_way, n_large_enough)),
        n_shot=n_shot,
        n_query=total - n_shot,
    )


def pseudo_labels(
    clustering: Clustering, settings: EpisodeSettings, min_probability: float
) -> PseudoLabels:
    """Return the core members of all clusters that can fill an episode, possibly none."""
    rows = core_members(clustering, min_probability)
    labels = clustering.labels[rows]
    sizes = np.bincount(labels, minlength=clustering.n_clusters)
    if settings.max_per_class != "all":
        sizes = np.minimum(sizes, settings.max_per_class)
    episodes = fit_episodes(sizes[sizes >= 2], settings)
    is_large_enough = sizes[labels] >= episodes.n_shot + episodes.n_query
    return PseudoLabels(rows[is_large_enough], labels[is_large_enough], episodes)


#: Reviewed group `(n,)` of each ROI, -1 for ROIs that were not reviewed.
ReviewedGroups = Ints
#: No ROI was reviewed.
NO_CONSTRAINTS: ReviewedGroups = np.zeros(0, dtype=np.int64)


def apply_constraints(
    clustering: Clustering,
    groups: ReviewedGroups,
    embeddings: npt.NDArray[np.floating] | None = None,
) -> Clustering:
    """Return the clustering in which each reviewed group is in one cluster, no two in the same.

    Groups and clusters are matched one to one so that most ROIs keep their cluster (Kuhn 1955).
    ROIs without a group keep their cluster; of a cluster in which most ROIs of several groups are,
    such as one that was split, they go with the group whose mean embedding is nearest. A group
    without a match becomes a new cluster of persistence 0. ROIs of a group have membership
    probability 1. Clusters that lose all their ROIs are removed.

    Args:
        clustering: of n ROIs.
        groups: `(n,)`, or `NO_CONSTRAINTS`.
        embeddings: `(n, dim)`; None: ROIs without a group keep their cluster in any case.
    """
    rows = np.flatnonzero(groups >= 0)
    if not rows.size:
        return clustering
    names, group_of = np.unique(groups[rows], return_inverse=True)
    shared = _shared_rois(clustering, rows, group_of, len(names))
    cluster_of = _match_clusters(shared)
    labels, probability = clustering.labels.copy(), clustering.probability.copy()
    if embeddings is not None:
        for cluster, inside in _homes(shared):
            free = np.flatnonzero((clustering.labels == cluster) & (groups < 0))
            means = [embeddings[rows[group_of == group]] for group in inside]
            labels[free] = cluster_of[inside[_nearest_mean(embeddings[free], means)]]
    labels[rows] = cluster_of[group_of]
    probability[rows] = 1.0
    persistence = np.concatenate([clustering.persistence, np.zeros(len(names))])
    constrained = replace(
        clustering, labels=labels, probability=probability, persistence=persistence
    )
    return number_by_size(_without_empty(constrained))


def _shared_rois(clustering: Clustering, rows: Ints, group_of: Ints, n_groups: int) -> Ints:
    """Return how many ROIs each group `(g, k)` has in each cluster."""
    shared = np.zeros((n_groups, clustering.n_clusters), dtype=np.int64)
    labels = clustering.labels[rows]
    inside = labels != NOISE
    np.add.at(shared, (group_of[inside], labels[inside]), 1)
    return shared


def _homes(shared: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield the clusters in which several groups have most of their ROIs, with these groups."""
    home = np.full(len(shared), NOISE)
    if shared.size:
        home = np.where(shared.max(axis=1) > 0, shared.argmax(axis=1), NOISE)
    numbers, counts = np.unique(home[home != NOISE], return_counts=True)
    for cluster in numbers[counts > 1].tolist():
        yield cluster, np.flatnonzero(home == cluster)


def _nearest_mean(x: npt.NDArray[np.floating], parts: Sequence[npt.NDArray[np.floating]]) -> Ints:
    """Return the part `(m,)` whose mean is nearest to each vector `(m, dim)`, at unit length."""
    vectors = normalise(np.asarray(x, np.float32), "l2")
    means = np.stack([normalise(np.asarray(part, np.float32), "l2").mean(axis=0) for part in parts])
    squares = (means**2).sum(axis=1) - 2 * vectors @ means.T
    nearest: Ints = np.argmin(squares, axis=1)
    return nearest


def _match_clusters(shared: Ints) -> Ints:
    """Return the cluster `(g,)` of each group; new clusters get the numbers after the old ones."""
    n_groups, n_clusters = shared.shape
    cluster_of: Ints = n_clusters + np.arange(n_groups)
    matched_groups, matched_clusters = linear_sum_assignment(-shared)
    overlap = shared[matched_groups, matched_clusters] > 0
    cluster_of[matched_groups[overlap]] = matched_clusters[overlap]
    return cluster_of


def _without_empty(clustering: Clustering) -> Clustering:
    """Return the clusters that have ROIs, numbered without gaps."""
    inside = clustering.labels != NOISE
    present = np.unique(clustering.labels[inside])
    labels = clustering.labels.copy()
    labels[inside] = np.searchsorted(present, labels[inside])
    return replace(clustering, labels=labels, persistence=clustering.persistence[present])

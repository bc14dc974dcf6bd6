"""Constraints on clusters that a review fixes: must-link within a group, cannot-link between."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from darksound.cluster.clusterers.base import Clustering, number_by_size
from darksound.cluster.metrics import NOISE

__all__ = ["NO_CONSTRAINTS", "ReviewedGroups", "apply_constraints"]

Ints = npt.NDArray[np.int64]

#: Reviewed group `(n,)` of each ROI, -1 for ROIs that were not reviewed.
ReviewedGroups = Ints
#: No ROI was reviewed.
NO_CONSTRAINTS: ReviewedGroups = np.zeros(0, dtype=np.int64)


def apply_constraints(clustering: Clustering, groups: ReviewedGroups) -> Clustering:
    """Return the clustering in which each reviewed group is in one cluster, no two in the same.

    Groups and clusters are matched one to one so that most ROIs keep their cluster (Kuhn 1955).
    ROIs without a group keep their cluster. A group without a match becomes a new cluster of
    persistence 0. ROIs of a group have membership probability 1. Clusters that lose all their ROIs
    are removed.

    Args:
        clustering: of n ROIs.
        groups: `(n,)`, or `NO_CONSTRAINTS`.
    """
    rows = np.flatnonzero(groups >= 0)
    if not rows.size:
        return clustering
    names, group_of = np.unique(groups[rows], return_inverse=True)
    cluster_of = _match_clusters(clustering, rows, group_of, len(names))
    labels, probability = clustering.labels.copy(), clustering.probability.copy()
    labels[rows] = cluster_of[group_of]
    probability[rows] = 1.0
    persistence = np.concatenate([clustering.persistence, np.zeros(len(names))])
    constrained = Clustering(labels, probability, clustering.outlier_score, persistence)
    return number_by_size(_without_empty(constrained))


def _match_clusters(clustering: Clustering, rows: Ints, group_of: Ints, n_groups: int) -> Ints:
    """Return the cluster `(g,)` of each group; new clusters get the numbers after the old ones."""
    shared = np.zeros((n_groups, clustering.n_clusters), dtype=np.int64)
    labels = clustering.labels[rows]
    inside = labels != NOISE
    np.add.at(shared, (group_of[inside], labels[inside]), 1)
    cluster_of = clustering.n_clusters + np.arange(n_groups)
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
    return Clustering(
        labels, clustering.probability, clustering.outlier_score, clustering.persistence[present]
    )

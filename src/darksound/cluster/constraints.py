"""What a person said of ROIs, laid over what the clusterer found."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from darksound.cluster.clusterers.base import Clustering, in_order
from darksound.cluster.metrics import NOISE

__all__ = ["NOTHING_SAID", "Groups", "impose"]

Ints = npt.NDArray[np.int64]

#: Group `(n,)` of each ROI, -1 for those of which nobody said anything.
Groups = Ints
#: Nobody said anything of any ROI.
NOTHING_SAID: Groups = np.zeros(0, dtype=np.int64)


def impose(found: Clustering, groups: Groups) -> Clustering:
    """The clustering in which ROIs of one group share one cluster, and of two groups never.

    Groups and clusters are matched one to one so that most ROIs stay where they were (Kuhn 1955);
    ROIs of no group stay in their cluster, and a group without a match is a cluster of its own, of
    persistence 0. ROIs of a group belong to their cluster for sure. Clusters that lost all their
    ROIs are gone.

    Args:
        found: of n ROIs.
        groups: `(n,)`, or `NOTHING_SAID`.
    """
    said = np.flatnonzero(groups >= 0)
    if not said.size:
        return found
    names, group_of = np.unique(groups[said], return_inverse=True)
    own = _clusters_of(found, said, group_of, len(names))
    labels, probability = found.labels.copy(), found.probability.copy()
    labels[said] = own[group_of]
    probability[said] = 1.0
    persistence = np.concatenate([found.persistence, np.zeros(len(names))])
    return in_order(_dense(Clustering(labels, probability, found.outlier_score, persistence)))


def _clusters_of(found: Clustering, said: Ints, group_of: Ints, n_groups: int) -> Ints:
    """Number `(g,)` of the cluster that each group gets; new ones follow those that were found."""
    shared = np.zeros((n_groups, found.n_clusters), dtype=np.int64)
    inside = found.labels[said] != NOISE
    np.add.at(shared, (group_of[inside], found.labels[said][inside]), 1)
    own = found.n_clusters + np.arange(n_groups)
    rows, columns = linear_sum_assignment(-shared)
    matched = shared[rows, columns] > 0
    own[rows[matched]] = columns[matched]
    return own


def _dense(clustering: Clustering) -> Clustering:
    """The clusters that have ROIs, numbered without gaps."""
    present = np.unique(clustering.labels[clustering.labels != NOISE])
    inside = clustering.labels != NOISE
    labels = clustering.labels.copy()
    labels[inside] = np.searchsorted(present, labels[inside])
    return Clustering(
        labels, clustering.probability, clustering.outlier_score, clustering.persistence[present]
    )

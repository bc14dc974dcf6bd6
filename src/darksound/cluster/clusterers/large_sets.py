"""Clusters of sets that are too large for all pairwise distances."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.clusterers.micro_clusters import condense, micro_means, nearest_rows
from darksound.cluster.metrics import NOISE
from darksound.cluster.reducers.sample import sample_rows

__all__ = ["MIN_MICRO_CLUSTERS", "ClusterWhole", "cluster_large_set", "micro_clusters"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Clusters vectors `(m, d)` whole, given the smallest number of them in a cluster.
ClusterWhole = Callable[[Floats, int], Clustering]

# ROIs for each micro-cluster, at most; of more ROIs a sample is condensed.
_MAX_RATIO = 8
#: Fewest micro-clusters in a cluster; how many ROIs these must have is known afterwards only.
MIN_MICRO_CLUSTERS = 2
# If more of the ROIs are rejected, the next clustering would reject about the same ones.
_MAX_REJECTED = 0.9


def cluster_large_set(
    x: Floats, size: int, min_size: int, seed: int, cluster_whole: ClusterWhole
) -> Clustering:
    """Return clusters of vectors `(n, d)`, n above `size`, in any numbering.

    ROIs are condensed to `size` micro-clusters, whose means are clustered whole. Above 8 * `size`
    ROIs a stratified sample is condensed, and each other ROI belongs to the micro-cluster of its
    nearest neighbour in the sample. ROIs of micro-clusters in no cluster, and of clusters with
    fewer than `min_size` ROIs, are rejected and clustered again by themselves, as long as there are
    fewer of them each time. Those that are rejected last are noise.

    The probability and the outlier score of a ROI are those of its micro-cluster.

    Args:
        x: vectors.
        size: largest number of vectors that are clustered whole, at least 8.
        min_size: smallest number of ROIs in a cluster.
        seed: of samples.
        cluster_whole: clusters `size` vectors at most.
    """
    n = len(x)
    labels = np.full(n, NOISE)
    probability, outlier_score = np.zeros(n), np.zeros(n)
    persistence: list[Floats] = []
    n_clusters, rows = 0, np.arange(n)
    while True:
        is_last = len(rows) <= size
        part = x if len(rows) == n else x[rows]
        if (part == part[0]).all():
            found = Clustering.one_cluster(len(part))
        elif is_last:
            found = cluster_whole(part, min_size)
        else:
            found = _cluster_condensed(part, size, seed, cluster_whole)
        found = _without_small_clusters(found, min_size)
        outlier_score[rows] = found.outlier_score
        clustered = found.labels != NOISE
        labels[rows[clustered]] = found.labels[clustered] + n_clusters
        probability[rows[clustered]] = found.probability[clustered]
        persistence.append(found.persistence)
        n_clusters += found.n_clusters
        n_before, rows = len(rows), rows[~clustered]
        is_stuck = len(rows) < 2 * min_size or len(rows) > _MAX_REJECTED * n_before
        if is_last or is_stuck:
            return Clustering(labels, probability, outlier_score, np.concatenate(persistence))


def micro_clusters(x: Floats, size: int, seed: int) -> tuple[Ints, Floats]:
    """Return the micro-cluster `(n,)` of vectors `(n, d)`, n above `size`, and the means `(m, d)`.

    Above 8 * `size` vectors a stratified sample is condensed, see `cluster_large_set`.
    """
    if len(x) <= _MAX_RATIO * size:
        micro = condense(x, size)
        return micro, micro_means(x, micro)
    sample = sample_rows(x.astype(np.float32), _MAX_RATIO * size, seed)
    micro_of_sample = condense(x[sample], size)
    means = micro_means(x[sample], micro_of_sample)
    micro = micro_of_sample[nearest_rows(x, x[sample], 1)[:, 0]]
    micro[sample] = micro_of_sample
    return micro, means


def _cluster_condensed(x: Floats, size: int, seed: int, cluster_whole: ClusterWhole) -> Clustering:
    """Return clusters `(n,)` of vectors `(n, d)` by those of `size` micro-clusters."""
    micro, means = micro_clusters(x, size, seed)
    found = cluster_whole(means, MIN_MICRO_CLUSTERS)
    return Clustering(
        found.labels[micro],
        found.probability[micro],
        found.outlier_score[micro],
        found.persistence,
    )


def _without_small_clusters(clustering: Clustering, min_size: int) -> Clustering:
    """Return the clustering with ROIs of clusters of fewer than `min_size` as noise."""
    labels = clustering.labels
    sizes = np.bincount(labels[labels != NOISE], minlength=clustering.n_clusters)
    large = np.flatnonzero(sizes >= min_size)
    # The last entry is that of noise.
    number = np.full(clustering.n_clusters + 1, NOISE)
    number[large] = np.arange(large.size)
    new_labels = number[labels]
    probability = np.where(new_labels == NOISE, 0.0, clustering.probability)
    return Clustering(
        new_labels, probability, clustering.outlier_score, clustering.persistence[large]
    )

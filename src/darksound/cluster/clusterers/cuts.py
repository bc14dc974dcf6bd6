"""Cuts of an average-linkage tree into clusters, and their scores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist, squareform

from darksound.cluster.clusterers.neighbour_graph import graph_distances, mean_one
from darksound.cluster.levels import ScoredCuts
from darksound.settings import ClusteringSettings

__all__ = [
    "Cut",
    "cut_starts",
    "merge_heights",
    "metric_distances",
    "scored_cuts",
    "tree_distances",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# All cuts into up to `_ALL_CUTS` groups are tried; above, each has 3 % more groups than the last.
_ALL_CUTS, _STEP = 100, 1.03
# Exponent of the silhouette in the score. Between 1.5 and 4 it chooses about the same cuts of real
# ROIs; lower ones split clusters, higher ones merge them.
_SILHOUETTE_POWER = 3.0
# Below this mean silhouette, members of a group are hardly closer to each other than to others.
_MIN_SILHOUETTE = 0.05


@dataclass(frozen=True)
class Cut:
    """Groups of n ROIs; each is a range of consecutive leaves of the tree.

    Attributes:
        starts: `(k + 1,)` first leaf of each group, and n.
        group: `(n,)` group of each leaf.
        means: `(n, k)` mean distance of each leaf to the members of each group, without itself.
        is_cluster: `(k,)` whether a group is large enough.
    """

    starts: Ints
    group: Ints
    means: Floats
    is_cluster: npt.NDArray[np.bool_]

    @classmethod
    def from_starts(cls, distances: Floats, starts: Ints, min_size: int) -> "Cut":
        """Return the cut with groups that begin at `starts` `(k + 1,)`.

        Args:
            distances: `(n, n)` between leaves, in their order.
            starts: first leaf of each group, and n.
            min_size: smallest size of a cluster.
        """
        return cls.from_sums(np.add.reduceat(distances, starts[:-1], axis=1), starts, min_size)

    @classmethod
    def from_sums(cls, sums: Floats, starts: Ints, min_size: int) -> "Cut":
        """Return the cut with groups that begin at `starts` `(k + 1,)`.

        Args:
            sums: `(n, k)` sum of the distances of each leaf to the members of each group.
            starts: first leaf of each group, and n.
            min_size: smallest size of a cluster.
        """
        sizes = np.diff(starts)
        group = np.repeat(np.arange(len(sizes)), sizes)
        counts = np.broadcast_to(sizes, sums.shape).copy()
        counts[np.arange(len(group)), group] -= 1
        return cls(starts, group, sums / np.maximum(counts, 1), sizes >= min_size)

    def silhouettes(self) -> Floats:
        """Return the silhouette of each leaf `(n,)`, 0 in groups that are too small."""
        rows = np.arange(len(self.group))
        within, means = self.means[rows, self.group], self.means.copy()
        means[rows, self.group] = np.inf
        between = means.min(axis=1)
        larger = np.maximum(within, between)
        silhouettes = np.divide(between - within, larger, out=0 * larger, where=larger > 0)
        in_clusters: Floats = np.where(self.is_cluster[self.group], silhouettes, 0)
        return in_clusters

    def score(self) -> float:
        """Return S^3 H, see `AverageLinkage`; 0 if the mean silhouette S is at most 0.05."""
        silhouette = float(self.silhouettes().mean())
        share = np.diff(self.starts)[self.is_cluster] / len(self.group)
        entropy = -float((share * np.log2(share)).sum())
        return silhouette**_SILHOUETTE_POWER * entropy if silhouette > _MIN_SILHOUETTE else 0.0

    def outlier_scores(self) -> Floats:
        """Return the outlier score of each leaf `(n,)` with respect to its nearest cluster."""
        means = self.means[:, self.is_cluster]
        nearest = means.argmin(axis=1)
        numbers = np.flatnonzero(self.is_cluster)
        spread = np.array([self.means[self.group == k, k].mean() for k in numbers])
        distance = means[np.arange(len(means)), nearest]
        ratio = np.divide(spread[nearest], distance, out=np.ones_like(distance), where=distance > 0)
        scores: Floats = 1 - np.minimum(ratio, 1)
        return scores


def metric_distances(x: Floats, settings: ClusteringSettings) -> Floats:
    """Return the distances of `clustering.metric` between vectors `(n, k)`, condensed."""
    # The cosine distance of a zero vector is undefined; 1 is that of orthogonal vectors.
    distances: Floats = np.nan_to_num(pdist(x, settings.metric), nan=1.0)
    return distances


def tree_distances(condensed: Floats, settings: ClusteringSettings) -> Floats:
    """Return the distances by which ROIs are merged, from those of the metric; both condensed."""
    if settings.graph_weight == 0:
        return condensed
    distances = condensed**2 if settings.metric == "euclidean" else condensed
    in_graph = graph_distances(squareform(condensed))
    return mean_one(distances) + settings.graph_weight * in_graph


def scored_cuts(cuts: Iterable[Cut]) -> ScoredCuts:
    """Return the scores and numbers of clusters of cuts."""
    rows = [(cut.score(), int(cut.is_cluster.sum())) for cut in cuts]
    return ScoredCuts(*np.array(rows, dtype=np.float64).reshape(-1, 2).T)


def merge_heights(tree: Floats, order: Ints) -> Floats:
    """Return the height `(n - 1,)` at which each leaf is merged with the next one."""
    n = len(order)
    heights = np.empty(n - 1)
    # Position of the last leaf of each node; the first n nodes are single ROIs.
    last_leaf = np.empty(2 * n - 1, dtype=np.int64)
    last_leaf[order] = np.arange(n)
    for number, (a, b, height) in enumerate(tree[:, :3], start=n):
        left, last_leaf[number] = sorted((last_leaf[int(a)], last_leaf[int(b)]))
        heights[left] = height
    return heights


def cut_starts(heights: Floats) -> Iterator[Ints]:
    """Yield the first leaves of the groups, and n, of each cut into 2 to n / 2 groups."""
    n = len(heights) + 1
    # The highest merges are cut first, the first of equal ones first.
    boundaries = np.argsort(-heights, kind="stable") + 1
    n_groups = 2
    while n_groups <= n // 2:
        yield np.concatenate([[0], np.sort(boundaries[: n_groups - 1]), [n]])
        n_groups = max(n_groups + 1, round(n_groups * _STEP) if n_groups > _ALL_CUTS else 0)

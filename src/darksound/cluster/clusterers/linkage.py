"""Average linkage of embeddings and their graph, cut by silhouette and entropy."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist, squareform

from darksound.cluster.clusterers.base import Clustering, refuse_changed_settings
from darksound.cluster.clusterers.large_sets import cluster_large_set
from darksound.cluster.clusterers.neighbour_graph import graph_distances, mean_one
from darksound.cluster.levels import ScoredCuts, choose_cut
from darksound.cluster.metrics import NOISE
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["AverageLinkage", "linked_rois"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_METRICS = ("euclidean", "sqeuclidean", "cosine", "correlation", "cityblock")
# Fewest micro-clusters that large sets are condensed to.
_MIN_SAMPLES = 100
# All cuts into up to `_ALL_CUTS` groups are tried; above, each has 3 % more groups than the last.
_ALL_CUTS, _STEP = 100, 1.03
# Exponent of the silhouette in the score. Between 1.5 and 4 it chooses about the same cuts of real
# ROIs; lower ones split clusters, higher ones merge them.
_SILHOUETTE_POWER = 3.0
# Below this mean silhouette, members of a group are hardly closer to each other than to others.
_MIN_SILHOUETTE = 0.05
# Quantile of a cluster's silhouettes from which the membership probability is 1.
_FULL_MEMBERSHIP = 0.9


@dataclass(frozen=True)
class _Cut:
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
    def from_starts(cls, distances: Floats, starts: Ints, min_size: int) -> "_Cut":
        """Return the cut with groups that begin at `starts` `(k + 1,)`.

        Args:
            distances: `(n, n)` between leaves, in their order.
            starts: first leaf of each group, and n.
            min_size: smallest size of a cluster.
        """
        sizes = np.diff(starts)
        group = np.repeat(np.arange(len(sizes)), sizes)
        sums = np.add.reduceat(distances, starts[:-1], axis=1)
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


def linked_rois(n: int, settings: ClusteringSettings) -> int:
    """Return how many of n ROIs, or micro-clusters of them, are linked by all their distances."""
    largest = settings.max_linkage_samples
    return min(n, max(largest, _MIN_SAMPLES)) if largest else n


class AverageLinkage:
    """Average linkage (Sokal and Michener 1958) of all pairwise distances.

    Groups are merged in the order of the mean distance between their members. Distances are those
    of `clustering.metric` (squared Euclidean ones for `euclidean`), divided by their mean, plus
    `clustering.graph_weight` times those in the graph of nearest neighbours (`graph_distances`);
    with a weight of 0 those of the metric alone. The tree is cut where $S^3 H$ is highest: S is
    the mean silhouette (Rousseeuw 1987, doi 10.1016/0377-0427(87)90125-7) by the metric, H is the
    entropy of the clusters in bits, the sum of p log2(1 / p) over the shares p of ROIs. Groups of
    fewer than `clustering.min_cluster_size` ROIs add 0 to both and are noise. The silhouette alone
    is often highest for a few groups of clusters that lie far apart; the entropy favours finer
    cuts. `clustering.granularity` moves the cut, see `choose_cut`.

    The membership probability is the silhouette of a ROI divided by the 0.9 quantile of its
    cluster, at most 1. The outlier score is 0 for a ROI as near to a cluster as its members are to
    each other, and approaches 1 with distance. The persistence of a cluster is the share of the
    height of its next merge through which it exists.
    """

    needs_reduction = False
    noise_reason = (
        "ROIs are clustered by the mean distances between them (average linkage); groups of fewer "
        "than {size} are noise."
    )
    remedy = "lower clustering.min_cluster_size (now {size})"
    unsupported_settings: Sequence[str] = (
        "min_samples",
        "cluster_selection_method",
        "cluster_selection_epsilon",
        "alpha",
        "allow_single_cluster",
        "max_cluster_size",
        "eps",
    )

    def min_cluster_size(self, settings: ClusteringSettings, n: int) -> int:
        """Return `min_cluster_size`; for `auto`, 0.1 times the root of n, cut off.

        `auto` is at least 3, and at most half of the ROIs: 3 up to 1,599 ROIs, 7 for 5,000. It is
        smaller than HDBSCAN's, because small groups by mean distances are more reliable than small
        groups by density. It is divided by a `granularity` above 1; coarser clusters are merged
        ones, of which small ones stay clusters.
        """
        if settings.min_cluster_size != "auto":
            return settings.min_cluster_size
        size = max(3, int(0.1 * math.sqrt(n)))
        return max(2, min(n // 2, round(size / max(1.0, settings.granularity_factor))))

    def cluster(self, x: Floats, settings: ClusteringSettings, seed: int) -> Clustering:
        """Cluster vectors `(n, k)`; the seed is that of samples of very large sets.

        Above `clustering.max_linkage_samples` vectors, see `cluster_large_set`.

        Raises:
            SettingsError: `clustering.metric` is unknown, or a setting that average linkage does
                not have was changed.
        """
        refuse_changed_settings(settings, "linkage", self.unsupported_settings)
        if settings.metric not in _METRICS:
            raise SettingsError(
                f"clustering.metric is {settings.metric!r}; linkage has {', '.join(_METRICS)}."
            )
        size = linked_rois(len(x), settings)
        if size == len(x):
            return self._cluster_whole(x, settings)

        def cluster_whole(part: Floats, min_size: int) -> Clustering:
            return self._cluster_whole(part, settings.replace(min_cluster_size=min_size))

        smallest = self.min_cluster_size(settings, len(x))
        return cluster_large_set(x, size, smallest, seed, cluster_whole)

    def _cluster_whole(self, x: Floats, settings: ClusteringSettings) -> Clustering:
        """Cluster vectors `(n, k)` by all their pairwise distances."""
        n = len(x)
        min_size = self.min_cluster_size(settings, n)
        # The cosine distance of a zero vector is undefined; 1 is that of orthogonal vectors.
        condensed = np.nan_to_num(pdist(x, settings.metric), nan=1.0)
        tree = linkage(_tree_distances(condensed, settings), "average")
        order = leaves_list(tree).astype(np.int64)
        distances = squareform(condensed)[np.ix_(order, order)]
        heights = _merge_heights(tree, order)
        starts = list(_cuts(heights))
        default_size = self.min_cluster_size(settings.replace(granularity="default"), n)
        scored = {
            size: _scored(_Cut.from_starts(distances, each, size) for each in starts)
            for size in {default_size, min_size}
        }
        granularity = settings.granularity_factor
        chosen = choose_cut(scored[default_size], granularity, scored[min_size])
        if chosen is None:
            return Clustering.all_noise(n)
        best = _Cut.from_starts(distances, starts[chosen], min_size)
        return replace(_clustering(best, order, heights), tree=tree)


def _tree_distances(condensed: Floats, settings: ClusteringSettings) -> Floats:
    """Return the distances by which ROIs are merged, from those of the metric; both condensed."""
    if settings.graph_weight == 0:
        return condensed
    distances = condensed**2 if settings.metric == "euclidean" else condensed
    in_graph = graph_distances(squareform(condensed))
    return mean_one(distances) + settings.graph_weight * in_graph


def _scored(cuts: Iterable[_Cut]) -> ScoredCuts:
    """Return the scores and numbers of clusters of cuts."""
    rows = [(cut.score(), int(cut.is_cluster.sum())) for cut in cuts]
    return ScoredCuts(*np.array(rows, dtype=np.float64).reshape(-1, 2).T)


def _merge_heights(tree: Floats, order: Ints) -> Floats:
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


def _cuts(heights: Floats) -> Iterator[Ints]:
    """Yield the first leaves of the groups, and n, of each cut into 2 to n / 2 groups."""
    n = len(heights) + 1
    # The highest merges are cut first, the first of equal ones first.
    boundaries = np.argsort(-heights, kind="stable") + 1
    n_groups = 2
    while n_groups <= n // 2:
        yield np.concatenate([[0], np.sort(boundaries[: n_groups - 1]), [n]])
        n_groups = max(n_groups + 1, round(n_groups * _STEP) if n_groups > _ALL_CUTS else 0)


def _clustering(cut: _Cut, order: Ints, heights: Floats) -> Clustering:
    """Return the groups that are large enough as clusters of ROIs in their own order."""
    n = len(order)
    labels, probability = np.full(n, NOISE), np.zeros(n)
    persistence: list[float] = []
    silhouettes = cut.silhouettes()
    # Nothing is merged before the first leaf, nor after the last.
    edges = np.concatenate([[np.inf], heights, [np.inf]])
    for number in np.flatnonzero(cut.is_cluster):
        start, stop = cut.starts[number : number + 2]
        members = order[start:stop]
        top = float(np.quantile(silhouettes[start:stop], _FULL_MEMBERSHIP))
        labels[members] = len(persistence)
        probability[members] = np.clip(silhouettes[start:stop] / top, 0, 1) if top > 0 else 0.0
        formed, merged = heights[start : stop - 1].max(), min(edges[start], edges[stop])
        persistence.append(1 - formed / merged if merged > 0 else 0.0)
    outlier_score = np.empty(n)
    outlier_score[order] = cut.outlier_scores()
    return Clustering(labels, probability, outlier_score, np.array(persistence))

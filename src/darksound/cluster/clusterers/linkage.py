"""Average linkage of embeddings and their graph, cut by silhouette and entropy."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from darksound.cluster.clusterers.base import (
    Clustering,
    ClusterSubset,
    refuse_changed_settings,
)
from darksound.cluster.clusterers.cuts import (
    Cut,
    cut_starts,
    merge_heights,
    metric_distances,
    scored_cuts,
    tree_distances,
)
from darksound.cluster.clusterers.large_sets import (
    MIN_MICRO_CLUSTERS,
    cluster_large_set,
    micro_clusters,
)
from darksound.cluster.clusterers.linkage_subsets import LinkageOfSubsets
from darksound.cluster.levels import choose_cut
from darksound.cluster.metrics import NOISE
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["AverageLinkage", "linked_rois"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_METRICS = ("euclidean", "sqeuclidean", "cosine", "correlation", "cityblock")
# Fewest micro-clusters that large sets are condensed to.
_MIN_SAMPLES = 100
# Quantile of a cluster's silhouettes from which the membership probability is 1.
_FULL_MEMBERSHIP = 0.9


def linked_rois(n: int, settings: ClusteringSettings) -> int:
    """Return how many of n ROIs, or micro-clusters of them, are linked by all their distances."""
    largest = settings.max_linkage_samples
    return min(n, max(largest, _MIN_SAMPLES)) if largest else n


class AverageLinkage:
    """Average linkage (Sokal and Michener 1958) of all pairwise distances.

    Groups are merged in the order of the mean distance between their members. Distances are those
    of `clustering.metric` (squared Euclidean ones for `euclidean`), divided by their mean, plus
    `clustering.graph_weight` times those in the graph of nearest neighbours (`graph_distances`);
    with a weight of 0 those of the metric alone. Of the cuts of the tree whose $S^3 H$ is within
    1 % of the highest, the coarsest is used: S is the mean silhouette (Rousseeuw 1987, doi
    10.1016/0377-0427(87)90125-7) by the metric, H is the entropy of the clusters in bits, the sum
    of p log2(1 / p) over the shares p of ROIs. Groups of fewer than `clustering.min_cluster_size`
    ROIs add 0 to both and are noise. The silhouette alone is often highest for a few groups of
    clusters that lie far apart; the entropy favours finer cuts. `clustering.granularity` moves the
    cut, see `choose_cut`.

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

    def of_subsets(
        self, x: Floats, settings: ClusteringSettings, seed: int, n_clusters: int
    ) -> ClusterSubset:
        """Return a function that clusters subsets of vectors `(n, k)` by shared distances.

        Distances in the graph, and the smallest cluster, are those of the whole set. So are the
        micro-clusters of large sets, of which a subset has those of its vectors.
        """
        whole = linked_rois(len(x), settings)
        if whole < len(x):
            micro, means = micro_clusters(x, whole, seed)
            sizes = (MIN_MICRO_CLUSTERS, MIN_MICRO_CLUSTERS)
            of_means = LinkageOfSubsets(means, settings, n_clusters, sizes)

            def cluster_rows(rows: Ints) -> Ints:
                present, at = np.unique(micro[rows], return_inverse=True)
                return of_means(present)[at]

            return cluster_rows
        size = self.min_cluster_size(settings, len(x))
        default_size = self.min_cluster_size(settings.replace(granularity="default"), len(x))
        return LinkageOfSubsets(x, settings, n_clusters, (default_size, size))

    def _cluster_whole(self, x: Floats, settings: ClusteringSettings) -> Clustering:
        """Cluster vectors `(n, k)` by all their pairwise distances."""
        n = len(x)
        min_size = self.min_cluster_size(settings, n)
        condensed = metric_distances(x, settings)
        tree = linkage(tree_distances(condensed, settings), "average")
        order = leaves_list(tree).astype(np.int64)
        distances = squareform(condensed)[np.ix_(order, order)]
        heights = merge_heights(tree, order)
        starts = list(cut_starts(heights))
        default_size = self.min_cluster_size(settings.replace(granularity="default"), n)
        scored = {
            size: scored_cuts(Cut.from_starts(distances, each, size) for each in starts)
            for size in {default_size, min_size}
        }
        granularity = settings.granularity_factor
        chosen = choose_cut(scored[default_size], granularity, scored[min_size])
        if chosen is None:
            return Clustering.all_noise(n)
        best = Cut.from_starts(distances, starts[chosen], min_size)
        return replace(_clustering(best, order, heights), tree=tree)


def _clustering(cut: Cut, order: Ints, heights: Floats) -> Clustering:
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

"""Average linkage of many subsets of one set, by distances that are computed once."""

from collections.abc import Iterator
from itertools import takewhile

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from darksound.cluster.clusterers.cuts import (
    Cut,
    cut_starts,
    merge_heights,
    metric_distances,
    scored_cuts,
    tree_distances,
)
from darksound.cluster.levels import choose_cut
from darksound.cluster.metrics import NOISE
from darksound.settings import ClusteringSettings

__all__ = ["LinkageOfSubsets"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Fewer cannot be two clusters of two.
_MIN_VECTORS = 4
# Finest cut of a subset that is tried: groups for each cluster of the whole set, and at least.
_GROUPS_PER_CLUSTER, _MIN_GROUPS = 4, 50


class LinkageOfSubsets:
    """Clusters subsets of a set as `linkage.AverageLinkage` does, in a fraction of its time.

    Distances, those in the graph of the whole set included, are computed once. Sums of distances
    to the groups of a cut are those of the next finer cut, added up.

    Args:
        x: vectors `(n, k)` of the set.
        settings: of the clustering.
        n_clusters: number of clusters of the whole set; much finer cuts of subsets are not tried.
        min_sizes: smallest cluster with the default granularity, and with that of the settings.
    """

    def __init__(
        self,
        x: Floats,
        settings: ClusteringSettings,
        n_clusters: int,
        min_sizes: tuple[int, int],
    ) -> None:
        condensed = metric_distances(x, settings)
        # In single precision, since both are held as long as subsets are clustered.
        in_tree = tree_distances(condensed, settings).astype(np.float32)
        self._in_tree = squareform(in_tree, checks=False)
        self._distances = squareform(condensed.astype(np.float32), checks=False)
        self._granularity = settings.granularity_factor
        self._min_sizes = min_sizes
        self._max_groups = max(_MIN_GROUPS, _GROUPS_PER_CLUSTER * n_clusters)

    def __call__(self, rows: Ints) -> Ints:
        """Return the clusters `(m,)` of the subset with these rows `(m,)`; -1 is noise."""
        n = len(rows)
        labels = np.full(n, NOISE)
        if n < _MIN_VECTORS:
            return labels
        in_tree = squareform(self._in_tree[np.ix_(rows, rows)], checks=False)
        tree = linkage(in_tree, "average")
        order = leaves_list(tree).astype(np.int64)
        distances = self._distances[np.ix_(rows[order], rows[order])]
        all_starts = cut_starts(merge_heights(tree, order))
        starts = list(takewhile(lambda each: len(each) <= self._max_groups + 1, all_starts))
        default_size, size = self._min_sizes
        scored = {
            each: scored_cuts(_nested_cuts(distances, starts, each)).reversed()
            for each in {default_size, size}
        }
        chosen = choose_cut(scored[default_size], self._granularity, scored[size])
        if chosen is None:
            return labels
        sizes = np.diff(starts[chosen])
        is_cluster = sizes >= size
        number = np.full(len(sizes), NOISE)
        number[is_cluster] = np.arange(is_cluster.sum())
        labels[order] = np.repeat(number, sizes)
        return labels


def _nested_cuts(
    distances: npt.NDArray[np.float32], starts: list[Ints], size: int
) -> Iterator[Cut]:
    """Yield the cuts with groups that begin at each of `starts`, from the finest to the coarsest.

    Args:
        distances: `(n, n)` between leaves, in their order.
        starts: first leaf of each group, and n, of each cut, from the coarsest to the finest.
        size: smallest cluster.
    """
    finest = starts[-1]
    sums = np.add.reduceat(distances, finest[:-1], axis=1, dtype=np.float64)
    for finer, coarser in zip([finest, *starts[:0:-1]], starts[::-1], strict=True):
        sums = np.add.reduceat(sums, np.searchsorted(finer, coarser[:-1]), axis=1)
        yield Cut.from_sums(sums, coarser, size)

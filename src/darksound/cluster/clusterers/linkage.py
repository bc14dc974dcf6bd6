"""Average linkage, its tree cut where groups tell most."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist, squareform

from darksound.cluster.clusterers.base import Clustering, refuse_changed
from darksound.cluster.metrics import NOISE
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["LACKED", "average_linkage", "smallest_group"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Settings that it has no use for, HDBSCAN's own.
LACKED = (
    "min_samples",
    "selection",
    "epsilon",
    "alpha",
    "allow_single_cluster",
    "max_cluster_size",
)
_METRICS = ("euclidean", "sqeuclidean", "cosine", "correlation", "cityblock")
# Cuts into fewer groups are all tried; of those into more, each some per cent finer than the next.
_ALL_CUTS, _FINER = 100, 1.03
# Power of the silhouette against the bits; between 0.9 and 1.75 it chooses about the same cuts of
# real ROIs, and below, groups of two kinds would be split in four.
_WEIGHT = 1.5
# Groups that are no nearer to themselves than to each other, by this mean silhouette, are none.
_NO_STRUCTURE = 0.05
# Quantile of a cluster's silhouettes from which a member is wholly sure.
_SURE = 0.9


@dataclass(frozen=True)
class _Cut:
    """Groups of n ROIs, which lie next to one another in the order of the tree's leaves.

    Attributes:
        starts: `(k + 1,)` first leaf of each group, and n.
        group: `(n,)` of each leaf.
        means: `(n, k)` mean distance of each leaf to the members of each group, itself left out.
        large: `(k,)` which groups are large enough.
    """

    starts: Ints
    group: Ints
    means: Floats
    large: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, distances: Floats, starts: Ints, smallest: int) -> "_Cut":
        sizes = np.diff(starts)
        group = np.repeat(np.arange(len(sizes)), sizes)
        sums = np.add.reduceat(distances, starts[:-1], axis=1)
        others = np.broadcast_to(sizes, sums.shape).copy()
        others[np.arange(len(group)), group] -= 1
        return cls(starts, group, sums / np.maximum(others, 1), sizes >= smallest)

    def silhouette(self) -> Floats:
        """Of each leaf `(n,)`; 0 in groups that are too small."""
        rows = np.arange(len(self.group))
        within, means = self.means[rows, self.group], self.means.copy()
        means[rows, self.group] = np.inf
        between = means.min(axis=1)
        larger = np.maximum(within, between)
        own = np.divide(between - within, larger, out=0 * larger, where=larger > 0)
        silhouette: Floats = np.where(self.large[self.group], own, 0)
        return silhouette

    def telling(self) -> float:
        """How much the groups tell, see `average_linkage`; 0 where they are none."""
        quality = float(self.silhouette().mean())
        share = np.diff(self.starts)[self.large] / len(self.group)
        bits = -float((share * np.log2(share)).sum())
        return quality**_WEIGHT * bits if quality > _NO_STRUCTURE else 0.0

    def outlying(self) -> Floats:
        """Outlier score of each leaf `(n,)`, by the group that is nearest of the large enough."""
        means = self.means[:, self.large]
        nearest = means.argmin(axis=1)
        firsts = np.flatnonzero(self.large)
        spread = np.array([self.means[self.group == one, one].mean() for one in firsts])
        away = means[np.arange(len(means)), nearest]
        usual = np.divide(spread[nearest], away, out=np.ones_like(away), where=away > 0)
        outlying: Floats = 1 - np.minimum(usual, 1)
        return outlying


def smallest_group(settings: ClusteringSettings, n: int) -> int:
    """The number set, or for `auto` a tenth of the root of the number of ROIs, cut off.

    At least 3, and at most half of the ROIs: 3 up to 1,599 ROIs, 7 for 5,000. Groups that are
    joined by all their distances are more to be trusted than small ones of density.
    """
    if settings.min_cluster_size != "auto":
        return settings.min_cluster_size
    return max(2, min(n // 2, max(3, int(0.1 * math.sqrt(n)))))


def average_linkage(x: Floats, settings: ClusteringSettings) -> Clustering:
    """Clusters of `(n, k)` by average linkage (Sokal and Michener 1958), all distances at hand.

    Groups are joined, the nearest by the mean distance of their members first. Of all cuts of that
    tree the one is taken with the highest $S^{1.5} H$: S is its mean silhouette (Rousseeuw 1987,
    doi 10.1016/0377-0427(87)90125-7), H the bits that it tells of a ROI, the sum of p log2(1 / p)
    over the shares p of its groups. Groups of fewer than `clustering.min_cluster_size` ROIs count
    nothing in either. The silhouette alone is often highest for the few groups of groups that lie
    farthest apart; they tell little.

    Groups that are too small are noise. The probability of a member is its silhouette against
    that of the surest tenth of its cluster. The outlier score is 0 for a ROI as near to a cluster
    as its members are to each other, and nears 1 with distance. A cluster's persistence is the
    share of the height where it is joined to another through which it lasts.

    Raises:
        SettingsError: `clustering.metric` is unknown, or a setting was changed that it lacks.
    """
    refuse_changed(settings, "linkage", LACKED)
    if settings.metric not in _METRICS:
        raise SettingsError(
            f"clustering.metric is {settings.metric!r}; linkage has {', '.join(_METRICS)}."
        )
    n = len(x)
    smallest = smallest_group(settings, n)
    # A vector of zeros has no direction, so it is as unlike all others as can be without opposing.
    condensed = np.nan_to_num(pdist(x, settings.metric), nan=1.0)
    tree = linkage(condensed, "average")
    order = leaves_list(tree).astype(np.int64)
    distances = squareform(condensed)[np.ix_(order, order)]
    heights = _joints(tree, order)
    best, most = None, 0.0
    for starts in _cuts(heights):
        cut = _Cut.of(distances, starts, smallest)
        if (telling := cut.telling()) > most:
            best, most = cut, telling
    return Clustering.all_noise(n) if best is None else _clustering(best, order, heights)


def _joints(tree: Floats, order: Ints) -> Floats:
    """Height `(n - 1,)` at which each leaf and the one after it come into one group."""
    n = len(order)
    heights = np.empty(n - 1)
    # Place of the last leaf of each group, single ROIs being the first n.
    last = np.empty(2 * n - 1, dtype=np.int64)
    last[order] = np.arange(n)
    for number, (a, b, height) in enumerate(tree[:, :3], start=n):
        left, last[number] = sorted((last[int(a)], last[int(b)]))
        heights[left] = height
    return heights


def _cuts(heights: Floats) -> Iterator[Ints]:
    """First leaves of the groups of each cut, and n, from two groups to n / 2."""
    n = len(heights) + 1
    # Leaves whose joint is highest are parted first; among equals, those that come first.
    parted = np.argsort(-heights, kind="stable") + 1
    groups = 2
    while groups <= n // 2:
        yield np.concatenate([[0], np.sort(parted[: groups - 1]), [n]])
        groups = max(groups + 1, round(groups * _FINER) if groups > _ALL_CUTS else 0)


def _clustering(cut: _Cut, order: Ints, heights: Floats) -> Clustering:
    """The large enough groups as clusters, of ROIs in their own order."""
    n = len(order)
    labels, probability = np.full(n, NOISE), np.zeros(n)
    persistence: list[float] = []
    silhouette = cut.silhouette()
    # Nothing joins the first leaf to one before it, nor the last to one after it.
    edges = np.concatenate([[np.inf], heights, [np.inf]])
    for number in np.flatnonzero(cut.large):
        first, stop = cut.starts[number : number + 2]
        own = silhouette[first:stop]
        top = float(np.quantile(own, _SURE))
        labels[order[first:stop]] = len(persistence)
        probability[order[first:stop]] = np.clip(own / top, 0, 1) if top > 0 else 0.0
        formed, joined = heights[first : stop - 1].max(), min(edges[first], edges[stop])
        persistence.append(1 - formed / joined if joined > 0 else 0.0)
    outlying = np.empty(n)
    outlying[order] = cut.outlying()
    return Clustering(labels, probability, outlying, np.array(persistence))

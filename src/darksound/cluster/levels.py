"""Levels of a clustering: the tree of its clusters, superclusters, and finer or coarser cuts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import linkage

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.metrics import NOISE
from darksound.cluster.normalise import normalise
from darksound.settings import ReductionSettings

__all__ = [
    "Levels",
    "ScoredCuts",
    "choose_cut",
    "cluster_merges",
    "find_levels",
    "superclusters_of_groups",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# The number of superclusters of k clusters is between k / 8 and k / 2: fewer than k / 8 can be
# one large supercluster and a few outlying clusters, more than k / 2 are hardly an overview.
_FEWEST, _MOST = 1 / 8, 1 / 2
# Of cuts whose number of clusters is by up to this factor farther from the wanted one than that of
# the nearest cut, the one with the highest score is used.
_TOLERANCE = 1.15
# Scores that differ by less than this share are those of equally good cuts: they differ as much
# between embeddings whose last layers were fitted to different samples.
_EQUAL = 0.01


@dataclass(frozen=True)
class Levels:
    """The levels above the clusters of n ROIs.

    Attributes:
        supercluster: `(k,)` supercluster of each cluster, numbered from the one with the most ROIs.
        tree: `(m - 1, 4)` merges as in SciPy's `linkage`: the two nodes, the height and the number
            of leaves below. Leaves are the n ROIs if the clusters are branches of a tree of ROIs,
            else the k clusters.
    """

    supercluster: Ints
    tree: Floats

    @property
    def n_superclusters(self) -> int:
        """Return the number of superclusters."""
        return int(self.supercluster.max(initial=-1)) + 1

    def of_rois(self, labels: Ints) -> Ints:
        """Return the supercluster `(n,)` of ROIs in the clusters `labels` `(n,)`, -1 for noise."""
        return np.append(self.supercluster, NOISE)[labels]


def find_levels(
    clustering: Clustering, embeddings: npt.NDArray[np.floating], settings: ReductionSettings
) -> Levels:
    """Return the tree above the clusters, and the superclusters that it is cut into.

    If the clusterer built a tree of the ROIs, and all clusters are branches of it, this tree is
    used. Else the clusters are merged by average linkage of the means of their normalised
    embeddings. The tree of k clusters is cut into the number m of superclusters, between k / 8 and
    k / 2, for which the gap between the height of the last merge below the cut and the first one
    above it, times log m, is largest. Fewer than four clusters are superclusters themselves.

    Args:
        clustering: of n ROIs.
        embeddings: `(n, dim)` that were clustered.
        settings: their normalisation.
    """
    k = clustering.n_clusters
    tree, merges = clustering.tree, None
    if len(tree) and len(tree) == len(clustering.labels) - 1:
        merges = _merges_of_clusters(tree, clustering.labels, k)
    if merges is None:
        means = _means(normalise(embeddings, settings.normalise), clustering.labels, k)
        tree = linkage(means, "average") if k > 1 else np.zeros((0, 4))
        merges = tree[:, :3]
    parts = _components(merges, k, _n_superclusters(merges[:, 2], k))
    inside = clustering.labels[clustering.labels != NOISE]
    return Levels(_number_by_rois(parts, np.bincount(inside, minlength=k)), tree)


def superclusters_of_groups(groups: Ints, superclusters: Ints, known: Mapping[int, int]) -> Ints:
    """Return the supercluster `(n,)` of ROIs whose clusters were merged or split into groups.

    It is that of the cluster whose number the group has, else that of most of its ROIs. A group of
    noise alone is a supercluster of its own.

    Args:
        groups: `(n,)` group of each ROI.
        superclusters: `(n,)` supercluster of the cluster of each ROI, -1 for noise.
        known: supercluster of each cluster, and of noise.
    """
    of_group = dict(known)
    for group in np.setdiff1d(groups, list(known)).tolist():
        inside = superclusters[(groups == group) & (superclusters != NOISE)]
        new = max(of_group.values(), default=NOISE) + 1
        of_group[group] = int(np.bincount(inside).argmax()) if inside.size else new
    return np.array([of_group[group] for group in groups.tolist()], dtype=np.int64)


@dataclass(frozen=True)
class ScoredCuts:
    """Cuts of one tree, from the coarsest to the finest.

    Attributes:
        scores: `(c,)`; a cut with 0 is not used.
        n_clusters: `(c,)` number of clusters.
    """

    scores: Floats
    n_clusters: Floats

    def reversed(self) -> "ScoredCuts":
        """Return the cuts in the opposite order."""
        return ScoredCuts(self.scores[::-1], self.n_clusters[::-1])


def choose_cut(default: ScoredCuts, granularity: float, cuts: ScoredCuts) -> int | None:
    """Return the number of the cut to use; None without any.

    By default it is the coarsest one whose score is within 1 % of the highest. With a granularity
    other than 1, it is a coarser or finer one: of those with about `granularity` times as many
    clusters, or as near to that as there are, the one with the highest score.

    Args:
        default: cuts with the smallest cluster of the default granularity, the coarsest first.
        granularity: wanted number of clusters, as a multiple of that of the best default cut.
        cuts: the same cuts with the smallest cluster of this granularity.
    """
    if not (default.scores > 0).any():
        return None
    best = int((default.scores >= (1 - _EQUAL) * default.scores.max()).argmax())
    if granularity == 1:
        return best
    # Very fine cuts also have few clusters, since most of their groups are too small.
    numbers = np.arange(len(cuts.scores))
    is_on_side = numbers <= best if granularity < 1 else numbers >= best
    usable = np.flatnonzero(is_on_side & (cuts.scores > 0))
    wanted = granularity * default.n_clusters[best]
    factor = np.abs(np.log(cuts.n_clusters[usable] / wanted))
    near = usable[factor <= factor.min() + np.log(_TOLERANCE)]
    return int(near[cuts.scores[near].argmax()])


def _merges_of_clusters(tree: Floats, labels: Ints, k: int) -> Floats | None:
    """Return the merges `(k - 1, 3)` of the clusters in a tree of ROIs: two nodes and a height.

    Nodes are clusters, then merges. Noise is passed over. None if a cluster is not one branch of
    the tree, noise aside.
    """
    sizes = np.bincount(labels[labels != NOISE], minlength=k)
    # Cluster or merge at each node of the tree, and how many ROIs of it are below.
    at_node, counts = labels.tolist(), (labels != NOISE).astype(np.int64).tolist()
    merges: list[tuple[float, float, float]] = []
    for a, b, height in tree[:, :3]:
        (left, n_left), (right, n_right) = sorted(
            (at_node[int(node)], counts[int(node)]) for node in (a, b)
        )
        if left in (NOISE, right):
            at_node.append(right)
            counts.append(n_left * (left != NOISE) + n_right)
            continue
        for node, n_below in ((left, n_left), (right, n_right)):
            if node < k and n_below < sizes[node]:
                return None
        at_node.append(k + len(merges))
        counts.append(0)
        merges.append((left, right, height))
    return np.array(merges, dtype=np.float64).reshape(-1, 3)


def cluster_merges(
    tree: Floats | None,
    labels: Ints,
    embeddings: npt.NDArray[np.floating],
    method: str,
) -> Floats:
    """Return the merges `(k - 1, 3)` of the k clusters of a run: two nodes and a height.

    Nodes are clusters, then merges, the lowest first.

    Args:
        tree: as in `Levels`; None, or a tree of which a cluster is not one branch: average linkage
            of the means of the clusters.
        labels: `(n,)` cluster of each ROI, 0 to k - 1, -1 for noise.
        embeddings: `(n, dim)`.
        method: their normalisation, a key of `NORMALISERS`.
    """
    k = int(labels.max(initial=-1)) + 1
    merges = None
    if tree is not None:
        merges = (
            _merges_of_clusters(tree, labels, k) if len(tree) == len(labels) - 1 else tree[:, :3]
        )
    if merges is not None and len(merges) == k - 1:
        return merges
    means = _means(normalise(embeddings, method), labels, k)
    return linkage(means, "average")[:, :3] if k > 1 else np.zeros((0, 3))


def _means(x: npt.NDArray[np.floating], labels: Ints, k: int) -> Floats:
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(k + 1))
    means = np.empty((k, x.shape[1]))
    for number in range(k):
        members = order[starts[number] : starts[number + 1]]
        x[members].mean(axis=0, dtype=np.float64, out=means[number])
    return means


def _n_superclusters(heights: Floats, k: int) -> int:
    """Return the number of superclusters of k clusters that merge at `heights` `(k - 1,)`."""
    fewest, most = max(2, int(np.ceil(_FEWEST * k))), int(_MOST * k)
    if most < fewest:
        return k
    numbers = np.arange(fewest, most + 1)
    gaps = heights[k - numbers] - heights[k - numbers - 1]
    return int(numbers[np.argmax(gaps * np.log(numbers))])


def _components(merges: Floats, k: int, n_parts: int) -> Ints:
    """Return the part `(k,)` of each cluster after all but the last `n_parts - 1` merges."""
    top = np.arange(2 * k)
    n_merges = k - n_parts
    for number, (a, b) in enumerate(merges[:n_merges, :2].astype(np.int64), start=k):
        top[[a, b]] = number
    # Parents have higher numbers than their children, so that theirs is known first.
    for node in range(k + n_merges - 1, -1, -1):
        top[node] = top[top[node]]
    return top[:k]


def _number_by_rois(parts: Ints, sizes: Ints) -> Ints:
    """Return the parts `(k,)` numbered by their ROIs, equal ones by their first cluster."""
    _, first, part = np.unique(parts, return_index=True, return_inverse=True)
    order = np.lexsort((first, -np.bincount(part, sizes)))
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(len(order))
    return numbers[part]

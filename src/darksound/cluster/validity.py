"""Density-based cluster validity (DBCV) in log space, with bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from darksound.cluster.metrics import NOISE
from darksound.parallel.threads import map_in_order, single_threaded, usable_threads

__all__ = ["Validity", "cluster_validity", "core_distances", "dbcv", "minimum_spanning_tree"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Distances are computed in blocks of at most this many numbers (128 MB).
_BLOCK = 16_000_000
#: Blocks that are computed at a time, which bounds the memory.
_MAX_THREADS = 4
#: Squared distances below this share of the squared norms are rounding errors of float32.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Validity:
    """Density within clusters compared with the separation between them.

    Attributes:
        sizes: `(k,)` sizes of the clusters with at least two ROIs, in the order of their numbers.
        values: `(k,)` their validities (Moulavi et al. 2014, eq. 6), -1 to 1; NaN if there is only
            one cluster, which has no separation.
        n: number of ROIs, including noise.
    """

    sizes: Ints
    values: Floats
    n: int

    @property
    def dbcv(self) -> float:
        """Return the density-based cluster validity (eq. 7), -1 to 1; NaN below two clusters."""
        if self.sizes.size < 2:
            return float("nan")
        return float(np.sum(self.sizes * self.values) / self.n)

    @property
    def weighted_entropy(self) -> float:
        """Return the entropy of the clusters in bits, weighted by the validity of each.

        It is the sum over clusters C of p log2(1 / p) ((1 + V(C)) / 2)^2, where p = |C| / n and
        V(C) is the validity of C; noise adds 0. It is 0 below two clusters. Validity alone is high
        for a few large clusters that lie far apart, to which a learner converges if it is
        fine-tuned on wrong pseudo-labels; their entropy is low. Splitting a cluster raises the
        entropy, but the parts lie close together, and the square makes the loss of validity larger
        than the gain.
        """
        if self.sizes.size < 2:
            return 0.0
        share = self.sizes / self.n
        return float(np.sum(share * -np.log2(share) * ((1 + self.values) / 2) ** 2))


def dbcv(x: npt.NDArray[np.floating], clusters: Ints) -> float:
    """Return the DBCV of clusters `(n,)` in a space `(n, d)`; see `cluster_validity`."""
    return cluster_validity(x, clusters).dbcv


@single_threaded()
def cluster_validity(x: npt.NDArray[np.floating], clusters: Ints) -> Validity:
    """Return the validities of clusters by Moulavi et al. (2014), eq. 1-6.

    Cases that the paper leaves open are as in its reference code, or defined here: noise (-1) and
    clusters of one ROI count in the weight with validity 0; if a cluster's tree has no inner edge,
    its longest edge counts, and if it has no inner node, all nodes count; of edges with equal
    mutual reachability the one with the shorter distance comes first, so that the tree does not
    depend on the order of rows. Coinciding ROIs have core distance 0, its limit.

    Args:
        x: vectors `(n, d)` with Euclidean distances.
        clusters: cluster of each row `(n,)`, -1 for noise.
    """
    numbers, counts = np.unique(clusters[clusters != NOISE], return_counts=True)
    numbers = numbers[counts >= 2]
    if numbers.size < 2:
        return Validity(counts[counts >= 2], np.full(numbers.size, np.nan), len(clusters))
    # Centred, so that norms are as large as distances and squares lose no digits.
    points = np.array(x, dtype=np.float64)
    points -= np.mean(x, axis=0, dtype=np.float64)
    trees = [_Tree.fit(points, np.flatnonzero(clusters == number)) for number in numbers]
    separation = _separations(points, trees)
    sparseness = np.array([tree.sparseness for tree in trees])
    larger = np.maximum(separation, sparseness)
    defined = larger > 0
    values = np.zeros(len(trees))
    values[defined] = (separation[defined] - sparseness[defined]) / larger[defined]
    sizes = np.array([tree.size for tree in trees], dtype=np.int64)
    return Validity(sizes, values, len(clusters))


def core_distances(points: Floats) -> Floats:
    """Return the all-points core distance `(m,)` of each of the points `(m, d)`, m at least 2.

    The mean of d_ij^-D (Moulavi et al. 2014, eq. 1) overflows float64 for D of a few hundred, so
    it is computed from logarithms.
    """
    m, d = points.shape

    def log_core(block: tuple[int, int]) -> Floats:
        start, stop = block
        squares = _squares(points[start:stop], points)
        squares[np.arange(stop - start), np.arange(start, stop)] = np.inf
        with np.errstate(divide="ignore"):
            log_inverse = -0.5 * d * np.log(squares)
        log_cores: Floats = -(logsumexp(log_inverse, axis=1) - np.log(m - 1)) / d
        return log_cores

    core: Floats = np.exp(np.concatenate(list(_map_blocks(log_core, m, m))))
    return core


def minimum_spanning_tree(points: Floats, core: Floats) -> tuple[Ints, Floats]:
    """Return the minimum spanning tree by mutual reachability (eq. 2), in O(m) memory (Prim).

    Returns:
        Edges `(m - 1, 2)` and their mutual reachability `(m - 1,)`, in the order of joining.
    """
    m = len(points)
    rows = _Rows(points)
    reach, distance = np.full(m, np.inf), np.full(m, np.inf)
    parent = np.zeros(m, dtype=np.int64)
    outside = np.ones(m, dtype=bool)
    edges, weights = np.empty((m - 1, 2), dtype=np.int64), np.empty(m - 1)
    node = 0
    for step in range(m - 1):
        outside[node] = False
        reach[node] = distance[node] = np.inf
        to_node = rows[node]
        mutual = np.maximum(np.maximum(core, core[node]), to_node)
        nearer = outside & ((mutual < reach) | ((mutual == reach) & (to_node < distance)))
        reach[nearer], distance[nearer], parent[nearer] = mutual[nearer], to_node[nearer], node
        nearest = np.flatnonzero(outside & (reach == reach.min()))
        node = int(nearest[np.argmin(distance[nearest])])
        edges[step], weights[step] = (parent[node], node), reach[node]
    return edges, weights


@dataclass(frozen=True)
class _Tree:
    """Inner nodes and largest inner edge of the minimum spanning tree of one cluster.

    Attributes:
        size: number of ROIs.
        inner: `(i,)` rows of the nodes with more than one edge.
        inner_core: `(i,)` their core distances.
        sparseness: the largest edge between inner nodes (eq. 3).
    """

    size: int
    inner: Ints
    inner_core: Floats
    sparseness: float

    @classmethod
    def fit(cls, points: Floats, members: Ints) -> "_Tree":
        core = core_distances(points[members])
        edges, weights = minimum_spanning_tree(points[members], core)
        is_inner = np.bincount(edges.ravel(), minlength=len(members)) > 1
        inner_edges = is_inner[edges].all(axis=1)
        longest = weights[inner_edges] if inner_edges.any() else weights
        nodes = np.flatnonzero(is_inner) if is_inner.any() else np.arange(len(members))
        return cls(len(members), members[nodes], core[nodes], float(longest.max()))


def _separations(points: Floats, trees: list[_Tree]) -> Floats:
    """Return the smallest density separation (eq. 4) `(k,)` of each cluster from any other."""
    nodes = np.concatenate([tree.inner for tree in trees])
    core = np.concatenate([tree.inner_core for tree in trees])
    ends = np.cumsum([tree.inner.size for tree in trees])
    smallest = np.full(len(trees), np.inf)
    for i, tree in enumerate(trees[:-1]):
        # Pairs with the clusters before this one are done.
        rest, rest_core = points[nodes[ends[i] :]], core[ends[i] :]
        firsts = ends[i:-1] - ends[i]
        reach = partial(_smallest_reach, points, tree, rest, rest_core)
        for nearest in _map_blocks(reach, tree.inner.size, len(rest)):
            to_each = np.minimum.reduceat(nearest, firsts)
            smallest[i] = min(smallest[i], to_each.min())
            np.minimum(smallest[i + 1 :], to_each, out=smallest[i + 1 :])
    return smallest


def _smallest_reach(
    points: Floats, tree: _Tree, rest: Floats, rest_core: Floats, block: tuple[int, int]
) -> Floats:
    """Return the smallest mutual reachability of each of the rest from a block of inner nodes."""
    start, stop = block
    mutual = np.sqrt(_squares(points[tree.inner[start:stop]], rest))
    np.maximum(mutual, rest_core, out=mutual)
    np.maximum(mutual, tree.inner_core[start:stop, None], out=mutual)
    smallest: Floats = mutual.min(axis=0)
    return smallest


class _Rows:
    """Rows of a distance matrix: computed at once if it fits a block, else row by row."""

    def __init__(self, points: Floats) -> None:
        self._points = points
        fits = len(points) ** 2 <= _BLOCK
        self._matrix = np.sqrt(_squares(points, points)) if fits else None

    def __getitem__(self, i: int) -> Floats:
        if self._matrix is not None:
            row: Floats = self._matrix[i]
            return row
        computed: Floats = np.sqrt(_squares(self._points[i : i + 1], self._points))[0]
        return computed


def _squares(a: Floats, b: Floats) -> Floats:
    """Return squared Euclidean distances `(len(a), len(b))`, with rounding errors set to 0."""
    norms = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None, :]
    squares: Floats = a @ b.T
    squares *= -2
    squares += norms
    squares[squares <= _ROUNDING * norms] = 0.0
    return squares


def _map_blocks(
    function: Callable[[tuple[int, int]], Floats], rows: int, columns: int
) -> Iterator[Floats]:
    """Yield `function` of the first row and the one after the last of each block, in order."""
    step = max(1, _BLOCK // max(1, columns))
    blocks = [(start, min(start + step, rows)) for start in range(0, rows, step)]
    if len(blocks) < 2:
        return map(function, blocks)
    return map_in_order(function, blocks, min(usable_threads(), _MAX_THREADS), ahead=0)

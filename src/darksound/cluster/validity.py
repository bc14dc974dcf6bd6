"""Density-based cluster validity (DBCV) in log space, with bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from darksound.cluster.metrics import NOISE

__all__ = ["Validity", "core_distances", "dbcv", "judge", "minimum_spanning_tree"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Distances are made in blocks of at most this many numbers (128 MB).
_BLOCK = 16_000_000
#: Squared distances below this share of the squared norms are rounding of float32: zero.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Validity:
    """How dense clusters are inside, against how far they lie apart.

    Attributes:
        sizes: `(k,)` of the clusters with at least two ROIs, in the order of their numbers.
        values: `(k,)` their validities (Moulavi et al. 2014, eq. 6), -1 to 1; NaN where there is
            but one, since it is apart from nothing.
        n: number of ROIs, noise included.
    """

    sizes: Ints
    values: Floats
    n: int

    @property
    def dbcv(self) -> float:
        """Density-based cluster validity (eq. 7), -1 to 1; NaN with fewer than two clusters."""
        if self.sizes.size < 2:
            return float("nan")
        return float(np.sum(self.sizes * self.values) / self.n)

    @property
    def information(self) -> float:
        """Bits that a ROI's cluster tells of it on average, as far as the clusters are valid.

        A member of cluster C tells log2(n / |C|) bits, weighted by ((1 + V(C)) / 2)^2; noise
        tells nothing. Validity alone is high for a few large groups that lie far apart, to
        which a learner drifts when it learns from wrong pseudo-labels, and they tell little.
        Splitting adds bits, but parts of one group lie close together, which the square makes
        cost more than they add.
        """
        if self.sizes.size < 2:
            return 0.0
        share = self.sizes / self.n
        return float(np.sum(share * -np.log2(share) * ((1 + self.values) / 2) ** 2))


def dbcv(x: npt.NDArray[np.floating], clusters: Ints) -> float:
    """Density-based cluster validity of clusters `(n,)` in a space `(n, d)`; see `judge`."""
    return judge(x, clusters).dbcv


def judge(x: npt.NDArray[np.floating], clusters: Ints) -> Validity:
    """Validities of clusters by Moulavi et al. (2014), eq. 1-6.

    Some things are as in the paper's reference code or made whole where the paper is silent:
    noise (-1) and clusters of one ROI count in the weight with validity 0; where a cluster's
    tree has no inner edge its longest edge counts, and without inner nodes all of its nodes do;
    among edges of equal mutual reachability the shorter distance comes first, so that the tree
    does not depend on the order of rows. Coinciding ROIs have core distance 0, its limit.

    Args:
        x: the space that clusters are judged in `(n, d)`, Euclidean.
        clusters: cluster of each row `(n,)`, -1 for noise.
    """
    names, counts = np.unique(clusters[clusters != NOISE], return_counts=True)
    names = names[counts >= 2]
    if names.size < 2:
        return Validity(counts[counts >= 2], np.full(names.size, np.nan), len(clusters))
    # Centred, so that norms are of the size of distances and squares lose no digits.
    points = np.array(x, dtype=np.float64)
    points -= np.mean(x, axis=0, dtype=np.float64)
    trees = [_Tree.of(points, np.flatnonzero(clusters == name)) for name in names]
    separation = _separations(points, trees)
    sparseness = np.array([tree.sparseness for tree in trees])
    larger = np.maximum(separation, sparseness)
    apart = larger > 0
    values = np.zeros(len(trees))
    values[apart] = (separation[apart] - sparseness[apart]) / larger[apart]
    sizes = np.array([tree.size for tree in trees], dtype=np.int64)
    return Validity(sizes, values, len(clusters))


def core_distances(points: Floats) -> Floats:
    """All-points core distance (Moulavi et al. 2014, eq. 1) of each of `(m, d)` points, m >= 2.

    The mean of d_ij^-D leaves float64 for D of a few hundred, so it is summed as logarithms.
    """
    m, d = points.shape
    log_core = np.empty(m)
    for start, stop in _blocks(m, m):
        squares = _squares(points[start:stop], points)
        squares[np.arange(stop - start), np.arange(start, stop)] = np.inf
        with np.errstate(divide="ignore"):
            log_inverse = -0.5 * d * np.log(squares)
        log_core[start:stop] = -(logsumexp(log_inverse, axis=1) - np.log(m - 1)) / d
    return np.exp(log_core)


def minimum_spanning_tree(points: Floats, core: Floats) -> tuple[Ints, Floats]:
    """Minimum spanning tree by mutual reachability (eq. 2), by Prim's algorithm in O(m) memory.

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
    """What validity needs of one cluster: its inner nodes and its largest inner edge."""

    size: int
    inner: Ints
    inner_core: Floats
    sparseness: float

    @classmethod
    def of(cls, points: Floats, members: Ints) -> "_Tree":
        own = points[members]
        core = core_distances(own)
        edges, weights = minimum_spanning_tree(own, core)
        is_inner = np.bincount(edges.ravel(), minlength=len(members)) > 1
        inner_edges = is_inner[edges].all(axis=1)
        longest = weights[inner_edges] if inner_edges.any() else weights
        nodes = np.flatnonzero(is_inner) if is_inner.any() else np.arange(len(members))
        return cls(len(members), members[nodes], core[nodes], float(longest.max()))


def _separations(points: Floats, trees: list[_Tree]) -> Floats:
    """Least density separation (eq. 4) of each cluster from any other `(k,)`."""
    nodes = np.concatenate([tree.inner for tree in trees])
    core = np.concatenate([tree.inner_core for tree in trees])
    ends = np.cumsum([tree.inner.size for tree in trees])
    least = np.full(len(trees), np.inf)
    for i, tree in enumerate(trees[:-1]):
        # Clusters before this one have met it already.
        rest, rest_core = points[nodes[ends[i] :]], core[ends[i] :]
        firsts = ends[i:-1] - ends[i]
        for start, stop in _blocks(tree.inner.size, len(rest)):
            mutual = np.sqrt(_squares(points[tree.inner[start:stop]], rest))
            np.maximum(mutual, rest_core, out=mutual)
            np.maximum(mutual, tree.inner_core[start:stop, None], out=mutual)
            to_each = np.minimum.reduceat(mutual.min(axis=0), firsts)
            least[i] = min(least[i], to_each.min())
            np.minimum(least[i + 1 :], to_each, out=least[i + 1 :])
    return least


class _Rows:
    """Rows of a distance matrix, whole where it fits a block, else made when asked for."""

    def __init__(self, points: Floats) -> None:
        self._points = points
        fits = len(points) ** 2 <= _BLOCK
        self._whole = np.sqrt(_squares(points, points)) if fits else None

    def __getitem__(self, i: int) -> Floats:
        if self._whole is not None:
            row: Floats = self._whole[i]
            return row
        own: Floats = np.sqrt(_squares(self._points[i : i + 1], self._points))[0]
        return own


def _squares(a: Floats, b: Floats) -> Floats:
    """Squared Euclidean distances `(len(a), len(b))`, zero where they are mere rounding."""
    norms = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None, :]
    squares: Floats = a @ b.T
    squares *= -2
    squares += norms
    squares[squares <= _ROUNDING * norms] = 0.0
    return squares


def _blocks(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK // max(1, columns))
    for start in range(0, rows, step):
        yield start, min(start + step, rows)

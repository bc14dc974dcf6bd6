"""Micro-clusters: the lowest branches of average linkage, found in a graph of neighbours."""

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from darksound.parallel.threads import map_in_order, single_threaded, usable_threads

__all__ = ["condense", "micro_means", "nearest_rows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Neighbours of each ROI with which it can be merged.
_NEIGHBOURS = 10
# Rows per block of distances.
_BLOCK = 1024


@single_threaded()
def nearest_rows(x: Floats, among: Floats, count: int) -> Ints:
    """Return the rows `(n, count)` of `among` `(m, d)` nearest to each vector of `x` `(n, d)`.

    Distances are Euclidean, in single precision, computed in blocks; the nearest is the first.
    """
    others = torch.from_numpy(np.asarray(among, dtype=np.float32))
    half_square = others.square().sum(1) / 2

    def nearest(start: int) -> Ints:
        block = torch.from_numpy(np.asarray(x[start : start + _BLOCK], dtype=np.float32))
        # The square of the vector itself is the same for all others.
        closeness = block @ others.T - half_square
        rows: Ints = closeness.topk(count, dim=1).indices.numpy()
        return rows

    blocks = map_in_order(nearest, range(0, len(x), _BLOCK), usable_threads())
    return np.concatenate(list(blocks))


def condense(x: Floats, count: int) -> Ints:
    """Return the micro-cluster `(n,)` of each ROI, numbered from 0 to `count` - 1.

    Pairs of groups that are nearest to each other are merged in rounds (Sumengen et al. 2021,
    arXiv 2105.11653), which gives the tree of average linkage by squared Euclidean distances, with
    merges only along the graph of 10 nearest neighbours. The micro-clusters are its branches below
    the height at which `count` are left.

    Args:
        x: vectors `(n, d)`.
        count: of micro-clusters, below n and at least n / 8.
    """
    n = len(x)
    k = min(_NEIGHBOURS, n - 1)
    # A ROI is usually its own nearest; one of many copies may not be among the nearest of itself.
    pairs = _pairs(np.repeat(np.arange(n), k + 1), nearest_rows(x, x, k + 1).ravel(), n)
    sums, sizes, heights = x.astype(np.float64), np.ones(n), np.zeros(n)
    squares = np.einsum("ij,ij->i", sums, sums)
    merges: list[tuple[Ints, Ints, Floats]] = []
    n_groups = n
    # Some more merges than needed, since rounds do not merge in the order of height.
    while n_groups > count // 2 and pairs[0].size:
        distances = _mean_distances(pairs, sums, squares, sizes)
        kept, merged, distance = _reciprocal_pairs(pairs, distances, n)
        height = np.maximum(distance, np.maximum(heights[kept], heights[merged]))
        merges.append((kept, merged, height))
        sums[kept] += sums[merged]
        squares[kept] += squares[merged]
        sizes[kept] += sizes[merged]
        heights[kept] = height
        number = np.arange(n)
        number[merged] = kept
        pairs = _pairs(number[pairs[0]], number[pairs[1]], n)
        n_groups -= kept.size
    kept, merged, height = (np.concatenate(part) for part in zip(*merges, strict=True))
    lowest = np.argsort(height, kind="stable")[: n - count]
    graph = csr_array((np.ones(lowest.size), (kept[lowest], merged[lowest])), shape=(n, n))
    micro: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return micro


def micro_means(x: Floats, micro: Ints) -> Floats:
    """Return the mean direction `(m, d)` of each micro-cluster, as long as its vectors on average.

    Args:
        x: vectors `(n, d)`.
        micro: micro-cluster `(n,)` of each, from 0.
    """
    n_micro = int(micro.max()) + 1
    members = csr_array((np.ones(len(x)), (micro, np.arange(len(x)))), shape=(n_micro, len(x)))
    sums = members @ x
    length = np.bincount(micro, np.linalg.norm(x, axis=1)) / np.bincount(micro)
    sum_length = np.linalg.norm(sums, axis=1)
    means: Floats = sums * (length / np.where(sum_length > 0, sum_length, 1))[:, None]
    return means


def _pairs(a: Ints, b: Ints, n: int) -> tuple[Ints, Ints]:
    """Return each pair of different groups once, the smaller number first, in order."""
    different = a != b
    a, b = a[different], b[different]
    keys = np.unique(np.minimum(a, b) * n + np.maximum(a, b))
    return keys // n, keys % n


def _mean_distances(
    pairs: tuple[Ints, Ints], sums: Floats, squares: Floats, sizes: Floats
) -> Floats:
    """Return the mean squared Euclidean distance between the members of two groups, of each pair.

    Args:
        pairs: of groups, `(p,)` each.
        sums: `(n, d)` of the vectors of each group.
        squares: `(n,)` sum of the squared lengths of these vectors.
        sizes: `(n,)` of the groups.
    """
    distances = np.empty(pairs[0].size)
    for start in range(0, distances.size, 16 * _BLOCK):
        rows = slice(start, start + 16 * _BLOCK)
        a, b = pairs[0][rows], pairs[1][rows]
        products = np.einsum("ij,ij->i", sums[a], sums[b]) / (sizes[a] * sizes[b])
        distances[rows] = squares[a] / sizes[a] + squares[b] / sizes[b] - 2 * products
    return np.maximum(distances, 0)


def _reciprocal_pairs(
    pairs: tuple[Ints, Ints], distances: Floats, n: int
) -> tuple[Ints, Ints, Floats]:
    """Return the pairs of groups that are nearest to each other, and their distances.

    Of others at the same distance the one with the smallest number is the nearest.
    """
    group, other = np.concatenate(pairs), np.concatenate(pairs[::-1])
    distance = np.concatenate([distances, distances])
    order = np.lexsort((other, distance, group))
    first = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
    nearest = np.full(n, -1)
    nearest[group[first]] = other[first]
    is_reciprocal = (nearest[other[first]] == group[first]) & (group[first] < other[first])
    chosen = first[is_reciprocal]
    return group[chosen], other[chosen], distance[chosen]

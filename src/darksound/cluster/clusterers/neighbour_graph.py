"""Distances between ROIs in UMAP's graph of nearest neighbours, by random walks."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array, eye_array
from scipy.spatial.distance import squareform

__all__ = ["fuzzy_graph", "graph_distances", "mean_one", "walk_distances"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Graphs of few neighbours separate small clusters, those of many connect large ones.
_NEIGHBOURS = (5, 10, 15)
_STEPS = 4
# UMAP's search for the width of the kernel: number of bisections, precision of the sum of weights,
# and the smallest width as a share of the mean distance.
_BISECTIONS, _PRECISION, _MIN_WIDTH = 64, 1e-5, 1e-3


def graph_distances(distances: Floats, neighbours: Sequence[int] = _NEIGHBOURS) -> Floats:
    """Return distances in the graphs of nearest neighbours, condensed `(n (n - 1) / 2,)`.

    They are the mean of `walk_distances` over graphs with several numbers of neighbours, the
    distances of each divided by their mean.

    Args:
        distances: `(n, n)` between n ROIs, n at least 2.
        neighbours: numbers of neighbours; at most n are used.
    """
    numbers = list(dict.fromkeys(min(k, len(distances)) for k in neighbours))
    total = np.zeros(len(distances) * (len(distances) - 1) // 2)
    for k in numbers:
        total += mean_one(walk_distances(fuzzy_graph(distances, k)))
    return total / len(numbers)


def mean_one(distances: Floats) -> Floats:
    """Return distances divided by their mean; zeros unchanged."""
    mean = float(distances.mean())
    return distances / mean if mean > 0 else distances


def fuzzy_graph(distances: Floats, n_neighbors: int) -> csr_array:
    """Return the weights `(n, n)` of UMAP's graph (McInnes et al. 2018, arXiv 1802.03426).

    The weight from a ROI to a neighbour at distance d is exp(-(d - rho) / sigma), at most 1, where
    rho is the distance to its nearest neighbour and sigma is such that the weights add up to the
    binary logarithm of the number of neighbours. Weights a and b of both directions become
    a + b - a b.

    Args:
        distances: `(n, n)`.
        n_neighbors: as in UMAP, the ROI itself included; at most n.
    """
    n = len(distances)
    others = distances.copy()
    # A ROI is its own first neighbour, also where others coincide with it.
    np.fill_diagonal(others, -1.0)
    nearest = np.argpartition(others, n_neighbors - 1, axis=1)[:, :n_neighbors]
    near = np.take_along_axis(others, nearest, axis=1)
    order = np.argsort(near, axis=1, kind="stable")[:, 1:]
    nearest = np.take_along_axis(nearest, order, axis=1)
    near = np.take_along_axis(near, order, axis=1)
    weights = _membership(near, float(near.sum() / (n * n_neighbors)))
    rows = np.repeat(np.arange(n), n_neighbors - 1)
    directed = csr_array((weights.ravel(), (rows, nearest.ravel())), shape=(n, n))
    both = directed.multiply(directed.T)
    graph: csr_array = (directed + directed.T - both).tocsr()
    return graph


def _membership(near: Floats, mean: float) -> Floats:
    """Return the weights `(n, k - 1)` of the k - 1 other neighbours, from their distances."""
    k = near.shape[1] + 1
    positive = np.where(near > 0, near, np.inf).min(axis=1, initial=np.inf)
    rho = np.where(np.isfinite(positive), positive, 0.0)
    beyond = np.maximum(near - rho[:, None], 0)
    low, high = np.zeros(len(near)), np.full(len(near), np.inf)
    width = np.ones(len(near))
    is_open = np.ones(len(near), dtype=bool)
    target = np.log2(k)
    for _ in range(_BISECTIONS):
        total = np.exp(-beyond / width[:, None]).sum(axis=1)
        is_open &= np.abs(total - target) >= _PRECISION
        too_large = total > target
        high = np.where(is_open & too_large, width, high)
        low = np.where(is_open & ~too_large, width, low)
        middle = np.where(np.isinf(high), 2 * width, (low + high) / 2)
        width = np.where(is_open, middle, width)
    smallest = np.where(rho > 0, near.sum(axis=1) / k, mean)
    width = np.maximum(width, _MIN_WIDTH * smallest)
    exponent = np.divide(beyond, width[:, None], out=0 * beyond, where=width[:, None] > 0)
    weights: Floats = np.exp(-exponent)
    return weights


def walk_distances(graph: csr_array, steps: int = _STEPS) -> Floats:
    """Return distances between ROIs by random walks on a graph, condensed `(n (n - 1) / 2,)`.

    A walk goes from a ROI to a neighbour with a probability in proportion to the weight. With p
    and q the probabilities of where walks from two ROIs are after some steps, their distance is
    1 less the Bhattacharyya coefficient, the sum of sqrt(p q) over ROIs: 0 if walks end alike, 1 if
    they end in separate parts of the graph.

    Args:
        graph: `(n, n)` weights.
        steps: number of steps.
    """
    degree = graph.sum(axis=1)
    # A ROI without neighbours stays where it is.
    alone = (degree == 0).astype(np.float64)
    step = diags_array(1 / (degree + alone)) @ graph + diags_array(alone)
    after = eye_array(graph.shape[0], format="csr")
    for _ in range(steps):
        after = after @ step
    roots = np.sqrt(after.toarray()).astype(np.float32)
    alike = roots @ roots.T
    np.fill_diagonal(alike, 1.0)
    distances: Floats = squareform(1 - np.minimum(alike, 1), checks=False).astype(np.float64)
    return distances

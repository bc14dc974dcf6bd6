"""UMAP's graph of neighbours, and distances by walks on it."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform

from darksound.cluster.clusterers.neighbour_graph import (
    fuzzy_graph,
    graph_distances,
    mean_one,
    walk_distances,
)


def distances_of(n, seed=0, d=6):
    return squareform(pdist(np.random.default_rng(seed).normal(size=(n, d))))


@pytest.mark.parametrize(("n", "k"), [(30, 5), (30, 15), (12, 12)])
def test_weights_follow_the_equations_of_umap(n, k):
    distances = distances_of(n)
    directed = np.zeros((n, n))
    for i in range(n):
        others = np.argsort(distances[i])[1:k]
        beyond = distances[i, others] - distances[i, others].min()
        excess = lambda sigma, b=beyond: np.exp(-b / sigma).sum() - np.log2(k)  # noqa: E731
        directed[i, others] = np.exp(-beyond / brentq(excess, 1e-3, 1e3))
    expected = directed + directed.T - directed * directed.T
    assert fuzzy_graph(distances, k).toarray() == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(60, 5), (200, 10), (200, 15), (12, 12)])
def test_weights_are_those_of_umap_learn(n, k):
    from umap.umap_ import fuzzy_simplicial_set

    distances = distances_of(n)
    random = np.random.RandomState(0)
    theirs = fuzzy_simplicial_set(distances.astype(np.float32), k, random, "precomputed")[0]
    assert fuzzy_graph(distances, k).toarray() == pytest.approx(theirs.toarray(), abs=1e-4)


def test_walk_distances_follow_their_equation():
    rng = np.random.default_rng(3)
    weights = np.triu(rng.uniform(size=(9, 9)) * (rng.uniform(size=(9, 9)) < 0.4), 1)
    weights[8] = weights[:, 8] = 0
    weights += weights.T
    weights[8, 8] = 1  # a ROI without neighbours stays where it is
    step = weights / weights.sum(axis=1, keepdims=True)
    after = np.linalg.matrix_power(step, 3)
    expected = [1 - np.sqrt(after[i] * after[j]).sum() for i in range(9) for j in range(i + 1, 9)]
    weights[8, 8] = 0
    assert walk_distances(csr_array(weights), 3) == pytest.approx(np.array(expected), abs=1e-5)


def test_separate_parts_of_the_graph_are_at_distance_one():
    x = np.random.default_rng(1).normal(size=(40, 3))
    x[20:] += 100
    distances = squareform(graph_distances(squareform(pdist(x)), [5]))
    assert distances[:20, 20:] == pytest.approx(distances.max())
    assert distances[:20, :20].max() < distances[:20, 20:].min()


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_few_and_coinciding_rois_have_finite_distances(n):
    for distances in (distances_of(n), np.zeros((n, n))):
        found = graph_distances(distances)
        assert found.shape == (n * (n - 1) // 2,)
        assert np.isfinite(found).all()


def test_several_numbers_of_neighbours_have_equal_weight():
    distances = distances_of(40)
    parts = [mean_one(walk_distances(fuzzy_graph(distances, k))) for k in (5, 10, 15)]
    assert graph_distances(distances) == pytest.approx(np.mean(parts, axis=0))
    assert mean_one(np.array([1.0, 3.0])).tolist() == [0.5, 1.5]
    assert mean_one(np.zeros(3)).tolist() == [0, 0, 0]

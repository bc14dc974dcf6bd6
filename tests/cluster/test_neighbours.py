"""Nearest ROIs by centred cosine distance."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from darksound.cluster import neighbours
from darksound.cluster.neighbours import centre_of, find_neighbours, neighbours_within


def vectors(n, dim=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim), loc=2).astype(np.float32)


def expected(x, queries, centre=None):
    """Return distances `(q, n)` by SciPy, in float64."""
    x, queries = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, queries))
    centre = x.mean(axis=0) if centre is None else centre
    return cdist(queries.astype(np.float64) - centre, x.astype(np.float64) - centre, "cosine")


@pytest.mark.parametrize("n_queries", [1, 2, 5])
@pytest.mark.parametrize("n", [3, 1024, 1025, 5000])
def test_neighbours_are_those_of_all_distances(n, n_queries, monkeypatch):
    # Several chunks of several blocks.
    monkeypatch.setattr(neighbours, "_CHUNK_ROWS", 2048)
    x, queries = vectors(n), vectors(n_queries, seed=1)
    found = find_neighbours(x, queries, 10)
    distances = expected(x, queries)
    order = np.argsort(distances, axis=1)[:, :10]
    np.testing.assert_array_equal(found.rows, order)
    nearest = np.take_along_axis(distances, order, axis=1)
    np.testing.assert_allclose(found.distances, nearest, atol=2e-6)


def test_the_numbers_of_queries_and_threads_change_nothing(monkeypatch):
    x = vectors(3000)
    whole = find_neighbours(x, x[:50], 5)
    monkeypatch.setattr(neighbours, "usable_threads", lambda: 3)
    monkeypatch.setattr(neighbours, "_BATCH", 7)
    parts = find_neighbours(x, x[:50], 5)
    np.testing.assert_array_equal(parts.rows, whole.rows)


def test_memory_mapped_half_precision_embeddings_are_compared(tmp_path):
    x = vectors(300).astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    found = find_neighbours(np.load(tmp_path / "x.npy", mmap_mode="r"), x[7:8], 3)
    assert found.rows[0, 0] == 7
    assert found.distances[0, 0] == pytest.approx(0, abs=1e-6)


def test_the_centre_of_a_large_set_is_that_of_evenly_spaced_stretches(monkeypatch):
    x = vectors(5000)
    exact = centre_of(x)
    np.testing.assert_allclose(exact, (x / np.linalg.norm(x, axis=1)[:, None]).mean(0), rtol=1e-5)
    monkeypatch.setattr(neighbours, "_STRETCH", 16)
    sampled = centre_of(x)
    assert not np.array_equal(sampled, exact)
    np.testing.assert_allclose(sampled, exact, atol=0.02)


def test_other_rows_of_the_same_set_are_found_without_the_row_itself():
    x = vectors(60)
    rows = np.arange(5, 60, 3)
    found = neighbours_within(x, rows, 4)
    distances = expected(x, x)[np.ix_(rows, rows)]
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(found.rows, rows[np.argsort(distances, axis=1)[:, :4]])
    assert neighbours_within(x, rows[:3], 8).rows.shape == (3, 2)
    assert neighbours_within(x, rows[:1], 8).rows.shape == (1, 0)
    assert neighbours_within(x, rows[:0], 8).rows.shape == (0, 0)


def test_equal_and_zero_vectors_have_neighbours():
    x = np.ones((6, 4), np.float32)
    found = neighbours_within(x, np.arange(6), 2)
    assert all(row not in others for row, others in enumerate(found.rows.tolist()))
    x[0] = 0
    assert np.isfinite(find_neighbours(x, x, 3).distances).all()
    assert find_neighbours(x[:0], x, 3).rows.shape == (6, 0)

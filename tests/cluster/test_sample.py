"""Reduction by a sample: who is drawn, and where the others end up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score

from darksound.cluster.clusterers import cluster
from darksound.cluster.reducers import pca
from darksound.cluster.reducers.base import leading_axes
from darksound.cluster.reducers.pca import principal_components
from darksound.cluster.reducers.sample import by_sample, stratified_sample
from darksound.cluster.reducers.umap import umap
from darksound.settings import ClusteringSettings, Settings


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    """3,000 vectors of 20 groups in 80 dimensions, one of them of 6, and their groups."""
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(20), [*[157] * 18, 168, 6])
    centres = rng.standard_normal((20, 80))
    x = centres[labels] + 0.15 * rng.standard_normal((len(labels), 80))
    order = rng.permutation(len(labels))
    return x[order].astype(np.float32), labels[order]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=300), st.data())
def test_every_cell_is_drawn_from_and_none_gets_much_more_than_its_share(
    cells: list[int], data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(cells) - 1))
    numbers = np.array(cells)
    drawn = stratified_sample(numbers, size, 3)
    assert len(set(drawn.tolist())) == len(drawn)
    assert (np.diff(drawn) > 0).all()
    assert size <= len(drawn) <= size + len(set(cells))
    for cell in set(cells):
        members = cells.count(cell)
        got = int((numbers[drawn] == cell).sum())
        assert 1 <= got <= min(members, members * size / len(cells) + 1)


def test_leading_axes_are_those_of_the_singular_value_decomposition(groups) -> None:
    x, _ = groups
    axes = leading_axes(x, 12)
    right = np.linalg.svd(x.astype(np.float64), full_matrices=False)[2][:12].T
    np.testing.assert_allclose(np.abs((axes * right).sum(0)), 1, atol=1e-4)
    np.testing.assert_allclose(axes.T @ axes, np.eye(12), atol=1e-5)


def test_the_sample_lies_where_the_reducer_put_it_and_the_rest_among_its_own(groups) -> None:
    x, labels = groups
    seen: list[np.ndarray] = []

    def fit(part: np.ndarray) -> np.ndarray:
        seen.append(part)
        return part[:, :6]

    placed = by_sample(x, 600, 11, fit)
    assert placed.shape == (len(x), 6)
    (part,) = seen
    assert part.shape[1] == 50
    assert 600 <= len(part) < 1200
    exact = x @ leading_axes(x, 50)
    sampled = (np.abs(placed - exact[:, :6]).max(1)) < 1e-5
    assert sampled.sum() == len(part)
    # The others lie nearer to their own group than to any other.
    centres = np.stack([exact[labels == k, :6].mean(0) for k in range(20)])
    nearest = np.linalg.norm(placed[:, None] - centres[None], axis=2).argmin(1)
    true = np.linalg.norm(exact[:, None, :6] - centres[None], axis=2).argmin(1)
    assert (nearest == labels)[~sampled].mean() >= (true == labels)[~sampled].mean() - 0.01
    assert set(labels[sampled].tolist()) == set(range(20))


def test_the_same_seed_gives_the_same_coordinates(groups) -> None:
    x, _ = groups
    one, two, other = (by_sample(x, 300, seed, lambda part: part[:, :3]) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_umap_on_leading_axes_keeps_the_groups_apart(groups) -> None:
    x, labels = groups
    how = Settings().replace(reduction={"pca_above": 2000, "repeats": 1}).reduction
    placed = umap(x, how, 5, lambda sentence: None)
    assert not np.array_equal(placed, umap(x, how.model_copy(update={"pca_above": 3000}), 5, print))
    found = cluster(placed, ClusteringSettings(method="hdbscan"))
    assert adjusted_mutual_info_score(labels, found.labels) > 0.95


def test_principal_components_of_many_rois_are_those_of_few(groups, monkeypatch) -> None:
    x, _ = groups
    how = Settings().replace(reduction={"n_components": 7}).reduction
    whole = principal_components(x + 2, how, 0, print)
    monkeypatch.setattr(pca, "_DECOMPOSED_UP_TO", 100)
    np.testing.assert_allclose(principal_components(x + 2, how, 0, print), whole, atol=1e-4)


def test_umap_fitted_on_a_sample_keeps_the_groups_apart(groups) -> None:
    x, labels = groups
    sentences: list[str] = []
    how = Settings().replace(reduction={"max_fit_samples": 1000, "repeats": 1}).reduction
    placed = umap(x, how, 5, sentences.append)
    assert any("fitted on 1,000 of 3,000 ROIs" in sentence for sentence in sentences)
    found = cluster(placed, ClusteringSettings(method="hdbscan"))
    assert adjusted_mutual_info_score(labels, found.labels) > 0.95

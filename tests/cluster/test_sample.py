"""Reduction by a sample: stratified sampling, and interpolation of the other ROIs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score

from darksound.cluster.notes import ignore_note
from darksound.cluster.reducers import pca
from darksound.cluster.reducers.base import principal_axes
from darksound.cluster.reducers.sample import reduce_by_sample, stratified_sample
from darksound.cluster.reducers.umap import Umap
from darksound.cluster.structure import cluster
from darksound.settings import ClusteringSettings, ReductionSettings


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    """3,000 vectors of 20 groups in 80 dimensions, one of them of 6, and their groups."""
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(20), [*[157] * 18, 168, 6])
    centres = rng.standard_normal((20, 80))
    x = centres[labels] + 0.15 * rng.standard_normal((len(labels), 80))
    order = rng.permutation(len(labels))
    return x[order].astype(np.float32), labels[order]


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=300), st.data())
def test_the_sample_has_rows_of_every_cell_in_proportion(
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
        n_drawn = int((numbers[drawn] == cell).sum())
        assert 1 <= n_drawn <= min(members, members * size / len(cells) + 1)


def test_leading_axes_are_those_of_the_singular_value_decomposition(groups) -> None:
    x, _ = groups
    axes = principal_axes(x, 12)
    right = np.linalg.svd(x.astype(np.float64), full_matrices=False)[2][:12].T
    np.testing.assert_allclose(np.abs((axes * right).sum(0)), 1, atol=1e-4)
    np.testing.assert_allclose(axes.T @ axes, np.eye(12), atol=1e-5)


def test_sampled_rows_keep_their_coordinates_and_others_are_near_their_group(groups) -> None:
    x, labels = groups
    samples: list[np.ndarray] = []

    def fit(part: np.ndarray) -> np.ndarray:
        samples.append(part)
        return part[:, :6]

    reduced = reduce_by_sample(x, 600, 11, fit)
    assert reduced.shape == (len(x), 6)
    (part,) = samples
    assert part.shape[1] == 50
    assert 600 <= len(part) < 1200
    exact = x @ principal_axes(x, 50)
    sampled = (np.abs(reduced - exact[:, :6]).max(1)) < 1e-5
    assert sampled.sum() == len(part)
    # The other rows are nearest to the centre of their own group.
    centres = np.stack([exact[labels == k, :6].mean(0) for k in range(20)])
    nearest = np.linalg.norm(reduced[:, None] - centres[None], axis=2).argmin(1)
    true = np.linalg.norm(exact[:, None, :6] - centres[None], axis=2).argmin(1)
    assert (nearest == labels)[~sampled].mean() >= (true == labels)[~sampled].mean() - 0.01
    assert set(labels[sampled].tolist()) == set(range(20))


def test_the_same_seed_gives_the_same_coordinates(groups) -> None:
    x, _ = groups
    first, again, other = (
        reduce_by_sample(x, 300, seed, lambda part: part[:, :3]) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_umap_on_leading_axes_keeps_the_groups_apart(groups) -> None:
    x, labels = groups
    settings = ReductionSettings(pca_above=2000, repeats=1)
    reduced = Umap().reduce(x, settings, 5, ignore_note)
    in_all_dimensions = Umap().reduce(x, settings.replace(pca_above=3000), 5, ignore_note)
    assert not np.array_equal(reduced, in_all_dimensions)
    clustering = cluster(reduced, ClusteringSettings(method="hdbscan"))
    assert adjusted_mutual_info_score(labels, clustering.labels) > 0.95


def test_principal_components_of_many_rois_are_those_of_few(groups, monkeypatch) -> None:
    x, _ = groups
    settings = ReductionSettings(n_components=7)
    pca_reducer = pca.PrincipalComponents()
    by_svd = pca_reducer.reduce(x + 2, settings, 0, ignore_note)
    monkeypatch.setattr(pca, "_MAX_SVD_ROWS", 100)
    by_moments = pca_reducer.reduce(x + 2, settings, 0, ignore_note)
    np.testing.assert_allclose(by_moments, by_svd, atol=1e-4)


def test_umap_fitted_on_a_sample_keeps_the_groups_apart(groups) -> None:
    x, labels = groups
    sentences: list[str] = []
    settings = ReductionSettings(max_fit_samples=1000, repeats=1)
    reduced = Umap().reduce(x, settings, 5, sentences.append)
    assert any("fitted on a sample of 1,000 of 3,000 ROIs" in sentence for sentence in sentences)
    clustering = cluster(reduced, ClusteringSettings(method="hdbscan"))
    assert adjusted_mutual_info_score(labels, clustering.labels) > 0.95

"""Maps: which method draws them, how well they keep neighbours, and that they depend on little."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from threadpoolctl import threadpool_limits

from darksound.cluster import maps
from darksound.cluster.maps import MAP_METHODS, map_coordinates, map_method
from darksound.settings import ReductionSettings, Settings

AUTO = ReductionSettings()


def blobs(n, d=24, groups=6, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, d))
    return (centres[np.arange(n) % groups] + 0.4 * rng.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize(
    ("sections", "n", "method"),
    [
        ({}, 7, "pca"),
        ({}, 8, "tsne"),
        ({}, 5_000, "tsne"),
        ({}, 5_001, "umap"),
        ({"clustering": {"max_linkage_samples": 20_000}}, 5_000, "tsne"),
        ({"clustering": {"max_linkage_samples": 20_000}}, 5_001, "umap"),
        # UMAP is the reducer, so its compilation is paid.
        ({"reduction": {"method": "umap"}}, 100, "umap"),
        ({"reduction": {"n_neighbors": 30}}, 100, "umap"),
        ({"clustering": {"method": "hdbscan"}}, 100, "umap"),
        ({"reduction": {"method": "umap"}}, 7, "pca"),
        ({"reduction": {"method": "pca"}}, 100_000, "pca"),
        ({"reduction": {"method": "none"}}, 100, "pca"),
        ({"reduction": {"method": "sklearn.decomposition.PCA"}}, 100, "tsne"),
        ({"reduction": {"method": "sklearn.decomposition.PCA"}}, 5_001, "umap"),
    ],
)
def test_the_method_follows_the_reducer_and_the_number_of_rois(sections, n, method):
    assert map_method(Settings().replace(**sections), n) == method


def test_tsne_keeps_neighbours_better_than_principal_components():
    x = blobs(240)
    by_tsne, by_pca = (map_coordinates([x], method, AUTO, 3)[0] for method in ("tsne", "pca"))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    kept, kept_by_pca = (trustworthiness(unit, y, n_neighbors=10) for y in (by_tsne, by_pca))
    assert kept > 0.95 > kept_by_pca
    nearest = [np.argsort(np.linalg.norm(by_tsne - point, axis=1))[1] for point in by_tsne]
    assert (np.array(nearest) % 6 == np.arange(240) % 6).mean() > 0.99


def test_maps_by_principal_components_are_those_of_scikit_learn():
    x = blobs(40)
    ours = map_coordinates([x], "pca", AUTO.replace(normalise="none"), 3)[0]
    theirs = PCA(2, svd_solver="full").fit_transform(x)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize(("n", "d"), [(1, 5), (2, 1), (5, 5), (8, 1), (40, 5)])
def test_maps_have_two_finite_coordinates_whatever_the_number(n, d, method):
    (coordinates,) = map_coordinates([blobs(n, d)], method, AUTO, 3)
    assert coordinates.shape == (n, 2)
    assert coordinates.dtype == np.float32
    assert np.isfinite(coordinates).all()


def test_umap_draws_a_map_with_the_settings_of_the_reduction(monkeypatch):
    used = []

    def record(embeddings, settings, seed, **_):
        used.append(settings)
        return embeddings[:, : settings.n_components]

    monkeypatch.setattr(maps, "reduce", record)
    settings = AUTO.replace(parameters={"whiten": True}, n_neighbors=7, spread=0.05)
    assert map_coordinates([blobs(60)], "umap", settings, 3)[0].shape == (60, 2)
    assert (used[0].method, used[0].parameters, used[0].n_neighbors) == ("umap", {}, 7)
    assert used[0].min_dist == 0.05


@pytest.mark.parametrize("method", MAP_METHODS)
def test_rois_with_equal_embeddings_are_at_the_origin(method):
    equal = np.tile(blobs(1), (30, 1))
    equal[3] *= np.float32(1 + 1e-7)
    (coordinates,) = map_coordinates([equal], method, AUTO, 3)
    assert (coordinates == 0).all()


def test_copies_of_a_roi_are_at_the_same_place():
    x = blobs(60)
    x[40:] = x[:20]
    (coordinates,) = map_coordinates([x], "tsne", AUTO, 3)
    gaps = np.linalg.norm(coordinates[40:] - coordinates[:20], axis=1)
    assert gaps.max() < 1e-2 * coordinates.std()


def test_maps_have_the_same_bits_alone_and_together_whatever_the_number_of_threads():
    sets = [blobs(n, 16, seed=n) for n in (150, 170)]
    alone = [map_coordinates([x], "tsne", AUTO, 1)[0] for x in sets]
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            with threadpool_limits(threads):
                together = map_coordinates(sets, "tsne", AUTO, 1)
            for ours, theirs in zip(together, alone, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    finally:
        torch.set_num_threads(before)

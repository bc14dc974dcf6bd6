"""The embedding map that is fitted after pretraining, against formulas and scikit-learn."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.decomposition import PCA

from darksound.errors import SettingsError
from darksound.meta.backbones.small import SmallCNN
from darksound.meta.pretraining.embedding_map import fit_embedding_map

Pairs = npt.NDArray[np.float32]


@pytest.fixture
def pairs() -> Pairs:
    """Two recordings each of 600 species; half of the features depend on the place too."""
    rng = np.random.default_rng(3)
    species = rng.normal(size=(600, 6)) * [3, 2, 2, 1, 1, 1]
    place = rng.normal(size=(2, 600, 1)) * [5, -4, 3, 0, 0, 0]
    features = species + place + 0.2 * rng.normal(size=(2, 600, 6)) + 7
    return features.astype(np.float32)


def _embed(pairs: Pairs, shrinkage: float, dim: int = 6) -> npt.NDArray[np.float64]:
    embedding_map = fit_embedding_map(
        [pairs[:, :200], pairs[:, 200:]], dim, shrinkage=shrinkage, squared_distance=16.0
    )
    return (pairs - embedding_map.mean) @ embedding_map.matrix


def test_without_shrinkage_the_within_species_covariance_is_spherical(pairs: Pairs) -> None:
    embeddings = _embed(pairs, 1e-9)
    differences = embeddings[0] - embeddings[1]
    covariance = differences.T @ differences / len(differences)
    np.testing.assert_allclose(covariance, covariance[0, 0] * np.eye(6), atol=1e-6)


def test_with_full_shrinkage_it_is_pca_of_standardised_features(pairs: Pairs) -> None:
    embeddings = _embed(pairs, 1.0, dim=4).reshape(-1, 4)
    flat = pairs.reshape(-1, 6).astype(np.float64)
    oracle = PCA(4).fit_transform((flat - flat.mean(0)) / flat.std(0))
    sizes = np.abs(embeddings) / np.abs(oracle)
    np.testing.assert_allclose(sizes, sizes[0, 0], rtol=1e-6)


def test_with_fewer_recordings_than_features_it_is_the_formula() -> None:
    rng = np.random.default_rng(4)
    mixing = rng.normal(size=(12, 90))
    pairs = rng.normal(size=(30, 12)) @ mixing + rng.normal(size=(2, 30, 12)) @ mixing[::-1] / 2
    embedding_map = fit_embedding_map(
        [pairs.astype(np.float32)], 8, shrinkage=0.3, squared_distance=16.0
    )
    embeddings = (pairs.reshape(60, 90) - embedding_map.mean) @ embedding_map.matrix

    flat = pairs.reshape(60, 90)
    standardised = (flat - flat.mean(0)) / flat.std(0)
    differences = standardised[:30] - standardised[30:]
    within = differences.T @ differences / 60
    shrunk = 0.7 * within + 0.3 * np.trace(within) / 90 * np.eye(90)
    oracle = PCA(8).fit_transform(standardised @ np.linalg.inv(sqrtm(shrunk).real))
    products = [vectors @ vectors.T / np.square(vectors).sum() for vectors in (embeddings, oracle)]
    np.testing.assert_allclose(products[0], products[1], atol=1e-6)


def test_as_many_dimensions_as_recordings_are_finite() -> None:
    pairs = np.random.default_rng(5).normal(size=(2, 8, 40)).astype(np.float32)
    embedding_map = fit_embedding_map([pairs], 16, shrinkage=0.9, squared_distance=16.0)
    assert np.isfinite(embedding_map.matrix).all()
    assert np.isfinite(embedding_map.spread).all()


def test_the_mean_squared_distance_is_as_requested(pairs: Pairs) -> None:
    flat = _embed(pairs, 0.5).reshape(-1, 6)
    distances = np.square(flat[:, None] - flat[None]).sum(-1)
    assert distances.mean() == pytest.approx(16.0, rel=1e-6)


def test_recordings_of_a_species_are_close_together(pairs: Pairs) -> None:
    def nearest_is_partner(vectors: npt.NDArray[np.float64]) -> float:
        distances = np.square(vectors[0][:, None] - vectors[1][None]).sum(-1)
        return float((distances.argmin(1) == np.arange(len(distances))).mean())

    assert nearest_is_partner(_embed(pairs, 0.1)) > 2 * nearest_is_partner(_embed(pairs, 1.0))


def test_constant_features_are_ignored_and_too_few_are_refused(pairs: Pairs) -> None:
    constant = np.concatenate([pairs, np.full_like(pairs[:, :, :2], 5)], axis=2)
    embedding_map = fit_embedding_map([constant], 6, shrinkage=0.9, squared_distance=16.0)
    assert np.all(embedding_map.matrix[6:] == 0)
    with pytest.raises(SettingsError, match=r"of 6 features that vary; set a smaller backbone"):
        fit_embedding_map([constant], 7, shrinkage=0.9, squared_distance=16.0)


def test_the_small_cnn_embeds_by_the_map_in_both_modes_of_its_last_norm(pairs: Pairs) -> None:
    torch.manual_seed(0)
    network = SmallCNN((2, 2, 4, 4), dim=16).eval()
    images = torch.rand(64, 3, 96, 192)
    with torch.inference_mode():
        features = network.pooled_features(images).double().numpy()
        embedding_map = fit_embedding_map(
            [np.stack([features[:32], features[32:]])], 16, shrinkage=0.9, squared_distance=16.0
        )
        network.set_embedding_map(embedding_map)
        expected = (features - embedding_map.mean) @ embedding_map.matrix
        np.testing.assert_allclose(network(images).numpy(), expected, atol=2e-3)
        network.norm.train()
        np.testing.assert_allclose(network(images).numpy(), expected, atol=2e-3)

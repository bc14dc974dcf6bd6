"""fast_hdbscan and EVoC compared with HDBSCAN, and their errors."""

import sys

import numpy as np
import pytest

from darksound.cluster.clusterers.fast_hdbscan import CondensedTree
from darksound.cluster.metrics import (
    adjusted_mutual_information,
    adjusted_rand,
    noise_as_singletons,
)
from darksound.cluster.structure import cluster
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

# Reduced embeddings, or embeddings.
DIMENSIONS = {"fast_hdbscan": 10, "evoc": 64}


def blobs(sizes, d=8, spread=0.15, seed=0, stray=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(sizes), d))[groups] + spread * rng.normal(size=(len(groups), d))
    return np.vstack([x, 3 * rng.normal(size=(stray, d))]), groups


# The first import compiles for a minute, that of EVoC for several, and longer on a busy machine.
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(params=["fast_hdbscan", pytest.param("evoc", marks=pytest.mark.slow)])
def method(request) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


def test_clusters_agree_with_hdbscan(method):
    x, groups = blobs([200] * 8, d=DIMENSIONS[method])
    settings = ClusteringSettings(method=method, min_cluster_size=20)
    clustering = cluster(x, settings)
    reference = cluster(x, ClusteringSettings(method="hdbscan", min_cluster_size=20))
    assert adjusted_rand(groups, reference.labels) > 0.99
    assert (
        adjusted_mutual_information(noise_as_singletons(clustering.labels), reference.labels) > 0.99
    )
    again = cluster(x, settings)
    for name, value in vars(clustering).items():
        np.testing.assert_array_equal(value, getattr(again, name), err_msg=name)


@pytest.mark.parametrize("n", [4, 9])
def test_few_rois_can_be_clustered(n, method):
    clustering = cluster(blobs([n])[0], ClusteringSettings(method=method))
    assert len(clustering.labels) == n
    assert clustering.labels.max() + 1 == clustering.n_clusters


def test_coinciding_rois_can_be_clustered(method, capfd):
    x = np.repeat(blobs([1] * 6, d=8)[0], 12, axis=0)
    clustering = cluster(x, ClusteringSettings(method=method))
    assert clustering.n_clusters >= 6
    assert np.isfinite(clustering.outlier_score).all()
    assert np.isfinite(clustering.persistence).all()
    assert capfd.readouterr() == ("", "")


def test_fast_hdbscan_uses_the_settings_of_hdbscan():
    pytest.importorskip("fast_hdbscan")
    x, _ = blobs([40, 40, 40], d=8, spread=0.3)
    for values in (
        {"min_cluster_size": 45, "allow_single_cluster": True},
        {"cluster_selection_epsilon": 50.0},
        {"max_cluster_size": 24},
        {"cluster_selection_method": "leaf"},
    ):
        reference = cluster(x, ClusteringSettings(method="hdbscan", **values))
        clustering = cluster(x, ClusteringSettings(method="fast_hdbscan", **values))
        assert clustering.n_clusters == pytest.approx(reference.n_clusters, abs=1), values


@pytest.mark.parametrize(
    ("method", "values", "dimensions", "message"),
    [
        ("fast_hdbscan", {"metric": "cosine"}, 4, "has euclidean only"),
        ("fast_hdbscan", {"alpha": 2.0}, 4, "fast_hdbscan does not have it"),
        ("fast_hdbscan", {}, 31, "at most 30 dimensions, and there are 31"),
        (
            "evoc",
            {"cluster_selection_method": "leaf"},
            4,
            "evoc has no clustering.cluster_sel",
        ),
        (
            "evoc",
            {"cluster_selection_epsilon": 1.0},
            4,
            "evoc has no clustering.cluster_sel",
        ),
    ],
)
def test_unsupported_settings_are_errors(method, values, dimensions, message):
    x, _ = blobs([10, 10], d=dimensions)
    with pytest.raises(SettingsError, match=message):
        cluster(x, ClusteringSettings(method=method, **values))


@pytest.mark.parametrize("name", ["evoc", "fast_hdbscan"])
def test_the_error_about_a_missing_package_has_the_install_command(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    extra = name.replace("_", "-")
    with pytest.raises(SettingsError, match=rf"not installed.*darksound\[{extra}\]"):
        cluster(blobs([10, 10])[0], ClusteringSettings(method=name))


@pytest.mark.parametrize("selection", ["eom", "leaf"])
def test_a_condensed_tree_has_the_outlier_scores_and_persistence_of_hdbscan(selection):
    from hdbscan import HDBSCAN

    for seed in range(5):
        x, _ = blobs([90, 30, 60, 12], d=4, spread=0.5, seed=seed, stray=20)
        model = HDBSCAN(min_cluster_size=5, min_samples=3, cluster_selection_method=selection)
        rows = model.fit(x).condensed_tree_.to_numpy()
        tree = CondensedTree(
            rows["parent"].astype(np.int64),
            rows["child"].astype(np.int64),
            rows["lambda_val"],
            rows["child_size"].astype(np.int64),
        )
        np.testing.assert_allclose(tree.outlier_scores(), model.outlier_scores_, atol=1e-12)
        persistence = tree.persistence(model.labels_.astype(np.int64))
        np.testing.assert_allclose(persistence, model.cluster_persistence_, atol=1e-12)
        assert persistence.size > 1

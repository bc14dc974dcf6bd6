"""The contract of clusterers, for every registered one and for scikit-learn's."""

import numpy as np
import pytest

from darksound.cluster.clusterers import CLUSTERERS
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.estimators import resolve_clusterer
from darksound.cluster.metrics import adjusted_rand
from darksound.cluster.structure import cluster
from darksound.settings import ClusteringSettings

#: Packages of clusterers that are extras.
EXTRAS = {"fast_hdbscan": "fast_hdbscan", "evoc": "evoc"}
#: The first use compiles for minutes.
SLOW = {"evoc"}
#: Clusterers by import path, with the parameters that find three blobs.
ESTIMATORS = {
    "sklearn.cluster.KMeans": {"n_clusters": 3},
    "sklearn.cluster.AgglomerativeClustering": {"n_clusters": 3},
    "sklearn.cluster:HDBSCAN": {"min_cluster_size": 5, "min_samples": 3, "copy": True},
    "sklearn.cluster.DBSCAN": {"eps": 3.0},
}
#: Random numbers for each row: the result depends on the order of rows, and a few copies differ.
RANDOM_PER_ROW = {"evoc"}
#: Splits blobs unless the smallest cluster is about half a blob.
MIN_CLUSTER_SIZE = {"evoc": 30}
#: One cluster per density or k: two blobs need two.
TWO_BLOBS = {
    "sklearn.cluster.KMeans": {"n_clusters": 2},
    "sklearn.cluster.AgglomerativeClustering": {"n_clusters": 2},
}

# The first import of an extra compiles for minutes, and longer on a busy machine.
pytestmark = pytest.mark.timeout(1800)

SIZES = (60, 45, 30)


def _marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if name in SLOW else []


@pytest.fixture(
    params=[pytest.param(name, marks=_marks(name)) for name in (*CLUSTERERS, *ESTIMATORS)]
)
def settings(request) -> ClusteringSettings:
    if request.param in EXTRAS:
        pytest.importorskip(EXTRAS[request.param])
    return ClusteringSettings(method=request.param, parameters=ESTIMATORS.get(request.param, {}))


def blobs(sizes=SIZES, d=8, stray=0, seed=3) -> tuple[np.ndarray, np.ndarray]:
    """Groups that lie far apart, in random order, and their numbers; -1 for stray rows."""
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.full(stray, -1)])
    # Orthogonal centres are far apart by distances and by angles.
    centres = 10 * np.eye(len(sizes), d)
    x = centres[groups] + 0.5 * rng.normal(size=(len(groups), d))
    x[groups < 0] = 40 * rng.normal(size=(stray, d))
    order = rng.permutation(len(groups))
    return x[order], groups[order]


def with_min_size(settings: ClusteringSettings) -> ClusteringSettings:
    """The settings with which clear blobs are not split."""
    if settings.method in MIN_CLUSTER_SIZE:
        return settings.replace(min_cluster_size=MIN_CLUSTER_SIZE[settings.method])
    return settings


def assert_equal(first: Clustering, second: Clustering) -> None:
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(second, name), err_msg=name)


def test_labels_are_numbered_by_size_and_noise_is_minus_1(settings):
    x, _ = blobs(stray=12)
    result = cluster(x, settings)
    sizes = np.bincount(result.labels[result.labels >= 0])
    assert result.labels.dtype == np.int64
    assert result.labels.min() >= -1
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert (sizes > 0).all()
    assert len(sizes) == result.n_clusters >= 2


def test_probability_outlier_score_and_persistence_are_shares(settings):
    x, _ = blobs(stray=12)
    result = cluster(x, settings)
    n = len(x)
    assert result.labels.shape == result.probability.shape == result.outlier_score.shape == (n,)
    assert result.persistence.shape == (result.n_clusters,)
    for value in (result.probability, result.outlier_score, result.persistence):
        assert value.dtype == np.float64
        assert 0 <= value.min() <= value.max() <= 1
    assert (result.probability[result.labels == -1] == 0).all()
    assert result.probability[result.labels >= 0].max() > 0.9


def test_clear_blobs_are_found(settings):
    x, groups = blobs((120, 90, 60))
    labels = cluster(x, with_min_size(settings)).labels
    inside = labels >= 0
    assert inside.mean() > 0.7
    assert adjusted_rand(groups[inside], labels[inside]) == 1


def test_two_clear_blobs_are_found(settings):
    if settings.method in TWO_BLOBS:
        settings = settings.replace(parameters=TWO_BLOBS[settings.method])
    x, groups = blobs((40, 60))
    labels = cluster(x, with_min_size(settings)).labels
    inside = labels >= 0
    assert set(labels[inside]) == {0, 1}
    assert inside.mean() > 0.7
    assert adjusted_rand(groups[inside], labels[inside]) == 1


def test_the_order_of_rows_does_not_change_the_partition(settings):
    if settings.method in RANDOM_PER_ROW:
        pytest.skip("it draws random numbers for each row")
    x, _ = blobs()
    order = np.random.default_rng(5).permutation(len(x))
    labels, permuted = cluster(x, settings).labels, cluster(x[order], settings).labels
    assert (labels[order] == permuted).all()


def test_copies_of_a_row_are_in_the_same_cluster(settings):
    x, _ = blobs()
    labels = cluster(np.concatenate([x, x, x]), settings).labels.reshape(3, len(x))
    same = (labels == labels[0]).all(0)
    assert same.mean() > 0.9 if settings.method in RANDOM_PER_ROW else same.all()


def test_the_same_seed_gives_the_same_result(settings):
    x, _ = blobs(stray=12)
    assert_equal(cluster(x, settings, 11), cluster(x.copy(), settings, 11))


def test_the_input_is_not_changed(settings):
    x, _ = blobs()
    before = x.copy()
    cluster(x, settings)
    np.testing.assert_array_equal(x, before)


def test_four_rois_can_be_clustered(settings):
    result = cluster(blobs((2, 2))[0], settings)
    assert len(result.labels) == 4
    assert result.labels.max() + 1 == result.n_clusters


def test_facts_about_the_clusterer(settings):
    clusterer = resolve_clusterer(settings)
    assert isinstance(clusterer.needs_reduction, bool)
    assert clusterer.noise_reason.format(size=9).endswith(".")
    assert set(clusterer.unsupported_settings) <= set(ClusteringSettings.model_fields)
    size = clusterer.min_cluster_size(settings, 1000)
    assert size is None or 2 <= size <= 500

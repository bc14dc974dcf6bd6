"""DBSCAN compared with scikit-learn and kneed called by hand, its radius and its scores."""

import numpy as np
import pytest
from kneed import KneeLocator
from sklearn.cluster import DBSCAN
from sklearn.neighbors import NearestNeighbors

from darksound.cluster.clusterers.dbscan import Dbscan
from darksound.cluster.structure import cluster, find_clusters, resolve_methods
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings, Settings

KNEE = ClusteringSettings(method="dbscan")


def blobs(sizes=(80, 60, 50), d=5, stray=20, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    x = 3 * rng.normal(size=(len(sizes), d))[groups] + 0.4 * rng.normal(size=(len(groups), d))
    return np.vstack([x, 6 * rng.normal(size=(stray, d))])


def by_hand(x, column, k):
    """The radius at the knee and the labels; columns of neighbours begin with the ROI itself."""
    distances, _ = NearestNeighbors(n_neighbors=k).fit(x).kneighbors(x)
    curve = np.sort(distances, axis=0)[:, column]
    locator = KneeLocator(
        x=np.arange(len(curve)),
        y=curve,
        interp_method="polynomial",
        curve="convex",
        direction="increasing",
    )
    eps = float(locator.knee_y)
    return eps, DBSCAN(eps=eps, min_samples=k).fit(x).labels_


def same_partition(first, second):
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    noise = {pair for pair in pairs if -1 in pair}
    return len(pairs) == len(set(first)) == len(set(second)) and noise <= {(-1, -1)}


@pytest.mark.parametrize(("eps", "column"), [("knee", -1), ("nearest_knee", 1)])
@pytest.mark.parametrize("d", [2, 5, 10])
def test_labels_are_those_of_scikit_learn_with_the_radius_of_kneed(eps, column, d):
    x = blobs(d=d)
    radius, expected = by_hand(x, column, 2 * d - 1)
    result = Dbscan().cluster(x, KNEE.replace(eps=eps), 0)
    assert same_partition(result.labels, expected)
    explicit = KNEE.replace(eps=radius, min_samples=2 * d - 1)
    assert (Dbscan().cluster(x, explicit, 0).labels == result.labels).all()
    changed = KNEE.replace(eps=radius * 0.7, min_samples=2 * d - 1)
    assert (Dbscan().cluster(x, changed, 0).labels != result.labels).any()


def test_the_nearest_neighbour_gives_a_smaller_radius_and_more_noise():
    x = blobs()
    knee, nearest = (cluster(x, KNEE.replace(eps=eps)) for eps in ("knee", "nearest_knee"))
    assert nearest.coverage < knee.coverage
    assert by_hand(x, 1, 9)[0] < by_hand(x, -1, 9)[0]


def test_core_points_have_outlier_score_0_and_stray_ones_a_higher_one():
    x = blobs()
    radius = np.sort(NearestNeighbors(n_neighbors=9).fit(x).kneighbors(x)[0], axis=1)[:, -1]
    result = cluster(x, KNEE.replace(eps=1.0))
    assert result.outlier_score == pytest.approx(1 - np.minimum(1, 1 / radius))
    core = DBSCAN(eps=1.0, min_samples=9).fit(x).core_sample_indices_
    assert (np.flatnonzero(result.outlier_score == 0) == core).all()
    assert (result.probability == (result.labels >= 0)).all()
    assert result.outlier_score[result.labels < 0].min() > 0


def test_equal_distances_without_a_knee_give_one_cluster():
    ring = np.exp(2j * np.pi * np.arange(40) / 40)
    result = cluster(np.stack([ring.real, ring.imag], axis=1), KNEE)
    assert (result.labels == 0).all()


def test_copies_need_no_radius():
    x = np.repeat(np.eye(4), 20, axis=0)
    for eps in ("knee", "nearest_knee"):
        result = cluster(x, KNEE.replace(eps=eps))
        assert [result.n_clusters, result.coverage] == [4, 1]


def test_few_rois_and_one_min_sample():
    for n in (4, 6):
        assert len(cluster(blobs((n,), stray=0), KNEE).labels) == n
    lone = cluster(blobs((10,), stray=0), KNEE.replace(min_samples=1, eps=1e-6))
    assert lone.n_clusters == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_cluster_size": 5}, "dbscan has no clustering.min_cluster_size"),
        ({"metric": "taxi"}, "'taxi'; DBSCAN has euclidean"),
    ],
)
def test_settings_that_it_does_not_have_are_errors(changes, message):
    with pytest.raises(SettingsError, match=message):
        cluster(blobs(), KNEE.replace(**changes))


@pytest.mark.parametrize("method", ["hdbscan", "linkage", "fast_hdbscan", "evoc"])
def test_other_clusterers_have_no_radius(method):
    with pytest.raises(SettingsError, match=rf"{method} has no clustering.eps"):
        cluster(blobs(), ClusteringSettings(method=method, eps=0.5))


def test_without_clusters_the_note_names_the_settings_of_dbscan():
    notes: list[str] = []
    settings = Settings().replace(
        clustering={"method": "dbscan", "eps": 1e-3}, reduction={"method": "none"}
    )
    resolved = resolve_methods(settings)
    assert (resolved.reduction.method, resolved.clustering) == ("none", settings.clustering)
    find_clusters(blobs().astype(np.float32), settings, note=notes.append)
    assert "Raise clustering.eps, or lower clustering.min_samples" in notes[0]

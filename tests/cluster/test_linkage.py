"""Average linkage: the cut with the highest score, and probabilities and outlier scores."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import silhouette_samples

from darksound.cluster.clusterers.linkage import AverageLinkage
from darksound.cluster.clusterers.neighbour_graph import graph_distances
from darksound.cluster.metrics import adjusted_rand
from darksound.cluster.structure import (
    cluster,
    find_clusters,
    resolve_methods,
    uses_reducer,
    why_noise,
)
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings, Settings, load_settings

LINKAGE = ClusteringSettings(method="linkage")


def blobs(sizes, d=8, stray=0):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(sizes), d))[groups] + 0.15 * rng.normal(size=(len(groups), d))
    far = 3 * rng.normal(size=(stray, d))
    return np.vstack([x, far]), np.append(groups, np.full(stray, -1))


def _exhaustive(x, smallest, metric):
    """The cut of scipy's tree with the highest S^3 H, S by scikit-learn."""
    condensed = pdist(x, metric)
    tree, distances = linkage(condensed, "average"), squareform(condensed)
    best_score, best = 0.0, None
    for n_groups in range(2, len(x) // 2 + 1):
        labels = np.unique(fcluster(tree, n_groups, "maxclust"), return_inverse=True)[1]
        sizes = np.bincount(labels)
        large = sizes[labels] >= smallest
        silhouettes = silhouette_samples(distances, labels, metric="precomputed") * large
        share = sizes[sizes >= smallest] / len(x)
        score = max(0, silhouettes.mean()) ** 3 * -(share * np.log2(share)).sum()
        if score > best_score:
            best_score, best = score, np.where(large, labels, -1)
    return best


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "cityblock"])
@pytest.mark.parametrize("seed", range(4))
def test_it_finds_the_cut_of_an_exhaustive_search(seed, metric):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(6, 5)) * rng.uniform(1, 4)
    x = np.concatenate([c + rng.normal(size=(rng.integers(2, 14), 5)) for c in centres])
    x = x[rng.permutation(len(x))]
    settings = LINKAGE.replace(metric=metric, min_cluster_size=3, graph_weight=0)
    expected = _exhaustive(x, 3, metric)
    clustering = AverageLinkage().cluster(x, settings, 0).labels
    assert adjusted_rand(expected, clustering) == 1
    assert ((clustering == -1) == (expected == -1)).all()


def test_fine_clusters_are_found_where_the_silhouette_is_higher_for_coarse_ones():
    rng = np.random.default_rng(0)
    coarse = 6 * np.eye(3, 6)
    fine = [c + 2.2 * np.eye(6)[3 + k] for c in coarse for k in range(3)]
    x = np.concatenate([f + 0.4 * rng.normal(size=(12, 6)) for f in fine])
    kinds = np.repeat(np.arange(9), 12)
    assert adjusted_rand(kinds, cluster(x, LINKAGE).labels) == 1
    silhouettes = [silhouette_samples(x, labels).mean() for labels in (kinds // 3, kinds)]
    assert silhouettes[0] > silhouettes[1]


def test_probability_outlier_score_and_persistence():
    x, groups = blobs([20, 12, 9], d=6, stray=2)
    clustering = cluster(x, LINKAGE)
    assert clustering.n_clusters == 3
    assert (clustering.labels[groups == -1] == -1).all()
    inside = clustering.labels >= 0
    assert (clustering.probability[~inside] == 0).all()
    assert 0 <= clustering.probability.min() <= clustering.probability.max() == 1
    assert clustering.probability[inside].mean() > 0.7
    assert clustering.outlier_score[~inside].min() > clustering.outlier_score[inside].max()
    assert 0 <= clustering.outlier_score.min() <= clustering.outlier_score.max() < 1
    assert clustering.persistence.shape == (3,)
    assert ((clustering.persistence > 0) & (clustering.persistence < 1)).all()


def test_a_roi_between_two_clusters_has_a_lower_probability():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(30, 2)), rng.normal((8, 0), size=(30, 2)), [[3.2, 0]]])
    clustering = cluster(x, LINKAGE)
    same_cluster = clustering.labels == clustering.labels[-1]
    assert same_cluster.sum() == 31
    assert clustering.probability[-1] == clustering.probability[same_cluster].min() < 0.6


@pytest.mark.parametrize("n", [10, 100, 500])
def test_vectors_without_any_structure_are_noise(n):
    x = np.random.default_rng(n).normal(size=(n, 256))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert cluster(x, LINKAGE).n_clusters == 0


def test_coinciding_rois_are_clusters_and_order_does_not_change_them():
    x = np.repeat(blobs([1] * 6, d=4)[0], 10, axis=0)
    clustering = cluster(x, LINKAGE)
    assert clustering.n_clusters == 6
    assert np.isfinite(clustering.persistence).all()
    x, _ = blobs([9, 14, 30], d=4, stray=4)
    order = np.random.default_rng(2).permutation(len(x))
    one, other = cluster(x, LINKAGE), cluster(x[order], LINKAGE)
    assert (one.labels[order] == other.labels).all()
    assert np.allclose(one.probability[order], other.probability)
    assert np.allclose(one.outlier_score[order], other.outlier_score)


@pytest.mark.parametrize(("n", "size"), [(4, 2), (6, 3), (100, 3), (1379, 3), (1600, 4), (5000, 7)])
def test_the_smallest_cluster_grows_with_the_number_of_rois(n, size):
    assert AverageLinkage().min_cluster_size(LINKAGE, n) == size
    assert AverageLinkage().min_cluster_size(ClusteringSettings(min_cluster_size=9), n) == 9


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("none", "linkage")),
        ({"clustering": {"max_linkage_samples": 0}}, ("umap", "hdbscan")),
        ({"clustering": {"min_cluster_size": 9}}, ("none", "linkage")),
        ({"clustering": {"min_samples": 3}}, ("umap", "hdbscan")),
        ({"reduction": {"n_neighbors": 30}}, ("umap", "hdbscan")),
        ({"reduction": {"method": "pca"}}, ("pca", "hdbscan")),
        ({"reduction": {"method": "none"}}, ("none", "linkage")),
        ({"reduction": {"normalise": "standard"}}, ("none", "linkage")),
        ({"clustering": {"method": "evoc"}}, ("none", "evoc")),
        ({"clustering": {"method": "hdbscan"}}, ("umap", "hdbscan")),
        ({"clustering": {"method": "linkage"}}, ("none", "linkage")),
        ({"clustering": {"method": "linkage"}, "reduction": {"method": "umap"}}, ("umap",)),
    ],
)
def test_auto_methods_depend_on_changed_settings(changes, expected):
    settings = resolve_methods(Settings().replace(**changes))
    assert (settings.reduction.method, settings.clustering.method)[: len(expected)] == expected
    assert resolve_methods(settings) == settings
    assert uses_reducer(settings) == (expected[0] != "none")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "centred"),
        ({"clustering": {"method": "hdbscan"}}, "l2"),
        ({"clustering": {"method": "linkage"}, "reduction": {"method": "pca"}}, "l2"),
        ({"clustering": {"method": "evoc"}}, "l2"),
        ({"reduction": {"normalise": "l2"}}, "l2"),
        ({"reduction": {"normalise": "standard"}}, "standard"),
    ],
)
def test_embeddings_are_centred_before_linkage_alone(changes, expected):
    settings = resolve_methods(Settings().replace(**changes))
    assert settings.reduction.normalise == expected


def test_what_all_embeddings_have_in_common_does_not_hide_their_clusters():
    x, groups = blobs([12] * 5, d=64)
    offset = 40 * np.random.default_rng(9).normal(size=64)
    found = [
        find_clusters((x + common).astype(np.float32), Settings()).labels
        for common in (0 * offset, offset)
    ]
    assert adjusted_rand(groups, found[0]) == adjusted_rand(groups, found[1]) == 1


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_tree_is_that_of_both_distances(metric):
    x, _ = blobs([9, 14, 7], d=5, stray=3)
    tree = AverageLinkage().cluster(x, LINKAGE.replace(metric=metric, graph_weight=0.7), 0).tree
    distances = pdist(x, metric)
    between = distances**2 if metric == "euclidean" else distances
    combined = between / between.mean() + 0.7 * graph_distances(squareform(distances))
    assert np.allclose(tree, linkage(combined, "average"))


@pytest.mark.parametrize(
    ("preset", "methods"),
    [("thesis-2023", ("none", "hdbscan")), ("paper-2024", ("umap", "dbscan"))],
)
def test_published_presets_keep_their_methods(preset, methods):
    settings = resolve_methods(load_settings(preset=preset))
    assert (settings.reduction.method, settings.clustering.method) == methods


def test_a_vector_of_zeros_is_noise_by_cosine():
    x, _ = blobs([9, 9])
    clustering = cluster(np.vstack([x, np.zeros((1, 8))]), LINKAGE.replace(metric="cosine"))
    assert clustering.labels.tolist() == [0] * 9 + [1] * 9 + [-1]


def test_an_unsupported_setting_and_an_unknown_metric_are_errors():
    x, _ = blobs([10, 10])
    with pytest.raises(SettingsError, match=r"linkage has no clustering.cluster_selection_epsilon"):
        cluster(x, LINKAGE.replace(cluster_selection_epsilon=1.0))
    with pytest.raises(SettingsError, match=r"'taxi'; linkage has euclidean"):
        cluster(x, LINKAGE.replace(metric="taxi"))


def test_why_rois_are_noise_has_the_smallest_cluster():
    assert "fewer than 3 are noise" in why_noise(Settings(), 100)
    assert "at least 4 ROIs" in why_noise(Settings().replace(clustering={"method": "hdbscan"}), 100)

"""Reduction and clustering: seeded, quiet, capped for small sets, and a sentence for each case
without structure."""

import logging
import warnings

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackNoConvergence

from darksound.cluster import structure
from darksound.cluster.clusterers import cluster
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.clusterers.hdbscan import resolve_min_cluster_size, resolve_min_samples
from darksound.cluster.metrics import adjusted_rand
from darksound.cluster.normalise import NORMALISERS, all_alike, normalise
from darksound.cluster.reducers import map_coordinates, reduce
from darksound.cluster.reducers import umap as umap_reducer
from darksound.cluster.reducers.umap import resolve_repeats
from darksound.cluster.structure import find_clusters, lay_out
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings, ReductionSettings, Settings

HDBSCAN = Settings().replace(clustering={"method": "hdbscan"})
UMAP_ONCE = ReductionSettings(method="umap", n_epochs=10, repeats=1)
PCA = Settings().replace(reduction={"method": "pca", "n_components": 4})


def blobs(sizes, d=24, spread=0.15, seed=0, stray=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(sizes), d))[truth] + spread * rng.normal(size=(len(truth), d))
    far = 3 * rng.normal(size=(stray, d))
    return np.vstack([x, far]).astype(np.float32), np.append(truth, np.full(stray, -1))


@pytest.fixture
def sentences():
    class Sentences(list):
        def __call__(self, sentence):
            assert sentence[0].isupper() or sentence[0].isdigit()
            assert sentence.endswith((".", ")."))
            self.append(sentence)

    return Sentences()


def test_umap_finds_groups_twice_the_same_and_keeps_quiet(sentences, capfd):
    x, truth = blobs([20] * 5)  # groups of twice n_components, which scipy's solver may refuse
    settings = ReductionSettings(method="umap", n_neighbors=8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        once, again = (reduce(x, settings, 5, sentences) for _ in range(2))
        other = reduce(x, settings, 6, sentences)
    assert [str(w.message) for w in caught if w.category is not ImportWarning] == []
    assert capfd.readouterr() == ("", "")
    assert once.shape == (100, 30)  # three runs beside each other
    assert (once == again).all()
    assert (once != other).any()
    assert adjusted_rand(truth, cluster(once, ClusteringSettings(method="hdbscan")).labels) == 1.0


def test_umaps_runs_differ_and_the_first_is_the_one_without_repeats(sentences):
    x, _ = blobs([12] * 3)
    settings = ReductionSettings(method="umap", n_components=4, n_epochs=30)
    three = reduce(x, settings, 5, sentences)
    one = reduce(x, settings.model_copy(update={"repeats": 1}), 5, sentences)
    assert (three[:, :4] == one).all()
    assert (three[:, :4] != three[:, 4:8]).any()
    assert (three[:, 4:8] != three[:, 8:]).any()


@pytest.mark.parametrize(("n", "repeats"), [(100, 3), (20_000, 3), (20_001, 1)])
def test_umap_is_repeated_where_that_costs_little(n, repeats):
    assert resolve_repeats(ReductionSettings(), n) == repeats
    assert resolve_repeats(ReductionSettings(repeats=2), n) == 2


def test_umap_takes_all_its_settings(sentences):
    x, _ = blobs([15, 15])
    settings = ReductionSettings(
        method="umap",
        n_components=3,
        densmap=True,
        metric="cosine",
        n_epochs=20,
        init="random",
        min_dist=0.2,
        local_connectivity=2.0,
        set_op_mix_ratio=0.5,
        repulsion_strength=2.0,
        repeats=1,
    )
    found = reduce(x, settings, 1, sentences)
    assert found.shape == (30, 3)
    assert np.isfinite(found).all()
    plain = reduce(x, settings.model_copy(update={"densmap": False}), 1, sentences)
    assert (found != plain).any()
    assert sentences == []


@pytest.mark.parametrize("n", [4, 9])
def test_umap_on_fewer_rois_than_neighbours_says_what_it_did(n, sentences):
    found = reduce(blobs([n])[0], UMAP_ONCE, 1, sentences)
    assert found.shape == (n, 10)
    assert np.isfinite(found).all()
    assert f"reduction.n_neighbors becomes {n - 1}" in sentences[0]
    assert any("too few for UMAP's spectral start" in sentence for sentence in sentences)


def test_umap_whose_spectral_start_fails_starts_elsewhere(monkeypatch, sentences):
    fit, starts = umap_reducer._fit, []

    def failing(x, settings, neighbours, start, seed):
        starts.append(start)
        if start == "spectral":
            raise ArpackNoConvergence("no convergence", np.zeros(0), np.zeros((0, 0)))
        return fit(x, settings, neighbours, start, seed)

    monkeypatch.setattr(umap_reducer, "_fit", failing)
    found = reduce(blobs([30])[0], UMAP_ONCE, 1, sentences)
    assert starts == ["spectral", "pca"]
    assert np.isfinite(found).all()
    assert "starts from PCA instead" in sentences[-1]


def test_pca_keeps_distances_and_caps_components(sentences):
    x, _ = blobs([6], d=3)
    found = reduce(x, ReductionSettings(method="pca", normalise="none"), 0, sentences)
    assert found.shape == (6, 3)
    assert "becomes 3" in sentences[0]
    distance = np.linalg.norm(x[0] - x[1:], axis=1)
    assert np.linalg.norm(found[0] - found[1:], axis=1) == pytest.approx(distance, rel=1e-4)
    assert np.var(found, axis=0).tolist() == sorted(np.var(found, axis=0), reverse=True)


def test_none_is_the_normalised_embedding(sentences):
    x, _ = blobs([5])
    found = reduce(x, ReductionSettings(method="none"), 0, sentences)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("how", sorted(NORMALISERS))
def test_normalising_survives_zeros_and_constants(how):
    x = np.array([[0.0, 0, 0], [3, 0, 4], [6, 0, 8]], dtype=np.float32)
    found = normalise(x, how)
    assert np.isfinite(found).all()
    assert found.dtype == np.float32
    want = {"l2": [0, 1, 1], "standard": [3**0.5, 0, 3**0.5], "none": [0, 5, 10]}
    assert np.linalg.norm(found, axis=1) == pytest.approx(want[how], abs=1e-5)


@pytest.mark.parametrize(
    ("n", "size", "samples"),
    [
        (4, 2, 2),
        (6, 3, 2),
        (10, 4, 2),
        (100, 4, 2),
        (240, 4, 2),
        (632, 4, 3),
        (1379, 4, 3),
        (8000, 9, 4),
        (1_000_000, 100, 5),
    ],
)
def test_automatic_sizes_follow_the_number_of_rois(n, size, samples):
    settings = ClusteringSettings()
    assert resolve_min_cluster_size(settings, n) == size
    assert resolve_min_samples(settings, n) == samples
    fixed = ClusteringSettings(min_cluster_size=7, min_samples=6)
    assert (resolve_min_cluster_size(fixed, n), resolve_min_samples(fixed, n)) == (7, 6)


def test_clusters_are_numbered_by_size_whatever_the_order_of_rows():
    x, truth = blobs([8, 30, 15], d=4, stray=3)
    order = np.random.default_rng(0).permutation(len(x))
    found = cluster(x[order], ClusteringSettings(method="hdbscan"))
    sizes = np.bincount(found.labels[found.labels >= 0])
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert adjusted_rand(truth[order], found.labels) > 0.95
    assert found.persistence.shape == (3,)
    assert (found.probability[found.labels == -1] == 0).all()
    assert found.outlier_score.min() >= 0
    assert found.outlier_score.max() <= 1
    assert found.coverage == np.mean(found.labels >= 0)


def test_clusterer_settings_reach_hdbscan():
    x, _ = blobs([20, 20, 20], d=8)
    assert cluster(
        x, ClusteringSettings(method="hdbscan", min_cluster_size=25, allow_single_cluster=True)
    ).n_clusters
    assert cluster(x, ClusteringSettings(method="hdbscan", epsilon=50.0)).n_clusters < 3
    small = cluster(x, ClusteringSettings(method="hdbscan", max_cluster_size=12)).labels
    assert np.bincount(small[small >= 0]).max() <= 12
    leaves = cluster(x, ClusteringSettings(method="hdbscan", selection="leaf")).n_clusters
    assert (
        leaves > cluster(x, ClusteringSettings(method="hdbscan", selection="eom")).n_clusters == 3
    )
    for metric in ("manhattan", "chebyshev", "canberra", "braycurtis", "cosine", "correlation"):
        assert (
            cluster(np.abs(x), ClusteringSettings(method="hdbscan", metric=metric)).n_clusters >= 2
        )


def test_coinciding_rois_cluster_without_a_warning(capfd):
    x = np.repeat(blobs([1] * 6, d=4)[0], 10, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cluster(x, ClusteringSettings(method="hdbscan"))
    assert found.n_clusters == 6
    assert np.isfinite(found.outlier_score).all()


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("reduction", {"method": "tsne"}, "reduction.method is 'tsne'; there are umap, pca, none"),
        (
            "clustering",
            {"method": "kmeans"},
            "clustering.method is 'kmeans'; there are linkage",
        ),
        ("clustering", {"metric": "taxi"}, "clustering.metric is 'taxi'; HDBSCAN has"),
        ("reduction", {"method": "umap", "metric": "taxi"}, "reduction.metric is 'taxi'; UMAP has"),
        ("reduction", {"method": "umap", "min_dist": 2.0}, "min_dist"),
    ],
)
def test_unknown_names_are_refused_by_their_key(section, values, message):
    with pytest.raises(SettingsError, match=message):
        find_clusters(blobs([10, 10])[0], PCA.replace(**{section: values}))


def test_many_groups_leave_nothing_to_say(sentences):
    x, truth = blobs([20] * 4)
    assert adjusted_rand(truth, find_clusters(x, PCA, sentences).labels) == 1.0
    assert sentences == []


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_rois_are_noise_and_a_sentence(n, sentences):
    found = find_clusters(blobs([n])[0], PCA, sentences)
    assert found.labels.tolist() == [-1] * n
    assert "too few to cluster" in sentences[0]


def test_identical_rois_are_one_cluster_and_a_sentence(sentences):
    x = np.tile(blobs([1])[0], (30, 1))
    x[3] *= np.float32(1 + 1e-7)
    found = find_clusters(x, PCA, sentences)
    assert found.labels.tolist() == [0] * 30
    assert "look the same to the learner" in sentences[0]
    assert (lay_out(x, PCA) == 0).all()
    assert not all_alike(blobs([5])[0])


def test_no_cluster_is_a_sentence_with_a_remedy(sentences):
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    settings = PCA.replace(clustering={"min_cluster_size": 9})
    assert find_clusters(x, settings, sentences).n_clusters == 0
    assert "Lower clustering.min_cluster_size (now 9)" in sentences[0]


def test_one_cluster_is_a_sentence(sentences):
    settings = PCA.replace(clustering={"min_cluster_size": 15, "allow_single_cluster": True})
    assert find_clusters(blobs([20])[0], settings, sentences).n_clusters == 1
    assert "Only one cluster" in sentences[0]


def test_sentences_are_logged_by_default(caplog):
    with caplog.at_level(logging.WARNING):
        find_clusters(blobs([2])[0], PCA)
    assert "too few to cluster" in caplog.text


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_maps_have_two_coordinates_whatever_the_number(n):
    for method in ("none", "pca", "umap"):
        settings = ReductionSettings(method=method, n_epochs=10)
        found = map_coordinates(blobs([n], d=1 if n == 2 else 5)[0], settings, 3)
        assert found.shape == (n, 2)
        assert np.isfinite(found).all()


def test_the_most_telling_of_several_draws_is_kept(monkeypatch):
    x, truth = blobs([12] * 4)
    halves, fourths = (truth // 2, truth)
    coordinates = {}

    def reduced(embeddings, settings, seed, say):
        coordinates[seed] = coordinates.get(seed, len(coordinates))
        return np.full((len(embeddings), 2), coordinates[seed], np.float32)

    def clustered(points, settings):
        labels = (halves, fourths, np.zeros_like(truth))[int(points[0, 0])]
        return Clustering(
            labels, np.ones(len(labels)), np.zeros(len(labels)), np.ones(labels.max() + 1)
        )

    monkeypatch.setattr(structure, "reduce", reduced)
    monkeypatch.setattr(structure, "cluster", clustered)
    for draws, expected in ((1, halves), (2, fourths), (3, fourths)):
        coordinates.clear()
        found = find_clusters(x, HDBSCAN.replace(reduction={"n_init": draws}))
        assert (found.labels == expected).all()
        assert len(coordinates) == draws


def test_few_rois_are_drawn_often_many_once_and_without_chance_once(monkeypatch):
    seeds = []

    def reduced(embeddings, settings, seed, say):
        seeds.append(seed)
        return reduce(embeddings[:, :2], ReductionSettings(method="none"), seed, say) + seed % 7

    monkeypatch.setattr(structure, "reduce", reduced)
    for n, draws in ((60, 6), (498, 6), (600, 1)):
        seeds.clear()
        find_clusters(blobs([n // 6] * 6)[0], HDBSCAN)
        assert len(set(seeds)) == len(seeds) == draws
    monkeypatch.setattr(structure, "reduce", lambda *args: seeds.append(args[2]) or reduce(*args))
    seeds.clear()
    find_clusters(blobs([10] * 6)[0], PCA)
    assert len(seeds) == 2

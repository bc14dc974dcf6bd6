"""Reduction and clustering: seeds, small sets, and notes about sets without structure."""

import logging
import warnings

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackNoConvergence

from darksound.cluster import structure
from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.clusterers.hdbscan import resolve_min_cluster_size, resolve_min_samples
from darksound.cluster.metrics import adjusted_rand
from darksound.cluster.normalise import NORMALISERS, is_constant, normalise
from darksound.cluster.reducers import umap as umap_reducer
from darksound.cluster.reducers.umap import resolve_repeats
from darksound.cluster.structure import cluster, find_clusters, reduce
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings, ReductionSettings, Settings

HDBSCAN = Settings().replace(clustering={"method": "hdbscan"})
UMAP_ONCE = ReductionSettings(method="umap", n_epochs=10, repeats=1)
PCA = Settings().replace(reduction={"method": "pca", "n_components": 4})


def blobs(sizes, d=24, spread=0.15, seed=0, stray=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(sizes), d))[groups] + spread * rng.normal(size=(len(groups), d))
    far = 3 * rng.normal(size=(stray, d))
    return np.vstack([x, far]).astype(np.float32), np.append(groups, np.full(stray, -1))


@pytest.fixture
def notes():
    class CheckedNotes(list):
        def __call__(self, sentence):
            assert sentence[0].isupper() or sentence[0].isdigit()
            assert sentence.endswith((".", ")."))
            self.append(sentence)

    return CheckedNotes()


def test_umap_separates_groups_reproducibly_without_warnings(notes, capfd):
    x, groups = blobs([20] * 5)  # groups of twice n_components, which scipy's solver may refuse
    settings = ReductionSettings(method="umap", n_neighbors=8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        once, again = (reduce(x, settings, 5, note=notes) for _ in range(2))
        other = reduce(x, settings, 6, note=notes)
    assert [str(w.message) for w in caught if w.category is not ImportWarning] == []
    assert capfd.readouterr() == ("", "")
    assert once.shape == (100, 30)  # three concatenated runs
    assert (once == again).all()
    assert (once != other).any()
    assert adjusted_rand(groups, cluster(once, ClusteringSettings(method="hdbscan")).labels) == 1.0


def test_umap_runs_differ_and_the_first_one_is_that_without_repeats(notes):
    x, _ = blobs([12] * 3)
    settings = ReductionSettings(method="umap", n_components=4, n_epochs=30)
    three = reduce(x, settings, 5, note=notes)
    one = reduce(x, settings.replace(repeats=1), 5, note=notes)
    assert (three[:, :4] == one).all()
    assert (three[:, :4] != three[:, 4:8]).any()
    assert (three[:, 4:8] != three[:, 8:]).any()


@pytest.mark.parametrize(("n", "repeats"), [(100, 3), (20_000, 3), (20_001, 1)])
def test_umap_is_repeated_up_to_20_000_rois(n, repeats):
    assert resolve_repeats(ReductionSettings(), n) == repeats
    assert resolve_repeats(ReductionSettings(repeats=2), n) == 2


def test_umap_uses_all_its_settings(notes):
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
    reduced = reduce(x, settings, 1, note=notes)
    assert reduced.shape == (30, 3)
    assert np.isfinite(reduced).all()
    without_densmap = reduce(x, settings.replace(densmap=False), 1, note=notes)
    assert (reduced != without_densmap).any()
    assert notes == []


@pytest.mark.parametrize("n", [4, 9])
def test_umap_of_fewer_rois_than_neighbours_adds_a_note(n, notes):
    reduced = reduce(blobs([n])[0], UMAP_ONCE, 1, note=notes)
    assert reduced.shape == (n, 10)
    assert np.isfinite(reduced).all()
    assert f"reduction.n_neighbors becomes {n - 1}" in notes[0]
    assert any("too few for UMAP's spectral initialisation" in sentence for sentence in notes)


def test_umap_starts_from_pca_if_the_spectral_initialisation_fails(monkeypatch, notes):
    fit, inits = umap_reducer._fit, []

    def failing(x, settings, init, seed):
        inits.append(init)
        if init == "spectral":
            raise ArpackNoConvergence("no convergence", np.zeros(0), np.zeros((0, 0)))
        return fit(x, settings, init, seed)

    monkeypatch.setattr(umap_reducer, "_fit", failing)
    reduced = reduce(blobs([30])[0], UMAP_ONCE, 1, note=notes)
    assert inits == ["spectral", "pca"]
    assert np.isfinite(reduced).all()
    assert "starts from PCA instead" in notes[-1]


def test_pca_keeps_distances_and_limits_components(notes):
    x, _ = blobs([6], d=3)
    reduced = reduce(x, ReductionSettings(method="pca", normalise="none"), 0, note=notes)
    assert reduced.shape == (6, 3)
    assert "becomes 3" in notes[0]
    distance = np.linalg.norm(x[0] - x[1:], axis=1)
    assert np.linalg.norm(reduced[0] - reduced[1:], axis=1) == pytest.approx(distance, rel=1e-4)
    variances = np.var(reduced, axis=0)
    assert variances.tolist() == sorted(variances, reverse=True)


def test_none_is_the_normalised_embedding(notes):
    x, _ = blobs([5])
    reduced = reduce(x, ReductionSettings(method="none", normalise="l2"), 0, note=notes)
    assert np.linalg.norm(reduced, axis=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("method", sorted(NORMALISERS))
def test_normalised_zeros_and_constants_are_finite(method):
    x = np.array([[0.0, 0, 0], [3, 0, 4], [6, 0, 8]], dtype=np.float32)
    normalised = normalise(x, method)
    assert np.isfinite(normalised).all()
    assert normalised.dtype == np.float32
    expected = {
        "auto": [0, 1, 1],
        "l2": [0, 1, 1],
        "centred": [1, 1, 1],
        "standard": [3**0.5, 0, 3**0.5],
        "min_max": [0, 0.5**0.5, 2**0.5],
        "none": [0, 5, 10],
    }
    lengths = np.linalg.norm(normalised, axis=1)
    assert lengths == pytest.approx(expected[method], abs=1e-5)


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
def test_auto_sizes_depend_on_the_number_of_rois(n, size, samples):
    settings = ClusteringSettings()
    assert resolve_min_cluster_size(settings, n) == size
    assert resolve_min_samples(settings, n) == samples
    fixed = ClusteringSettings(min_cluster_size=7, min_samples=6)
    assert (resolve_min_cluster_size(fixed, n), resolve_min_samples(fixed, n)) == (7, 6)


def test_clusters_are_numbered_by_size_whatever_the_order_of_rows():
    x, groups = blobs([8, 30, 15], d=4, stray=3)
    order = np.random.default_rng(0).permutation(len(x))
    clustering = cluster(x[order], ClusteringSettings(method="hdbscan"))
    sizes = np.bincount(clustering.labels[clustering.labels >= 0])
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert adjusted_rand(groups[order], clustering.labels) > 0.95
    assert clustering.persistence.shape == (3,)
    assert (clustering.probability[clustering.labels == -1] == 0).all()
    assert clustering.outlier_score.min() >= 0
    assert clustering.outlier_score.max() <= 1
    assert clustering.coverage == np.mean(clustering.labels >= 0)


def test_hdbscan_uses_its_settings():
    x, _ = blobs([20, 20, 20], d=8)

    def n_clusters(points=x, **values):
        return cluster(points, ClusteringSettings(method="hdbscan", **values)).n_clusters

    assert n_clusters(min_cluster_size=25, allow_single_cluster=True)
    assert n_clusters(cluster_selection_epsilon=50.0) < 3
    small = cluster(x, ClusteringSettings(method="hdbscan", max_cluster_size=12)).labels
    assert np.bincount(small[small >= 0]).max() <= 12
    leaves = n_clusters(cluster_selection_method="leaf")
    assert leaves > n_clusters(cluster_selection_method="eom") == 3
    for metric in ("manhattan", "chebyshev", "canberra", "braycurtis", "cosine", "correlation"):
        assert n_clusters(np.abs(x), metric=metric) >= 2


def test_coinciding_rois_cluster_without_a_warning(capfd):
    x = np.repeat(blobs([1] * 6, d=4)[0], 10, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clustering = cluster(x, ClusteringSettings(method="hdbscan"))
    assert clustering.n_clusters == 6
    assert np.isfinite(clustering.outlier_score).all()


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (
            "reduction",
            {"method": "tsne"},
            "reduction.method is 'tsne'; choose one of umap, pca, none",
        ),
        (
            "clustering",
            {"method": "kmeans"},
            "clustering.method is 'kmeans'; choose one of linkage, hdbscan",
        ),
        ("clustering", {"metric": "taxi"}, "clustering.metric is 'taxi'; HDBSCAN has"),
        ("reduction", {"method": "umap", "metric": "taxi"}, "reduction.metric is 'taxi'; UMAP has"),
        ("reduction", {"method": "umap", "min_dist": 2.0}, "min_dist"),
    ],
)
def test_errors_about_unknown_names_have_the_key(section, values, message):
    with pytest.raises(SettingsError, match=message):
        find_clusters(blobs([10, 10])[0], PCA.replace(**{section: values}))


def test_several_clusters_add_no_note(notes):
    x, groups = blobs([20] * 4)
    assert adjusted_rand(groups, find_clusters(x, PCA, note=notes).labels) == 1.0
    assert notes == []


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_rois_are_noise_with_a_note(n, notes):
    clustering = find_clusters(blobs([n])[0], PCA, note=notes)
    assert clustering.labels.tolist() == [-1] * n
    assert "too few to cluster" in notes[0]


def test_identical_rois_are_one_cluster_with_a_note(notes):
    x = np.tile(blobs([1])[0], (30, 1))
    x[3] *= np.float32(1 + 1e-7)
    clustering = find_clusters(x, PCA, note=notes)
    assert clustering.labels.tolist() == [0] * 30
    assert "have the same embedding" in notes[0]
    assert not is_constant(blobs([5])[0])


def test_no_cluster_adds_a_note_with_a_remedy(notes):
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    settings = PCA.replace(clustering={"min_cluster_size": 9})
    assert find_clusters(x, settings, note=notes).n_clusters == 0
    assert "Lower clustering.min_cluster_size (now 9)" in notes[0]


def test_one_cluster_adds_a_note(notes):
    settings = PCA.replace(clustering={"min_cluster_size": 15, "allow_single_cluster": True})
    assert find_clusters(blobs([20])[0], settings, note=notes).n_clusters == 1
    assert "Only one cluster" in notes[0]


def test_notes_are_logged_by_default(caplog):
    with caplog.at_level(logging.WARNING):
        find_clusters(blobs([2])[0], PCA)
    assert "too few to cluster" in caplog.text


def test_the_clustering_with_the_highest_weighted_entropy_is_used(monkeypatch):
    x, groups = blobs([12] * 4)
    halves, fourths = groups // 2, groups
    numbers: dict[int, int] = {}

    def fake_reduce(embeddings, settings, seed, **_):
        numbers[seed] = numbers.get(seed, len(numbers))
        return np.full((len(embeddings), 2), numbers[seed], np.float32)

    def fake_cluster(points, settings, seed, **_):
        labels = (halves, fourths, np.zeros_like(groups))[int(points[0, 0])]
        return Clustering(
            labels, np.ones(len(labels)), np.zeros(len(labels)), np.ones(labels.max() + 1)
        )

    monkeypatch.setattr(structure, "reduce", fake_reduce)
    monkeypatch.setattr(structure, "cluster", fake_cluster)
    for n_init, expected in ((1, halves), (2, fourths), (3, fourths)):
        numbers.clear()
        clustering = find_clusters(x, HDBSCAN.replace(reduction={"n_init": n_init}))
        assert (clustering.labels == expected).all()
        assert len(numbers) == n_init


def test_n_init_is_6_for_few_rois_and_ends_if_the_seed_changes_nothing(monkeypatch):
    seeds = []

    def fake_reduce(embeddings, settings, seed, **_):
        seeds.append(seed)
        return reduce(embeddings[:, :2], ReductionSettings(method="none"), seed) + seed % 7

    monkeypatch.setattr(structure, "reduce", fake_reduce)
    for n, n_init in ((60, 6), (498, 6), (600, 1)):
        seeds.clear()
        find_clusters(blobs([n // 6] * 6)[0], HDBSCAN)
        assert len(set(seeds)) == len(seeds) == n_init

    def recorded_reduce(embeddings, settings, seed, **options):
        seeds.append(seed)
        return reduce(embeddings, settings, seed, **options)

    monkeypatch.setattr(structure, "reduce", recorded_reduce)
    seeds.clear()
    find_clusters(blobs([10] * 6)[0], PCA)
    assert len(seeds) == 2

"""Clusters of sets with more ROIs than are clustered whole."""

import numpy as np
import pytest
import torch

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.clusterers.large_sets import cluster_large_set
from darksound.cluster.metrics import adjusted_rand
from darksound.cluster.structure import cluster, find_clusters, why_noise
from darksound.settings import ClusteringSettings, Settings

SIZE = 100
LARGE = ClusteringSettings(method="linkage", max_linkage_samples=SIZE)


def groups(sizes, d=16, spread=0.1, seed=0):
    """Vectors of unit length around random centres, and their groups, in random order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = rng.normal(size=(len(sizes), d))
    x = centres[labels] + spread * rng.normal(size=(len(labels), d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), labels


# Condensed as a whole, and as a sample, whose other ROIs are assigned.
@pytest.mark.parametrize("sizes", [[70] * 8, [200, 160, 130, 110, 90, 80, 70, 60]])
def test_groups_of_a_large_set_are_its_clusters(sizes):
    x, labels = groups(sizes)
    clustering = cluster(x, LARGE)
    assert clustering.n_clusters == 8
    assert adjusted_rand(labels, clustering.labels) > 0.99
    assert clustering.coverage == 1
    assert clustering.probability.min() > 0
    assert clustering.tree.shape == (0, 4)


def test_a_rare_group_is_found_among_many_rois():
    x, labels = groups([180] * 4 + [9])
    clustering = cluster(x, LARGE)
    rare = clustering.labels[labels == 4]
    assert set(rare) == {clustering.n_clusters - 1}
    assert (clustering.labels == rare[0]).sum() == 9


def test_clusters_have_the_smallest_size_in_rois():
    x, labels = groups([200] * 4 + [9])
    clustering = cluster(x, LARGE.replace(min_cluster_size=10))
    assert (clustering.labels[labels == 4] == -1).all()
    assert clustering.n_clusters == 4


def test_clusters_do_not_depend_on_threads():
    x, _ = groups([120] * 10, spread=0.5)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(cluster(x, LARGE, 7))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(vars(found[0]).values(), vars(found[1]).values(), strict=True):
        assert np.array_equal(one, other)


def test_copies_are_clusters():
    x = np.repeat(groups([1] * 6)[0], 50, axis=0)
    assert np.array_equal(cluster(x, LARGE).labels, np.repeat(np.arange(6), 50))


def test_what_is_rejected_is_clustered_again():
    x = np.concatenate([np.zeros((300, 2)), np.ones((60, 2))])
    x += 0.01 * np.random.default_rng(0).normal(size=x.shape)
    calls = []

    def cluster_whole(part, min_size):
        calls.append((len(part), min_size))
        # The larger group at first, then the rest.
        inside = part.mean(axis=1) < 0.5 if len(calls) == 1 else np.ones(len(part), dtype=bool)
        labels = np.where(inside, 0, -1)
        return Clustering(labels, inside * 0.9, inside * 0.1, np.full(1, 0.5 * len(calls)))

    clustering = cluster_large_set(x, SIZE, 5, 0, cluster_whole)
    assert calls == [(SIZE, 2), (60, 5)]
    assert np.array_equal(clustering.labels, np.repeat([0, 1], [300, 60]))
    assert np.array_equal(clustering.persistence, [0.5, 1.0])
    assert (clustering.probability == 0.9).all()


def test_it_ends_if_nothing_is_clustered():
    x = np.random.default_rng(0).normal(size=(500, 8))
    clustering = cluster_large_set(x, SIZE, 3, 0, lambda part, _: Clustering.all_noise(len(part)))
    assert clustering.n_clusters == 0
    assert (clustering.labels == -1).all()


def test_large_sets_are_clustered_by_default():
    x, labels = groups([60] * 8)
    settings = Settings().replace(clustering={"max_linkage_samples": SIZE})
    clustering = find_clusters(x.astype(np.float32), settings)
    assert adjusted_rand(labels, clustering.labels) > 0.99
    assert "average linkage" in why_noise(settings, 480)

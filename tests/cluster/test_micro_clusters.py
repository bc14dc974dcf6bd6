"""Micro-clusters: the lowest branches of average linkage, their means, and nearest rows."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import cKDTree

from darksound.cluster.clusterers.micro_clusters import condense, micro_means, nearest_rows
from darksound.cluster.metrics import adjusted_rand


@pytest.mark.parametrize("seed", range(5))
def test_micro_clusters_are_branches_of_average_linkage_if_all_rois_are_neighbours(seed):
    x = np.random.default_rng(seed).normal(size=(11, 3))
    tree = linkage(x, "average", "sqeuclidean")
    # scipy passes the metric to pdist, and the heights are means of squared distances.
    for count in (3, 5, 8):
        expected = fcluster(tree, count, "maxclust")
        assert adjusted_rand(expected, condense(x, count)) == 1


def test_there_are_as_many_micro_clusters_as_asked_for():
    x = np.random.default_rng(0).normal(size=(400, 6))
    copies = np.repeat(x[:40], 10, axis=0)
    for vectors in (x, copies):
        for count in (50, 51, 399):
            micro = condense(vectors, count)
            assert len(np.unique(micro)) == micro.max() + 1 == count


def test_rare_rois_far_from_others_are_micro_clusters_of_their_own():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(390, 4)), 50 * np.eye(4)[[0, 1, 2]]])
    micro = condense(x, 60)
    assert (np.bincount(micro)[micro[-3:]] == 1).all()


def test_means_have_the_mean_length_of_their_members():
    x = np.array([[2.0, 0], [0, 4], [3, 3], [1, 0], [-1, 0]])
    means = micro_means(x, np.array([0, 0, 1, 2, 2]))
    assert np.allclose(means[0], 3 * np.array([1, 2]) / np.sqrt(5))
    assert np.allclose(means[1], [3, 3])
    # Opposite vectors have no mean direction.
    assert np.allclose(means[2], 0)


def test_nearest_rows_are_those_of_a_tree():
    rng = np.random.default_rng(2)
    x, among = rng.normal(size=(2100, 5)), rng.normal(size=(300, 5))
    assert (nearest_rows(x, among, 4) == cKDTree(among).query(x, 4)[1]).all()

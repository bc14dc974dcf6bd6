"""Nested parts of a cluster."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from darksound.cluster.subtrees import Subtree, find_subtree


def groups(sizes, distances, seed=0):
    """Return points near (distance, 0) of each group, and the group of each."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(scale=0.02, size=(len(of), 3)) + np.array([[d, 1, 0] for d in distances])[of]
    return x.astype(np.float32), of


def same(parts, of):
    """Return whether two partitions are equal up to their numbering."""
    pairs = set(zip(parts.tolist(), of.tolist(), strict=True))
    return len(pairs) == len(set(parts.tolist())) == len(set(of.tolist()))


@pytest.mark.parametrize("with_tree", [True, False])
def test_a_cluster_is_cut_at_its_highest_merges(with_tree):
    x, of = groups([20, 12, 8, 15], [0, 3, 3.5, 9])
    members = np.flatnonzero(of < 3)
    tree = linkage(x, "average") if with_tree else None
    subtree = find_subtree(x, members, 8, tree=tree, method="none")
    assert same(subtree.cut(2), np.minimum(of[members], 1))
    assert same(subtree.cut(3), of[members])
    # The larger part keeps the number.
    assert [(subtree.cut(2) == part).sum() for part in (0, 1)] == [20, 20]
    assert (subtree.cut(1) == 0).all()
    # Cuts are nested.
    for n in range(2, subtree.n_parts + 1):
        assert len(np.unique(subtree.cut(n))) == n
        assert same(subtree.parents[subtree.cut(n)] * 0 + subtree.cut(n - 1), subtree.cut(n - 1))


def test_single_outliers_are_no_part_of_their_own():
    x, of = groups([20, 20, 1], [0, 3, -9])
    parts = find_subtree(x, np.arange(41), 2, tree=linkage(x, "average"), method="none").cut(2)
    assert same(parts[:40], of[:40])
    # The outlier belongs to the part with the nearest mean.
    assert parts[40] == parts[0]


def test_noise_in_the_branch_is_left_out_and_a_tree_of_clusters_is_not_used():
    x, of = groups([10, 10, 6], [0, 3, 3.1])
    members = np.flatnonzero(of < 2)
    whole = find_subtree(x, members, 2, tree=linkage(x, "average"), method="none")
    of_clusters = find_subtree(x, members, 2, tree=np.zeros((1, 4)), method="none")
    assert same(whole.part, of[members])
    assert same(of_clusters.part, of[members])


def test_large_clusters_are_sampled_and_all_members_have_a_part():
    x, of = groups([3000, 1500], [0, 3])
    subtree = find_subtree(x, np.arange(4500), 2, method="none")
    assert same(subtree.part, of)


@pytest.mark.parametrize("m", [0, 1, 2, 3])
def test_tiny_clusters_have_at_most_as_many_parts_as_members(m):
    x, _ = groups([5], [0])
    subtree = find_subtree(x, np.arange(m), 8, tree=linkage(x, "average"))
    assert subtree.n_parts == max(1, m)
    assert len(subtree.part) == m
    assert sorted(subtree.part.tolist()) == list(range(m))


def test_equal_members_are_cut_too_and_a_cut_beyond_the_finest_is_the_finest():
    subtree = find_subtree(np.ones((6, 3), np.float32), np.arange(6), 3)
    assert len(np.unique(subtree.cut(2))) == 2
    np.testing.assert_array_equal(subtree.cut(99), subtree.part)
    assert Subtree(np.zeros(2, np.int64), np.array([-1])).cut(2).tolist() == [0, 0]

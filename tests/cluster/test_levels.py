"""The tree above clusters, superclusters, and coarser and finer cuts."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.clusterers.linkage import AverageLinkage
from darksound.cluster.levels import ScoredCuts, choose_cut, find_levels
from darksound.cluster.structure import find_clusters
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings, ReductionSettings, Settings

PLAIN = ReductionSettings(normalise="none")


def nested(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return 4 groups of 3 clusters of 10 points, with distances of about 100, 10 and 1."""
    rng = np.random.default_rng(seed)
    group, cluster = np.repeat(np.arange(4), 30), np.repeat(np.arange(12), 10)
    centres = 100 * np.eye(4, 8)[group] + 10 * np.eye(8)[4 + cluster % 3]
    x = centres + rng.normal(size=(120, 8)) / 4
    return x.astype(np.float32), group


def clustering_of(labels, tree=None) -> Clustering:
    labels = np.asarray(labels)
    k = labels.max() + 1
    n = len(labels)
    return Clustering(
        labels, np.ones(n), np.zeros(n), np.ones(k), np.zeros((0, 4)) if tree is None else tree
    )


def test_superclusters_are_the_groups_of_clusters_that_the_tree_shows():
    x, group = nested()
    clustering = AverageLinkage().cluster(x.astype(np.float64), ClusteringSettings(), 0)
    assert clustering.n_clusters == 12
    levels = find_levels(clustering, x, PLAIN)
    assert levels.n_superclusters == 4
    of_rois = levels.of_rois(clustering.labels)
    assert len(set(zip(of_rois.tolist(), group.tolist(), strict=True))) == 4
    assert levels.tree.shape == (119, 4), "merges of the ROIs"
    assert fcluster(levels.tree, 4, "maxclust").max() == 4


def test_a_clusterer_without_a_tree_gets_the_average_linkage_of_cluster_means():
    x, _ = nested()
    labels = np.repeat(np.arange(12), 10)
    levels = find_levels(clustering_of(labels), x, PLAIN)
    means = np.stack([x[labels == number].mean(axis=0, dtype=np.float64) for number in range(12)])
    np.testing.assert_allclose(levels.tree, linkage(pdist(means), "average"))
    expected = fcluster(linkage(pdist(means), "average"), 4, "maxclust")
    same = levels.supercluster[:, None] == levels.supercluster
    np.testing.assert_array_equal(same, expected[:, None] == expected)


@pytest.mark.parametrize("seed", range(3))
def test_clusters_merge_at_the_heights_of_the_tree_of_rois(seed):
    # The oracle is SciPy's cophenetic distance: the height at which two ROIs are in one branch.
    x = np.random.default_rng(seed).normal(size=(60, 3))
    tree = linkage(x, "average")
    labels = np.unique(fcluster(tree, 14, "maxclust"), return_inverse=True)[1]
    k = labels.max() + 1
    heights = squareform(cophenet(tree))
    first = [int(np.flatnonzero(labels == number)[0]) for number in range(k)]
    between = heights[np.ix_(first, first)]
    levels = find_levels(clustering_of(labels, tree), x, PLAIN)
    joined = levels.supercluster[:, None] == levels.supercluster
    np.fill_diagonal(between, 0)
    assert between[joined].max() < between[~joined].min()
    assert 2 <= levels.n_superclusters <= k // 2


def test_noise_is_passed_over_and_has_no_supercluster():
    x, _ = nested()
    tree = linkage(x, "average")
    labels = np.repeat(np.arange(12), 10)
    labels[::10] = -1
    levels = find_levels(clustering_of(labels, tree), x, PLAIN)
    assert levels.n_superclusters == 4
    assert len(levels.tree) == 119, "the tree of the ROIs"
    assert (levels.of_rois(labels)[::10] == -1).all()
    assert levels.of_rois(labels).max() == 3


def test_clusters_that_a_review_made_are_no_branches_and_get_a_tree_of_their_own():
    x, _ = nested()
    labels = np.repeat(np.arange(12), 10)
    labels[[0, 119]] = [11, 0]
    levels = find_levels(clustering_of(labels, linkage(x, "average")), x, PLAIN)
    assert levels.tree.shape == (11, 4)
    assert levels.supercluster.shape == (12,)


def test_superclusters_are_numbered_from_the_largest():
    x, _ = nested()
    labels = np.repeat(np.arange(12), 10)
    keep = np.ones(120, bool)
    keep[5:30] = False  # the first group of clusters becomes the smallest
    labels = np.unique(labels[keep], return_inverse=True)[1]
    levels = find_levels(clustering_of(labels), x[keep], PLAIN)
    sizes = np.bincount(levels.of_rois(labels))
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_fewer_than_four_clusters_are_superclusters_themselves(k):
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(-1, k), 4)
    x = rng.normal(size=(len(labels), 3))
    levels = find_levels(clustering_of(labels), x, PLAIN)
    assert levels.supercluster.tolist() == list(range(k))
    assert levels.of_rois(labels).tolist() == labels.tolist()


def test_equal_embeddings_have_superclusters():
    labels = np.repeat(np.arange(6), 3)
    levels = find_levels(clustering_of(labels), np.ones((18, 4)), PLAIN)
    assert levels.n_superclusters == 2


# Scores and numbers of clusters of cuts, from the coarsest to the finest.
CUTS = ScoredCuts(
    np.array([0.2, 0.3, 0.9, 0.6, 0.7, 0.0, 0.1]), np.array([2, 5, 10, 18, 21, 40, 9])
)


@pytest.mark.parametrize(
    ("granularity", "chosen"),
    [(1.0, 2), (0.5, 1), (0.2, 0), (0.05, 0), (2.0, 4), (1.8, 3), (4.0, 4), (1.05, 2), (0.95, 2)],
)
def test_granularity_moves_the_cut_to_about_that_many_times_the_clusters(granularity, chosen):
    assert choose_cut(CUTS, granularity, CUTS) == chosen


def test_of_cuts_whose_scores_differ_by_less_than_a_hundredth_the_coarsest_is_used():
    for second, chosen in ((0.991, 1), (0.989, 3)):
        cuts = ScoredCuts(np.array([0.5, second, 0.97, 1.0]), np.array([3, 8, 11, 15]))
        assert choose_cut(cuts, 1, cuts) == chosen


def test_a_finer_cut_is_one_with_smaller_clusters_where_these_are_allowed():
    smaller = ScoredCuts(CUTS.scores, np.array([2, 5, 12, 19, 26, 60, 30]))
    assert choose_cut(CUTS, 2.0, smaller) == 3
    assert choose_cut(CUTS, 3.0, smaller) == 6


def test_without_a_cut_there_is_nothing_to_choose():
    none = ScoredCuts(np.zeros(2), np.array([2, 3]))
    assert choose_cut(none, 2.0, none) is None
    empty = ScoredCuts(np.zeros(0), np.zeros(0))
    assert choose_cut(empty, 1.0, empty) is None


@pytest.mark.parametrize(
    ("granularity", "n_clusters"), [("coarse", 6), ("default", 12), (1, 12), (1 / 3, 4)]
)
def test_the_tree_is_cut_more_coarsely_below_1(granularity, n_clusters):
    x, _ = nested()
    settings = ClusteringSettings(granularity=granularity)
    assert AverageLinkage().cluster(x.astype(np.float64), settings, 0).n_clusters == n_clusters


def test_the_tree_is_cut_more_finely_above_1():
    x, _ = nested()
    fine = AverageLinkage().cluster(x.astype(np.float64), ClusteringSettings(granularity="fine"), 0)
    assert 18 <= fine.n_clusters <= 30


def test_hdbscan_divides_its_smallest_cluster_by_the_granularity():
    from darksound.cluster.clusterers.hdbscan import resolve_min_cluster_size

    sizes = [
        resolve_min_cluster_size(ClusteringSettings(granularity=g), 10_000)
        for g in ("coarse", "default", "fine", 20)
    ]
    assert sizes == [20, 10, 5, 2]
    fixed = ClusteringSettings(granularity="fine", min_cluster_size=8)
    assert resolve_min_cluster_size(fixed, 10_000) == 8


def test_a_clusterer_without_granularity_refuses_it():
    x, _ = nested()
    settings = Settings().replace(
        clustering={"method": "dbscan", "granularity": "fine"}, reduction={"method": "none"}
    )
    with pytest.raises(SettingsError, match=r"dbscan has no clustering\.granularity"):
        find_clusters(x, settings)


@pytest.mark.parametrize("value", [0, -1, 100, "medium", True])
def test_other_values_of_granularity_are_refused(value):
    with pytest.raises(SettingsError, match="granularity"):
        ClusteringSettings(granularity=value)

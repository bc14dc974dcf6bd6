"""DBCV: parity with a textbook implementation and with hdbscan, and in many dimensions."""

import numpy as np
import pytest
from hdbscan.validity import all_points_core_distance, validity_index
from scipy.sparse.csgraph import minimum_spanning_tree as scipy_tree
from scipy.spatial.distance import cdist

from darksound.cluster import validity
from darksound.cluster.validity import (
    cluster_validity,
    core_distances,
    dbcv,
    minimum_spanning_tree,
)


def textbook(x: np.ndarray, clusters: np.ndarray) -> float:
    """Moulavi et al. 2014, eq. 1-7, as literally as possible: Kruskal, loops, plain powers."""
    d = x.shape[1]
    parts = {}
    for name in sorted(set(clusters.tolist()) - {-1}):
        members = x[clusters == name]
        between = cdist(members, members)
        m = len(members)
        core = np.array(
            [
                (sum((1 / between[i, j]) ** d for j in range(m) if j != i) / (m - 1)) ** (-1 / d)
                for i in range(m)
            ]
        )
        edges = sorted(
            (max(core[i], core[j], between[i, j]), between[i, j], i, j)
            for i in range(m)
            for j in range(i)
        )
        group = list(range(m))
        tree = []
        for weight, _, i, j in edges:
            if group[i] != group[j]:
                tree.append((weight, i, j))
                group = [group[i] if g == group[j] else g for g in group]
        degree = np.bincount([node for _, i, j in tree for node in (i, j)], minlength=m)
        inside = [w for w, i, j in tree if degree[i] > 1 and degree[j] > 1]
        sparseness = max(inside or [w for w, _, _ in tree])
        inner = np.flatnonzero(degree > 1) if (degree > 1).any() else np.arange(m)
        parts[name] = (members[inner], core[inner], sparseness, m)
    total = 0.0
    for name, (nodes, core, sparseness, m) in parts.items():
        separation = min(
            np.maximum(cdist(nodes, others), np.maximum(core[:, None], other_core)).min()
            for other, (others, other_core, _, _) in parts.items()
            if other != name
        )
        total += m / len(x) * (separation - sparseness) / max(separation, sparseness)
    return total


def blobs(n: int, k: int, d: int, spread: float, seed: int = 0, noise: int = 0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, d))
    clusters = np.repeat(np.arange(k), n)
    x = centres[clusters] + spread * rng.normal(size=(n * k, d))
    far = rng.normal(size=(noise, d))
    return np.vstack([x, far]), np.concatenate([clusters, np.full(noise, -1)])


@pytest.mark.parametrize(("d", "spread"), [(2, 0.1), (2, 0.5), (5, 0.2), (12, 0.6)])
def test_agrees_with_the_textbook(d, spread):
    x, clusters = blobs(15, 4, d, spread, seed=d, noise=9)
    assert dbcv(x, clusters) == pytest.approx(textbook(x, clusters), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [0.15, 0.6])
def test_agrees_with_hdbscan(seed, spread):
    # Where edges tie in mutual reachability hdbscan joins the first row and darksound the
    # one that is nearest, which makes other nodes inner ones. Core distances approach the nearest
    # neighbour's with the dimension, and ties become rare: 60 is still within float64.
    x, clusters = blobs(25, 3, 60, spread, seed=seed, noise=5)
    assert dbcv(x, clusters) == pytest.approx(validity_index(x, clusters), abs=0.02)


@pytest.mark.parametrize("d", [1, 3, 10])
def test_parts_agree_with_hdbscan_and_scipy(d):
    x = np.random.default_rng(d).normal(size=(40, d))
    core = core_distances(x)
    assert core == pytest.approx(all_points_core_distance(cdist(x, x), d=d))
    edges, weights = minimum_spanning_tree(x, core)
    mutual = np.maximum(cdist(x, x), np.maximum(core[:, None], core[None, :]))
    assert weights == pytest.approx(mutual[edges[:, 0], edges[:, 1]])
    assert weights.sum() == pytest.approx(scipy_tree(mutual).sum())


def test_blocks_do_not_change_the_value(monkeypatch):
    x, clusters = blobs(30, 4, 6, 0.4, noise=10)
    whole = dbcv(x, clusters)
    monkeypatch.setattr(validity, "_BLOCK", 64)
    assert dbcv(x, clusters) == pytest.approx(whole, abs=1e-12)


def test_order_of_rows_and_scale_do_not_change_it():
    x, clusters = blobs(20, 3, 4, 0.5, noise=6)
    order = np.random.default_rng(1).permutation(len(x))
    renamed = np.where(clusters < 0, -1, 9 - 4 * clusters)
    assert dbcv(1000 + 7 * x[order], renamed[order]) == pytest.approx(dbcv(x, clusters), abs=1e-6)


@pytest.mark.parametrize("d", [512, 4096])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_is_finite_in_many_dimensions_where_powers_overflow(d, scale):
    x, clusters = blobs(20, 3, d, 0.2, noise=5)
    x = x.astype(np.float32) * np.float32(scale)
    with np.errstate(all="ignore"):
        between = cdist(x[:20], x[:20])
        plain = np.sum(between[~np.eye(20, dtype=bool)] ** -float(d))
    value = dbcv(x, clusters)
    assert np.isfinite(value)
    assert 0.3 < value < 1
    if scale != 1.0:
        assert plain in (0.0, np.inf)


def test_core_distance_lies_between_the_nearest_and_the_mean():
    x = np.random.default_rng(0).normal(size=(30, 300))
    between = cdist(x, x)
    np.fill_diagonal(between, np.inf)
    nearest = between.min(axis=1)
    np.fill_diagonal(between, np.nan)
    core = core_distances(x)
    assert (core >= nearest).all()
    assert (core <= np.nanmean(between, axis=1)).all()
    assert core == pytest.approx(nearest * 29 ** (1 / 300), rel=0.05)


def test_noise_counts_in_the_weight_only():
    x, clusters = blobs(20, 3, 3, 0.1)
    far = np.vstack([x, np.full((60, 3), 50.0) + np.arange(60)[:, None]])
    with_noise = np.concatenate([clusters, np.full(60, -1)])
    assert dbcv(far, with_noise) == pytest.approx(dbcv(x, clusters) / 2)


def test_merging_separate_groups_lowers_it():
    x, clusters = blobs(20, 6, 8, 0.15)
    assert dbcv(x, clusters) > 0.5 > 0 > dbcv(x, clusters // 3)


def test_undefined_with_fewer_than_two_clusters():
    x, _ = blobs(5, 2, 3, 0.1)
    for clusters in (np.full(10, -1), np.zeros(10, int), np.array([0] * 9 + [1])):
        assert np.isnan(dbcv(x, clusters))


def test_coinciding_rois_and_pairs_have_a_validity():
    x = np.repeat([[0.0, 0.0], [5.0, 5.0]], 4, axis=0)
    result = cluster_validity(x, np.repeat([0, 1], 4))
    assert result.sizes.tolist() == [4, 4]
    assert result.values == pytest.approx([1.0, 1.0])
    assert result.weighted_entropy == pytest.approx(1.0)
    pairs = np.array([[0.0, 0], [0, 1], [9, 0], [9, 1]])
    assert dbcv(pairs, np.array([0, 0, 1, 1])) == pytest.approx((9 - 1) / 9)
    assert dbcv(np.zeros((6, 2)), np.array([0, 0, 0, 1, 1, 1])) == 0.0


def test_weighted_entropy_is_the_entropy_of_valid_clusters():
    x, clusters = blobs(16, 8, 40, 1e-9)
    result = cluster_validity(x, clusters)
    assert result.values == pytest.approx(np.ones(8))
    assert result.weighted_entropy == pytest.approx(3.0)
    half = np.where(clusters < 4, clusters, -1)
    assert cluster_validity(x, half).weighted_entropy == pytest.approx(0.5 * 3.0)
    assert cluster_validity(x, np.zeros(128, int)).weighted_entropy == 0.0
    assert cluster_validity(x, np.full(128, -1)).weighted_entropy == 0.0


# Not in 8 dimensions with a spread of 0.6, where the groups themselves run into one another.
@pytest.mark.parametrize(("d", "spread"), [(8, 0.1), (8, 0.3), (256, 0.1), (256, 0.3), (256, 0.6)])
@pytest.mark.parametrize("seed", range(3))
def test_weighted_entropy_is_highest_for_the_true_groups(d, spread, seed):
    x, groups = blobs(20, 12, d, spread, seed=seed)
    within = np.tile(np.arange(20), 12)
    rng = np.random.default_rng(seed)
    right = cluster_validity(x, groups).weighted_entropy
    wrong = {
        "two merged": np.where(groups == 1, 0, groups),
        "merged to six": groups // 2,
        "merged to two": groups // 6,
        "each split in two": groups * 2 + (within >= 10),
        "each split in five": groups * 5 + within % 5,
        "a third noise": np.where(rng.random(240) < 0.3, -1, groups),
        "a tenth misplaced": np.where(rng.random(240) < 0.1, rng.integers(0, 12, 240), groups),
        "permuted": rng.permutation(groups),
    }
    for what, clusters in wrong.items():
        assert cluster_validity(x, clusters).weighted_entropy < right, what


def test_few_confused_groups_have_a_higher_dbcv_but_a_lower_weighted_entropy():
    poor, groups = blobs(20, 12, 64, 1.1, seed=2)
    confused, thirds = blobs(80, 3, 64, 0.7, seed=2)
    before, after = cluster_validity(poor, groups), cluster_validity(confused, thirds)
    assert after.dbcv > before.dbcv + 0.1
    assert after.weighted_entropy < before.weighted_entropy

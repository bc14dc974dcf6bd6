"""Stability of clusters under resampling of recordings, and the interval of the number of types."""

import numpy as np
import pandas as pd
import pytest

from darksound.cluster.clusterers.base import SharesDistances, cluster_subsets
from darksound.cluster.clusterers.linkage import AverageLinkage
from darksound.cluster.estimators import resolve_clusterer
from darksound.cluster.intervals import (
    MIN_STABILITY,
    TypeCount,
    cluster_stability,
    type_count,
    with_type_count,
)
from darksound.cluster.metrics import adjusted_rand
from darksound.cluster.normalise import normalise
from darksound.cluster.pseudo_labels import apply_constraints
from darksound.cluster.stability import (
    jaccard_with_best,
    resample_clusters,
    resampling_units,
)
from darksound.cluster.structure import find_clusters
from darksound.settings import ClusteringSettings, Settings

LINKAGE = ClusteringSettings(method="linkage")


def blobs(sizes, d=8, spread=0.15, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(sizes), d))[groups] + spread * rng.normal(size=(len(groups), d))
    return x.astype(np.float32), groups


def brute_force_jaccard(labels, others, k):
    """For each cluster the largest |A & B| / |A | B| over the other clusters B, by sets."""
    found = []
    for number in range(k):
        a = set(np.flatnonzero(labels == number).tolist())
        sets = [set(np.flatnonzero(others == b).tolist()) for b in range(others.max() + 1)]
        found.append(max((len(a & b) / len(a | b) for b in sets), default=0.0) if a else np.nan)
    return np.array(found)


def test_jaccard_is_that_of_sets():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, others = rng.integers(-1, 4, 30), rng.integers(-1, 5, 30)
        expected = brute_force_jaccard(labels, others, 5)
        np.testing.assert_allclose(jaccard_with_best(labels, others, 5), expected)


def test_jaccard_with_noise_alone_is_0():
    found = jaccard_with_best(np.array([0, 0, -1]), np.full(3, -1), 2)
    np.testing.assert_array_equal(found, [0.0, np.nan])


def test_recordings_are_units_if_there_are_enough():
    recordings = np.array([f"r{i % 25}" for i in range(100)], dtype=object)
    units = resampling_units(recordings, np.arange(100.0))
    assert pd.crosstab(units, recordings).gt(0).sum(axis=1).eq(1).all()
    assert units.max() == 24


def test_few_recordings_are_cut_into_parts_of_successive_rois():
    recordings = np.array(["a"] * 60 + ["b"] * 40, dtype=object)
    start_s = np.concatenate([np.arange(60.0)[::-1], np.arange(40.0)])
    units = resampling_units(recordings, start_s)
    assert np.bincount(units).tolist() == [5] * 20
    for unit in range(20):
        rows = np.flatnonzero(units == unit)
        assert len(set(recordings[rows])) == 1
        assert np.ptp(start_s[rows]) == 4


def test_each_roi_of_a_small_set_is_a_unit():
    assert sorted(resampling_units(np.array(["a"] * 7, object), np.arange(7.0))) == list(range(7))


def test_clusters_that_are_always_found_have_stability_1():
    x, _ = blobs([30, 20, 10])
    settings = Settings()
    clustering = find_clusters(x, settings)
    units = np.arange(len(x)) % 25
    found = cluster_stability(x, clustering, units, settings)
    assert found is not None
    np.testing.assert_allclose(found.per_cluster, 1)
    assert found.types == TypeCount(3, 2, 5, 3)


def test_a_cluster_that_is_divided_in_some_resamples_is_less_stable():
    # The halves of cluster 0 are apart in the resamples without unit 0, which are about a fifth.
    labels = np.array([0] * 10 + [1] * 10)
    units = np.arange(20) % 5

    def cluster_rows(rows):
        has_unit = 0 in units[rows]
        found = labels[rows].copy()
        if not has_unit:
            found[(rows < 10) & (rows % 2 == 1)] = 2
        return found

    found = resample_clusters(labels, cluster_rows, units, n_resamples=200, seed=0)
    assert set(found.n_clusters) == {2, 3}
    share = float((found.n_clusters == 3).mean())
    assert share == pytest.approx(0.2, abs=3 * np.sqrt(0.2 * 0.8 / 200))
    # Without unit 0, 8 of the 10 ROIs are left, 4 in each half.
    np.testing.assert_allclose(found.stability, [1 - share / 2, 1])


def test_resamples_are_the_same_for_the_same_seed_and_hold_80_percent_of_the_units():
    units = np.repeat(np.arange(20), 2)
    seen: list[np.ndarray] = []

    def cluster_rows(rows):
        seen.append(rows)
        return np.zeros(len(rows), np.int64)

    for _ in range(2):
        resample_clusters(np.zeros(40, np.int64), cluster_rows, units, n_resamples=3, seed=7)
    assert all(len(rows) == 32 and len(set(units[rows])) == 16 for rows in seen)
    for first, second in zip(seen[:3], seen[3:], strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(seen[0], seen[1])


def test_a_cluster_without_rois_in_any_resample_has_stability_0():
    labels = np.array([0, 0, 1, 1])
    units = np.array([0, 1, 2, 2])
    found = resample_clusters(labels, lambda rows: labels[rows], units, n_resamples=1, seed=0)
    absent = np.isnan(found.jaccard[0])
    np.testing.assert_array_equal(found.stability[absent], 0)


@pytest.mark.parametrize("granularity", [0.5, 1.0, 2.0])
def test_linkage_of_subsets_finds_the_clusters_of_the_whole_set(granularity):
    x, _ = blobs([40, 25, 20, 12, 8, 5], spread=0.5)
    y = normalise(x, "centred").astype(np.float64)
    settings = LINKAGE.replace(granularity=granularity)
    whole = AverageLinkage().cluster(y, settings, 0)
    rows = np.arange(len(y))
    again = AverageLinkage().of_subsets(y, settings, 0, whole.n_clusters)(rows)
    assert adjusted_rand(whole.labels, again) == 1
    assert again.max() + 1 == whole.n_clusters


def test_linkage_of_a_subset_by_the_metric_alone_is_linkage_of_the_subset():
    x, _ = blobs([40, 25, 20, 12], spread=0.4)
    y = x.astype(np.float64)
    settings = LINKAGE.replace(graph_weight=0.0, min_cluster_size=3)
    shared = AverageLinkage().of_subsets(y, settings, 0, 4)
    for seed in range(5):
        rows = np.sort(np.random.default_rng(seed).permutation(len(y))[:70])
        alone = AverageLinkage().cluster(y[rows], settings, 0)
        assert adjusted_rand(alone.labels, shared(rows)) == 1


def test_tiny_subsets_are_noise():
    x, _ = blobs([10, 10])
    assert AverageLinkage().of_subsets(x, LINKAGE, 0, 2)(np.arange(3)).tolist() == [-1] * 3


def test_subsets_of_large_sets_share_micro_clusters():
    x, groups = blobs([120, 90, 60, 30], d=16)
    y = normalise(x, "centred").astype(np.float64)
    settings = LINKAGE.replace(max_linkage_samples=100)
    shared = AverageLinkage().of_subsets(y, settings, 0, 4)
    rows = np.sort(np.random.default_rng(0).permutation(len(y))[:240])
    found = shared(rows)
    # The smallest group has few micro-clusters, and may be joined to another one.
    assert adjusted_rand(groups[rows], found) > 0.9
    assert all(len(set(found[groups[rows] == group])) == 1 for group in range(4))


class KMeansLike:
    """A clusterer without shared distances: nearest of the first rows of each blob."""

    def fit_predict(self, x):
        return (x[:, 0] > x[:, 0].mean()).astype(int)


def test_other_clusterers_are_repeated_on_subsets():
    x, _ = blobs([30, 30], d=4)
    settings = Settings().replace(reduction={"method": "none"})
    clustering = find_clusters(x, settings, clusterer=KMeansLike())
    found = cluster_stability(x, clustering, np.arange(60) % 20, settings, clusterer=KMeansLike())
    assert found is not None
    assert found.types.n == 2
    assert (found.per_cluster > MIN_STABILITY).all()


def test_linkage_shares_distances_and_dbscan_clusters_the_rows_of_a_subset():
    x, _ = blobs([20, 20])
    dbscan = ClusteringSettings(method="dbscan", min_samples=3, eps=1.0)
    method = resolve_clusterer(dbscan)
    assert isinstance(AverageLinkage(), SharesDistances)
    assert not isinstance(method, SharesDistances)
    rows = np.arange(5, 35)
    alone = method.cluster(x[rows], dbscan, 0).labels
    np.testing.assert_array_equal(cluster_subsets(method, x, dbscan, 0, 2)(rows), alone)


def test_a_clusterer_that_refuses_a_resample_gives_a_note_and_no_stability():
    class Fussy:
        def fit_predict(self, x):
            if len(x) < 40:
                raise ValueError("needs all ROIs")
            return np.arange(len(x)) % 2

    x, _ = blobs([20, 20])
    settings = Settings().replace(reduction={"method": "none"})
    clustering = find_clusters(x, settings, clusterer=Fussy())
    notes: list[str] = []
    units = np.arange(40) % 20
    found = cluster_stability(x, clustering, units, settings, clusterer=Fussy(), note=notes.append)
    assert found is None
    assert "needs all ROIs" in notes[0]


def test_constraints_of_a_review_hold_in_resamples():
    x, groups = blobs([20, 20, 20])
    settings = Settings()
    joined = np.where(groups == 2, 1, groups)
    clustering = apply_constraints(find_clusters(x, settings), joined)
    units = np.arange(60) % 20
    found = cluster_stability(x, clustering, units, settings, constraints=joined)
    assert found is not None
    np.testing.assert_allclose(found.per_cluster, 1)


def test_without_resamples_or_clusters_nothing_is_computed():
    x, _ = blobs([20, 20])
    settings = Settings().replace(mec={"resamples": 0})
    clustering = find_clusters(x, settings)
    units = np.arange(40) % 20
    assert cluster_stability(x, clustering, units, settings) is None
    alone = find_clusters(np.ones((8, 4), np.float32), Settings())
    assert cluster_stability(np.ones((8, 4), np.float32), alone, units[:8], Settings()) is None


@pytest.mark.parametrize("k", [2, 5, 13, 60])
@pytest.mark.parametrize("mean", [0.0, 0.3, 0.7, 0.9, 1.0])
def test_the_interval_holds_the_number_of_clusters_and_lies_lower_for_unstable_ones(k, mean):
    found = type_count(np.full(k, mean))
    assert 1 <= found.low <= k <= found.high
    stable = type_count(np.ones(k))
    assert found.low <= stable.low
    assert found.high <= stable.high
    assert found.n_stable == (k if mean >= MIN_STABILITY else 0)


def test_the_sentence_names_the_interval_and_the_stable_clusters():
    assert TypeCount(27, 23, 31, 21).sentence == "27 call types, 23 to 31; 21 stable"


def test_the_number_of_types_is_in_the_kept_row_of_the_iterations():
    iterations = pd.DataFrame(
        {"iteration": [0, 1], "n_clusters": [4, 5], "coverage": 1.0, "kept": [False, True]}
    )
    types = TypeCount(5, 4, 7, 3)
    table = with_type_count(iterations, types)
    assert list(table.columns[2:6]) == ["n_types", "n_types_low", "n_types_high", "n_stable"]
    assert table.iloc[0, 2:6].isna().all()
    assert TypeCount.from_row(table.iloc[1]) == types
    assert TypeCount.from_row(iterations.iloc[1]) is None
    assert with_type_count(iterations, None) is iterations


def test_the_interval_holds_the_number_of_groups_of_made_worlds():
    """Of Gaussian groups that overlap more or less; at least 8 of 10 with 95 % coverage.

    Fewer are held with a probability of 0.012 if each is held with 0.95.
    """
    held = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        k = int(rng.integers(5, 12))
        x, _ = blobs(rng.integers(6, 14, k), d=24, spread=rng.uniform(0.3, 0.8), seed=seed)
        settings = Settings().replace(mec={"resamples": 10})
        clustering = find_clusters(x, settings)
        found = cluster_stability(x, clustering, np.arange(len(x)) % 25, settings)
        held += found is not None and found.types.low <= k <= found.types.high
    assert held >= 8

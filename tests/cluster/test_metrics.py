"""Metrics of clusters: parity with scikit-learn and brute force, and edge cases."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from darksound.cluster.metrics import (
    accuracy,
    adjusted_mutual_information,
    adjusted_rand,
    agreement,
    coverage,
    label_scores,
    noise_as_singletons,
    normalised_mutual_information,
)

partitions = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 6), min_size=n, max_size=n),
        st.lists(st.integers(-1, 4), min_size=n, max_size=n),
    )
)


def brute_force_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    classes, clusters = np.unique(labels), np.unique(predicted)
    width = max(len(classes), len(clusters))
    names = list(clusters) + [None] * (width - len(clusters))
    targets = list(classes) + [None] * (width - len(classes))
    best = 0
    for order in permutations(targets):
        to = dict(zip(names, order, strict=True))
        best = max(best, sum(to[f] == t for f, t in zip(predicted, labels, strict=True)))
    return best / len(labels)


@settings(deadline=None)
@given(partitions)
def test_agrees_with_scikit_learn(pair):
    labels, predicted = map(np.array, pair)
    assert normalised_mutual_information(labels, predicted) == pytest.approx(
        oracle.v_measure_score(labels, predicted), abs=1e-9
    )
    assert adjusted_rand(labels, predicted) == pytest.approx(
        oracle.adjusted_rand_score(labels, predicted), abs=1e-9
    )
    singletons = len(np.unique(labels)) == len(np.unique(predicted)) == len(labels)
    if not singletons:  # scikit-learn divides 0 by 0 there; identical partitions agree fully
        assert adjusted_mutual_information(labels, predicted) == pytest.approx(
            oracle.adjusted_mutual_info_score(labels, predicted), abs=1e-7
        )


@settings(deadline=None, max_examples=40)
@given(partitions)
def test_accuracy_is_the_best_matching(pair):
    labels, predicted = map(np.array, pair)
    assert accuracy(labels % 4, predicted) == pytest.approx(
        brute_force_accuracy(labels % 4, predicted)
    )
    singletons = noise_as_singletons(predicted)[:5]
    assert accuracy(labels[:5] % 4, singletons) == pytest.approx(
        brute_force_accuracy(labels[:5] % 4, singletons)
    )


@settings(deadline=None)
@given(partitions, st.randoms())
def test_naming_and_order_do_not_change_it(pair, random):
    labels, predicted = map(np.array, pair)
    order = list(range(len(labels)))
    random.shuffle(order)
    first, second = (
        agreement(labels, predicted),
        agreement(predicted[order] * -3, labels[order] + 9),
    )
    assert (first.nmi, first.ami, first.ari) == pytest.approx((second.nmi, second.ami, second.ari))


def test_every_noise_roi_becomes_a_cluster_of_its_own():
    predicted = np.array([0, -1, 2, -1, 0])
    singletons = noise_as_singletons(predicted)
    assert singletons.tolist() == [0, 3, 2, 4, 0]
    assert noise_as_singletons(np.array([-1, -1])).tolist() == [0, 1]
    assert coverage(predicted) == pytest.approx(0.6)


def test_leaving_out_hard_rois_does_not_raise_metrics_over_all():
    labels = ["a"] * 10 + ["b"] * 10
    partial = np.array([0] * 3 + [-1] * 7 + [1] * 3 + [-1] * 7)
    complete = np.array([0] * 9 + [1] + [1] * 9 + [0])
    few, all_in = label_scores(partial, labels), label_scores(complete, labels)
    assert few.clustered.ari == 1.0 > all_in.clustered.ari
    assert few.everything.ari < all_in.everything.ari
    assert few.everything.acc == pytest.approx(6 / 20)
    assert (few.coverage, all_in.coverage) == (0.3, 1.0)


def test_rois_without_label_are_left_out_and_counted():
    labels = ["a", None, "a", "b", float("nan"), "b"]
    scores = label_scores(np.array([0, 1, 0, 1, -1, 1]), labels)
    assert (scores.n_labelled, scores.n_unlabelled) == (4, 2)
    assert scores.clustered.ari == scores.everything.acc == scores.coverage == 1.0


def test_only_noise_has_no_metrics_over_clustered_rois():
    scores = label_scores(np.full(6, -1), list("aabbcc"))
    assert np.isnan([scores.clustered.acc, scores.clustered.ami, scores.clustered.ari]).all()
    assert (scores.everything.ami, scores.everything.ari) == (0.0, 0.0)
    assert scores.everything.nmi == pytest.approx(oracle.v_measure_score(list("aabbcc"), range(6)))
    assert scores.coverage == 0.0


def test_one_cluster_with_two_labels_has_no_agreement():
    scores = label_scores(np.zeros(6, dtype=int), list("aaabbb")).clustered
    assert (scores.acc, scores.nmi, scores.ami, scores.ari) == (0.5, 0.0, 0.0, 0.0)
    same = label_scores(np.zeros(3, dtype=int), list("aaa")).clustered
    assert (same.acc, same.nmi, same.ami, same.ari) == (1.0, 1.0, 1.0, 1.0)


def test_the_row_of_the_table_has_both_kinds():
    row = label_scores(np.array([0, 0, 1, -1]), list("aabb")).as_row()
    assert list(row) == [f"{m}{s}" for s in ("", "_all") for m in ("acc", "nmi", "ami", "ari")]


def test_a_thousand_noise_rois_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 9, 3000), rng.integers(-1, 3, 3000)
    predicted[rng.random(3000) < 0.5] = -1
    singletons = noise_as_singletons(predicted)
    assert adjusted_mutual_information(singletons, labels) == pytest.approx(
        oracle.adjusted_mutual_info_score(singletons, labels), abs=1e-7
    )

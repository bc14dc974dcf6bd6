"""Open-set scores: types, thresholds and probabilities, on made vectors."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from tests.catalogue.made import cloud, open_set

from darksound.catalogue.scores import OpenSet, score_open_set

KNOWN = np.repeat(np.arange(6), 12)


def test_rois_are_of_the_type_whose_centre_they_are_around():
    types = np.arange(6).repeat(5)
    scores = score_open_set(open_set(KNOWN), cloud(types, seed=2))
    assert (scores.nearest == types).all()
    assert scores.accepted.mean() > 0.9
    # An independent implementation of shrunk discriminant analysis agrees.
    known = open_set(KNOWN)
    other = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5)
    other.fit(known.embeddings / np.linalg.norm(known.embeddings, axis=1, keepdims=True), KNOWN)
    new = cloud(types, seed=2)
    assert (other.predict(new / np.linalg.norm(new, axis=1, keepdims=True)) == types).all()


def test_unknown_rois_are_below_the_thresholds():
    scores = score_open_set(open_set(KNOWN), cloud([6, 7, 8] * 10, seed=3))
    assert not scores.accepted.any()
    assert (scores.probability.sum(axis=1) < 0.5).all()


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_thresholds_reject_at_most_the_wanted_share_of_known_calls(share):
    rejected, n = 0, 0
    for seed in range(10):
        known = open_set(np.repeat(np.arange(6), 10), spread=1.2, seed=seed)
        known = OpenSet(known.embeddings, known.types, known.recordings, share)
        new = np.arange(6).repeat(20)
        scores = score_open_set(known, cloud(new, spread=1.2, seed=100 + seed))
        rejected, n = rejected + int((~scores.accepted).sum()), n + len(new)
    # Some more than by chance alone, since thresholds are estimated too.
    assert rejected <= binom.ppf(0.999, n, 1.3 * share)


def test_probabilities_are_those_of_being_right():
    rows = []
    for seed in range(12):
        known = open_set(np.repeat(np.arange(6), 10), spread=1.3, seed=seed)
        new = np.arange(12).repeat(10)
        scores = score_open_set(known, cloud(new, spread=1.3, seed=200 + seed))
        p = scores.probability[np.arange(len(new)), scores.nearest]
        rows.append(np.stack([p, scores.nearest == new]))
    p, right = np.concatenate(rows, axis=1)
    for low, high in ((0, 0.3), (0.3, 0.7), (0.7, 1.01)):
        inside = (p >= low) & (p < high)
        assert inside.sum() > 20
        assert abs(p[inside].mean() - right[inside].mean()) < 0.15
    assert (scores.probability.sum(axis=1) <= 1 + 1e-9).all()


def test_the_order_of_new_rois_changes_nothing():
    new = cloud(np.arange(9).repeat(4), seed=4)
    order = np.random.default_rng(0).permutation(len(new))
    one, other = (score_open_set(open_set(KNOWN), x) for x in (new, new[order]))
    np.testing.assert_allclose(one.score[order], other.score, atol=1e-12)
    np.testing.assert_allclose(one.probability[order], other.probability, atol=1e-9)
    assert (one.accepted[order] == other.accepted).all()


def test_the_length_of_vectors_changes_nothing():
    known = open_set(KNOWN)
    longer = OpenSet(3 * known.embeddings, known.types, known.recordings)
    new = cloud([0, 7], seed=5)
    one, other = score_open_set(known, new), score_open_set(longer, 10 * new)
    np.testing.assert_allclose(one.score, other.score, atol=1e-6)


def test_types_of_a_single_recording_or_roi_have_thresholds():
    types = np.array([0] * 6 + [1] * 6 + [2])
    recordings = np.array(["a"] * 6 + ["b"] * 6 + ["c"], dtype=object)
    known = OpenSet(cloud(types), types, recordings)
    scores = score_open_set(known, cloud([0, 1, 2, 7], seed=6))
    assert np.isfinite(scores.threshold).all()
    assert scores.nearest[:3].tolist() == [0, 1, 2]
    assert not scores.accepted[3]


@pytest.mark.parametrize("n", [1, 2, 8])
def test_one_type_alone_is_enough(n):
    types = np.zeros(n, dtype=np.int64)
    known = OpenSet(cloud(types), types, np.arange(n).astype(str).astype(object))
    scores = score_open_set(known, cloud([0, 0, 7, 8], seed=7))
    assert scores.score.shape == (4, 1)
    assert ((scores.probability >= 0) & (scores.probability <= 1)).all()
    assert scores.score[:2].min() > scores.score[2:].max()


def test_copies_of_one_roi_and_zero_vectors_give_finite_scores():
    types = np.repeat([0, 1], 4)
    x = np.eye(2, 8, dtype=np.float32)[types]
    recordings = np.arange(8).astype(str).astype(object)
    new = np.vstack([x[[0, 4]], np.zeros(8, np.float32)])
    scores = score_open_set(OpenSet(x, types, recordings), new)
    assert np.isfinite(scores.score).all()
    assert np.isfinite(scores.probability).all()
    assert scores.nearest[:2].tolist() == [0, 1]


def test_without_new_rois_there_are_thresholds_only():
    scores = score_open_set(open_set(KNOWN), np.zeros((0, 32), np.float32))
    assert scores.threshold.shape == (6,)
    assert scores.nearest.shape == scores.accepted.shape == (0,)
    assert scores.probability.shape == (0, 6)

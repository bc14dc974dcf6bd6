"""Few-shot evaluation against formulas and scikit-learn."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from darksound.errors import InputError
from darksound.meta.checkpoints import TrainState
from darksound.meta.evaluation import evaluate_few_shot, interval_95, per_class_scores
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.meta.training import fit


def test_interval_is_1_96_standard_errors():
    values = np.array([0.2, 0.4, 0.4, 0.8])
    spread = math.sqrt(sum((x - 0.45) ** 2 for x in values) / 3)
    assert interval_95(values) == pytest.approx(1.959964 * spread / 2, rel=1e-6)
    assert interval_95(np.full(10, 0.7)) == pytest.approx(0, abs=1e-12)
    assert math.isnan(interval_95(np.array([0.5])))


def test_interval_covers_the_mean_in_95_percent():
    rng = np.random.default_rng(0)
    draws = rng.binomial(25, 0.8, (2000, 100)) / 25
    covered = [abs(row.mean() - 0.8) <= interval_95(row) for row in draws]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_per_class_scores_equal_scikit_learn_with_absent_classes():
    counts = np.array([[5, 2, 0, 0], [1, 3, 0, 2], [0, 0, 0, 0], [0, 0, 0, 4]])
    true, predicted = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices((4, 4)))
    expected = precision_recall_fscore_support(true, predicted, labels=range(4), zero_division=0.0)
    scores = per_class_scores(pd.DataFrame(counts, list("abcd"), list("abcd")))
    np.testing.assert_allclose(scores.to_numpy().T, np.array(expected))


@pytest.mark.parametrize("method", LEARNERS)
def test_figures_are_consistent_and_each_roi_passes_once(tiny, make_images, method):
    settings = tiny.replace(learner={"method": method})
    images = make_images()
    calls = []
    result = evaluate_few_shot(
        images,
        build_learner(settings),
        settings,
        n_episodes=20,
        folds=3,
        progress=lambda stage, done, total, /, values=None: calls.append((done, total)),
    )
    counts = result.confusion.to_numpy()
    assert counts.sum() == 60 * 3 * 2
    assert result.n_episodes == 60
    assert result.accuracy == pytest.approx(counts.trace() / counts.sum())
    assert result.accuracy == pytest.approx(result.folds.mean())
    assert result.classes["queries"].sum() == counts.sum()
    assert sorted(np.concatenate(images.batches)) == list(range(len(images)))
    assert calls[0] == (0, 60)
    assert calls[-1] == (60, 60)


def test_clear_patterns_are_classified_and_the_seed_determines_the_episodes(tiny, make_images):
    brief = tiny.replace(training={"epochs": 1, "episodes_per_epoch": 50, "learning_rate": 5e-3})
    learner = fit(make_images(), TrainState(build_learner(brief)), brief)
    results = [
        evaluate_few_shot(make_images(), learner, tiny.replace(seed=seed), n_episodes=20, folds=2)
        for seed in (1, 1, 2)
    ]
    assert results[0].accuracy > 0.6
    assert np.array_equal(results[0].confusion, results[1].confusion)
    assert not np.array_equal(results[0].confusion, results[2].confusion)


def test_chunks_of_many_rois_give_the_same_result(tiny, make_images, monkeypatch):
    learner = build_learner(tiny)
    whole = evaluate_few_shot(make_images(), learner, tiny, n_episodes=10, folds=1)
    monkeypatch.setattr("darksound.meta.evaluation._MAX_ROIS_IN_MEMORY", 20)
    images = make_images()
    chunked = evaluate_few_shot(images, learner, tiny, n_episodes=10, folds=1)
    assert np.array_equal(whole.confusion, chunked.confusion)
    assert len(np.concatenate(images.batches)) > len(images)


def test_rois_without_labels_are_refused(tiny, make_images, make_rois):
    images = make_images()
    images.rois.table["label"] = None
    with pytest.raises(InputError, match="nothing to compare with"):
        evaluate_few_shot(images, build_learner(tiny), tiny)

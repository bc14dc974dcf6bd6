"""Few-shot evaluation against figures worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from darksound.errors import InputError
from darksound.meta.evaluation import evaluate_few_shot, interval_95, per_class_scores
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.meta.training import TrainState, fit


def test_interval_is_1_96_standard_errors():
    values = np.array([0.2, 0.4, 0.4, 0.8])
    spread = math.sqrt(sum((x - 0.45) ** 2 for x in values) / 3)
    assert interval_95(values) == pytest.approx(1.959964 * spread / 2, rel=1e-6)
    assert interval_95(np.full(10, 0.7)) == pytest.approx(0, abs=1e-12)
    assert math.isnan(interval_95(np.array([0.5])))


def test_interval_covers_the_truth_95_times_in_100():
    rng = np.random.default_rng(0)
    draws = rng.binomial(25, 0.8, (2000, 100)) / 25
    covered = [abs(row.mean() - 0.8) <= interval_95(row) for row in draws]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_per_class_scores_agree_with_scikit_learn_also_for_absent_classes():
    counts = np.array([[5, 2, 0, 0], [1, 3, 0, 2], [0, 0, 0, 0], [0, 0, 0, 4]])
    true, predicted = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices((4, 4)))
    expected = precision_recall_fscore_support(true, predicted, labels=range(4), zero_division=0.0)
    scores = per_class_scores(pd.DataFrame(counts, list("abcd"), list("abcd")))
    np.testing.assert_allclose(scores.to_numpy().T, np.array(expected))


@pytest.mark.parametrize("method", LEARNERS)
def test_figures_fit_together_and_each_roi_passes_once(tiny, make_images, method):
    settings = tiny.replace(learner={"method": method})
    images = make_images()
    told = []
    result = evaluate_few_shot(
        build_learner(settings),
        images,
        settings,
        tasks=20,
        folds=3,
        progress=lambda stage, done, total, /, values=None: told.append((done, total)),
    )
    counts = result.confusion.to_numpy()
    assert counts.sum() == 60 * 3 * 2
    assert result.tasks == 60
    assert result.accuracy == pytest.approx(counts.trace() / counts.sum())
    assert result.accuracy == pytest.approx(result.folds.mean())
    assert result.classes["queries"].sum() == counts.sum()
    assert sorted(np.concatenate(images.batches)) == list(range(len(images)))
    assert told[0] == (0, 60)
    assert told[-1] == (60, 60)


def test_patterns_that_are_plain_are_told_apart_and_the_seed_decides(tiny, make_images):
    brief = tiny.replace(training={"epochs": 1, "episodes_per_epoch": 50, "learning_rate": 5e-3})
    learner = fit(TrainState(build_learner(brief)), make_images(), None, brief)
    results = [
        evaluate_few_shot(learner, make_images(), tiny.replace(seed=seed), tasks=20, folds=2)
        for seed in (1, 1, 2)
    ]
    assert results[0].accuracy > 0.6
    assert np.array_equal(results[0].confusion, results[1].confusion)
    assert not np.array_equal(results[0].confusion, results[2].confusion)


def test_many_rois_are_worked_through_in_parts_with_the_same_result(tiny, make_images, monkeypatch):
    learner = build_learner(tiny)
    whole = evaluate_few_shot(learner, make_images(), tiny, tasks=10, folds=1)
    monkeypatch.setattr("darksound.meta.evaluation._MOST_ROIS_AT_ONCE", 20)
    images = make_images()
    parts = evaluate_few_shot(learner, images, tiny, tasks=10, folds=1)
    assert np.array_equal(whole.confusion, parts.confusion)
    assert len(np.concatenate(images.batches)) > len(images)


def test_rois_without_labels_are_refused(tiny, make_images, make_rois):
    images = make_images()
    images.rois.table["label"] = None
    with pytest.raises(InputError, match="nothing to compare with"):
        evaluate_few_shot(build_learner(tiny), images, tiny)

"""Noise assigned by each learner, in one state, with rejection."""

import numpy as np
import pytest
import torch

from darksound.cluster import assign
from darksound.cluster.assign import assign_noise, support_size
from darksound.cluster.clusterers.base import Clustering
from darksound.meta.learners import LEARNERS, build_learner


def clustering_of(labels) -> Clustering:
    labels = np.array(labels)
    n = len(labels)
    return Clustering(labels, np.ones(n), np.zeros(n), np.ones(max(0, labels.max() + 1)))


@pytest.mark.parametrize("method", sorted(LEARNERS))
def test_every_learner_assigns_what_looks_alike(method, make_images, tiny_settings, monkeypatch):
    monkeypatch.setattr(assign, "_PAIRS", 9)  # several parts, the last one smaller
    settings = tiny_settings.replace(
        learner={"method": method}, mec={"min_assigned_probability": 0.0}, compute={"batch_size": 7}
    )
    images = make_images([8, 8, 8], noise=0.05)
    truth = np.repeat([0, 1, 2], 8)
    hidden = np.tile(np.arange(8) < 4, 3)
    learner = build_learner(settings)
    found = assign_noise(learner, images, clustering_of(np.where(hidden, -1, truth)), settings)
    assert found.rows.tolist() == np.flatnonzero(hidden).tolist()
    assert (found.probability > 0).all()
    assert (found.probability <= 1).all()
    if method == "prototypical":  # the others compare by what they learn
        assert (found.cluster == truth[hidden]).all()


def test_batches_do_not_change_the_answer(make_images, tiny_learner, tiny_settings):
    images = make_images([8, 8], noise=0.3, stray=20)
    found = clustering_of([0] * 8 + [1] * 8 + [-1] * 20)
    many = assign_noise(tiny_learner, images, found, tiny_settings)
    few = assign_noise(
        tiny_learner, images, found, tiny_settings.replace(compute={"batch_size": 3})
    )
    assert few.cluster.tolist() == many.cluster.tolist()
    assert few.probability == pytest.approx(many.probability, abs=1e-4)


def test_what_the_learner_doubts_is_rejected_but_keeps_its_probability(
    make_images, tiny_learner, tiny_settings
):
    images = make_images([8, 8], stray=20)
    found = clustering_of([0] * 8 + [1] * 8 + [-1] * 20)
    all_taken = assign_noise(
        tiny_learner, images, found, tiny_settings.replace(mec={"min_assigned_probability": 0.0})
    )
    assert set(all_taken.cluster) == {0, 1}
    assert (all_taken.probability >= 0.5).all()
    least = float(np.median(all_taken.probability))
    strict = tiny_settings.replace(mec={"min_assigned_probability": least})
    judged = assign_noise(tiny_learner, images, found, strict)
    assert judged.probability.tolist() == all_taken.probability.tolist()
    assert (judged.cluster == np.where(judged.probability < least, -1, all_taken.cluster)).all()
    assert 0 < (judged.cluster == -1).sum() < 20


@pytest.mark.parametrize("labels", [[-1] * 6, [0] * 3 + [-1] * 3, [0, 0, 0, 1, 1, 1]])
def test_without_a_choice_nothing_is_asked(labels, make_images, tiny_learner, tiny_settings):
    judged = assign_noise(tiny_learner, make_images([6]), clustering_of(labels), tiny_settings)
    assert judged.rows.size == judged.cluster.size == judged.probability.size == 0


def test_support_stays_balanced_and_bounded():
    assert support_size(np.array([100, 100]), 5) == 20
    assert support_size(np.array([100, 8]), 5) == 8
    assert support_size(np.array([100, 2]), 5) == 5
    assert support_size(np.full(300, 50), 5) == 3
    assert support_size(np.full(5000, 50), 5) == 1


def test_the_learner_learns_nothing_from_it(make_images, tiny_learner, tiny_settings):
    before = {name: value.clone() for name, value in tiny_learner.state_dict().items()}
    found = clustering_of([0] * 8 + [1] * 8 + [-1] * 4)
    assign_noise(tiny_learner, make_images([8, 8], stray=4), found, tiny_settings)
    assert all(torch.equal(before[k], v) for k, v in tiny_learner.state_dict().items())

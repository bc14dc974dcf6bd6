"""Assignment of noise ROIs by each learner, with a threshold on the probability."""

import numpy as np
import pytest
import torch

from darksound.cluster import assign
from darksound.cluster.assign import assign_noise, support_size
from darksound.cluster.clusterers.base import Clustering
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner


def clustering_of(labels) -> Clustering:
    labels = np.array(labels)
    n = len(labels)
    return Clustering(labels, np.ones(n), np.zeros(n), np.ones(max(0, labels.max() + 1)))


@pytest.mark.parametrize("method", sorted(LEARNERS))
def test_every_learner_assigns_similar_rois(method, make_images, tiny_settings, monkeypatch):
    monkeypatch.setattr(assign, "_MAX_PAIRS", 9)  # several parts, the last one smaller
    settings = tiny_settings.replace(
        learner={"method": method}, mec={"min_assigned_probability": 0.0}, compute={"batch_size": 7}
    )
    images = make_images([8, 8, 8], noise=0.05)
    classes = np.repeat([0, 1, 2], 8)
    hidden = np.tile(np.arange(8) < 4, 3)
    learner = build_learner(settings)
    clustering = clustering_of(np.where(hidden, -1, classes))
    assignment = assign_noise(images, learner, clustering, settings)
    assert assignment.rows.tolist() == np.flatnonzero(hidden).tolist()
    assert (assignment.probability > 0).all()
    assert (assignment.probability <= 1).all()
    if method == "prototypical":  # the other learners need training
        assert (assignment.cluster == classes[hidden]).all()


def test_batch_size_does_not_change_the_result(make_images, tiny_learner, tiny_settings):
    images = make_images([8, 8], noise=0.3, stray=20)
    clustering = clustering_of([0] * 8 + [1] * 8 + [-1] * 20)
    many = assign_noise(images, tiny_learner, clustering, tiny_settings)
    few = assign_noise(
        images, tiny_learner, clustering, tiny_settings.replace(compute={"batch_size": 3})
    )
    assert few.cluster.tolist() == many.cluster.tolist()
    assert few.probability == pytest.approx(many.probability, abs=1e-4)


def test_below_the_threshold_a_roi_is_not_assigned_but_keeps_its_probability(
    make_images, tiny_learner, tiny_settings
):
    images = make_images([8, 8], stray=20)
    clustering = clustering_of([0] * 8 + [1] * 8 + [-1] * 20)
    without_threshold = tiny_settings.replace(mec={"min_assigned_probability": 0.0})
    all_assigned = assign_noise(images, tiny_learner, clustering, without_threshold)
    assert set(all_assigned.cluster) == {0, 1}
    assert (all_assigned.probability >= 0.5).all()
    threshold = float(np.median(all_assigned.probability))
    strict = tiny_settings.replace(mec={"min_assigned_probability": threshold})
    assignment = assign_noise(images, tiny_learner, clustering, strict)
    assert assignment.probability.tolist() == all_assigned.probability.tolist()
    is_low = assignment.probability < threshold
    assert (assignment.cluster == np.where(is_low, -1, all_assigned.cluster)).all()
    assert 0 < (assignment.cluster == -1).sum() < 20


@pytest.mark.parametrize("labels", [[-1] * 6, [0] * 3 + [-1] * 3, [0, 0, 0, 1, 1, 1]])
def test_without_noise_or_a_second_cluster_nothing_is_assigned(
    labels, make_images, tiny_learner, tiny_settings
):
    clustering = clustering_of(labels)
    assignment = assign_noise(make_images([6]), tiny_learner, clustering, tiny_settings)
    assert assignment.rows.size == assignment.cluster.size == assignment.probability.size == 0


def test_support_stays_balanced_and_bounded():
    assert support_size(np.array([100, 100]), 5) == 20
    assert support_size(np.array([100, 8]), 5) == 8
    assert support_size(np.array([100, 2]), 5) == 5
    assert support_size(np.full(300, 50), 5) == 3
    assert support_size(np.full(5000, 50), 5) == 1


def test_assignment_does_not_change_the_learner(make_images, tiny_learner, tiny_settings):
    before = {name: value.clone() for name, value in tiny_learner.state_dict().items()}
    clustering = clustering_of([0] * 8 + [1] * 8 + [-1] * 4)
    assign_noise(make_images([8, 8], stray=4), tiny_learner, clustering, tiny_settings)
    assert all(torch.equal(before[k], v) for k, v in tiny_learner.state_dict().items())

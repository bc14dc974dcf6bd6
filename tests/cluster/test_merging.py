"""Clusters that the learner confuses are merged, and others are not."""

import numpy as np
import pytest

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.merging import confusion, merge_confused


def clustering_of(labels: np.ndarray) -> Clustering:
    n, k = len(labels), labels.max() + 1
    return Clustering(labels, np.ones(n), np.zeros(n), np.linspace(0.2, 0.8, k))


@pytest.fixture(scope="module")
def images(make_images):
    return make_images([24, 16, 16], noise=0.1)


def split_in_two() -> np.ndarray:
    """Clusters of the three patterns, the first one split in two at random."""
    labels = np.repeat([0, 2, 3], [24, 16, 16])
    labels[:24][np.random.default_rng(0).permutation(24)[:12]] = 1
    return labels


def test_a_split_cluster_is_merged_and_others_are_not(images, tiny_learner, tiny_settings):
    merged = merge_confused(
        images, tiny_learner, clustering_of(split_in_two()), tiny_settings.compute, threshold=0.2
    )
    assert merged.labels.tolist() == np.repeat([0, 1, 2], [24, 16, 16]).tolist()
    assert merged.persistence[0] == pytest.approx(0.4), "the highest of its parts"


def test_clusters_that_the_learner_separates_are_not_merged(images, tiny_learner, tiny_settings):
    clustering = clustering_of(np.repeat([0, 1, 2], [24, 16, 16]))
    merged = merge_confused(images, tiny_learner, clustering, tiny_settings.compute, threshold=0.2)
    assert (merged.labels == clustering.labels).all()


def test_confusion_counts_each_member_once(images, tiny_learner, tiny_settings):
    counts = confusion(images, tiny_learner, clustering_of(split_in_two()), tiny_settings.compute)
    assert counts.sum(1).tolist() == [12, 12, 16, 16]
    assert counts[0, 1] + counts[1, 0] > 5
    assert counts[:2, 2:].sum() + counts[2:, :2].sum() < 6

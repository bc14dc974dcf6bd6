"""Pseudo-labels: who counts as sure, and episodes that small clusters can fill."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.pseudo_labels import (
    core_members,
    episodes_for,
    pseudo_labels,
    strongest_members,
)
from darksound.settings import EpisodeSettings, Settings


def clustering(labels, probability) -> Clustering:
    labels = np.array(labels)
    n = len(labels)
    return Clustering(labels, np.array(probability, float), np.zeros(n), np.ones(labels.max() + 1))


def test_core_is_sure_and_never_noise():
    found = clustering([0, 0, -1, 1, 1], [1.0, 0.49, 1.0, 0.5, 0.9])
    assert core_members(found, 0.5).tolist() == [0, 3, 4]


def test_strongest_come_first_cluster_by_cluster():
    found = clustering([1, 0, 1, -1, 0, 1, 0], [0.5, 0.2, 0.9, 0, 0.7, 0.9, 0.7])
    assert strongest_members(found, 2).tolist() == [4, 6, 2, 5]
    assert strongest_members(found, 9).tolist() == [4, 6, 1, 2, 5, 0]


@settings(deadline=None)
@given(
    st.lists(st.integers(2, 60), min_size=2, max_size=30),
    st.integers(2, 20),
    st.integers(1, 10),
    st.integers(1, 10),
)
def test_episodes_fit_three_quarters_of_the_clusters(sizes, n_way, n_shot, n_query):
    asked = EpisodeSettings(n_way=n_way, n_shot=n_shot, n_query=n_query)
    sizes = np.array(sizes)
    given_ = episodes_for(sizes, asked)
    usable = np.sum(sizes >= given_.n_shot + given_.n_query)
    assert usable >= 0.75 * len(sizes)
    assert 1 <= given_.n_shot <= n_shot
    assert 1 <= given_.n_query <= n_query
    assert given_.n_way <= max(2, min(n_way, usable))


def test_large_clusters_get_the_episodes_asked_for():
    asked = EpisodeSettings(n_way=5, n_shot=5, n_query=3)
    assert episodes_for(np.array([30, 40, 8, 9, 10]), asked) == asked


def test_clusters_without_enough_core_take_no_part():
    labels = np.repeat([0, 1, 2, 3, 4], [10, 10, 10, 10, 3])
    probability = np.ones(43)
    probability[35:40] = 0.1  # half of cluster 3
    settings = Settings().replace(episodes={"n_shot": 5, "n_query": 5})
    found = pseudo_labels(clustering(labels, probability), settings)
    assert (found.episodes.n_shot, found.episodes.n_query) == (2, 3)
    assert found.n_clusters == 4
    assert set(found.labels) == {0, 1, 2, 3}
    assert found.rows.tolist() == [*range(35)]


@pytest.mark.parametrize("labels", [[-1, -1, -1], [0, 0, 0, -1], [0, 1, 2, 3]])
def test_nothing_to_learn_from_is_no_error(labels):
    found = pseudo_labels(clustering(labels, np.ones(len(labels))), Settings())
    assert found.n_clusters < 2


def test_a_limit_a_class_limits_the_episode():
    settings = Settings().replace(episodes={"max_per_class": 4})
    found = pseudo_labels(clustering(np.repeat([0, 1], 30), np.ones(60)), settings)
    assert found.episodes.n_shot + found.episodes.n_query == 4

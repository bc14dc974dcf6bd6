"""Pseudo-labels: core members, and episodes that small clusters can fill."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.pseudo_labels import (
    core_members,
    fit_episodes,
    most_probable_members,
    pseudo_labels,
)
from darksound.settings import EpisodeSettings


def clustering(labels, probability) -> Clustering:
    labels = np.array(labels)
    n = len(labels)
    return Clustering(labels, np.array(probability, float), np.zeros(n), np.ones(labels.max() + 1))


def test_core_members_have_the_probability_and_are_never_noise():
    members = clustering([0, 0, -1, 1, 1], [1.0, 0.49, 1.0, 0.5, 0.9])
    assert core_members(members, 0.5).tolist() == [0, 3, 4]


def test_most_probable_members_are_sorted_by_cluster_and_probability():
    members = clustering([1, 0, 1, -1, 0, 1, 0], [0.5, 0.2, 0.9, 0, 0.7, 0.9, 0.7])
    assert most_probable_members(members, 2).tolist() == [4, 6, 2, 5]
    assert most_probable_members(members, 9).tolist() == [4, 6, 1, 2, 5, 0]


@hypothesis_settings(deadline=None)
@given(
    st.lists(st.integers(2, 60), min_size=2, max_size=30),
    st.integers(2, 20),
    st.integers(1, 10),
    st.integers(1, 10),
)
def test_episodes_fit_three_quarters_of_the_clusters(sizes, n_way, n_shot, n_query):
    settings = EpisodeSettings(n_way=n_way, n_shot=n_shot, n_query=n_query)
    sizes = np.array(sizes)
    fitted = fit_episodes(sizes, settings)
    usable = np.sum(sizes >= fitted.n_shot + fitted.n_query)
    assert usable >= 0.75 * len(sizes)
    assert 1 <= fitted.n_shot <= n_shot
    assert 1 <= fitted.n_query <= n_query
    assert fitted.n_way <= max(2, min(n_way, usable))


def test_large_clusters_keep_the_episodes_of_the_settings():
    episodes = EpisodeSettings(n_way=5, n_shot=5, n_query=3)
    assert fit_episodes(np.array([30, 40, 8, 9, 10]), episodes) == episodes


def test_clusters_with_few_core_members_are_left_out():
    labels = np.repeat([0, 1, 2, 3, 4], [10, 10, 10, 10, 3])
    probability = np.ones(43)
    probability[35:40] = 0.1  # half of cluster 3
    episodes = EpisodeSettings(n_shot=5, n_query=5)
    result = pseudo_labels(clustering(labels, probability), episodes, 0.5)
    assert (result.episodes.n_shot, result.episodes.n_query) == (2, 3)
    assert result.n_clusters == 4
    assert set(result.labels) == {0, 1, 2, 3}
    assert result.rows.tolist() == [*range(35)]


@pytest.mark.parametrize("labels", [[-1, -1, -1], [0, 0, 0, -1], [0, 1, 2, 3]])
def test_no_usable_cluster_is_no_error(labels):
    result = pseudo_labels(clustering(labels, np.ones(len(labels))), EpisodeSettings(), 0.5)
    assert result.n_clusters < 2


def test_max_per_class_limits_the_episode():
    episodes = EpisodeSettings(max_per_class=4)
    result = pseudo_labels(clustering(np.repeat([0, 1], 30), np.ones(60)), episodes, 0.5)
    assert result.episodes.n_shot + result.episodes.n_query == 4

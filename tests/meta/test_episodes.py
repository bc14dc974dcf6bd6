"""Episodes: properties that hold for all labels and recordings."""

import logging
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.errors import InputError
from darksound.meta.episodes import EpisodeSampler
from darksound.settings import EpisodeSettings

SIZES = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=6), min_size=2, max_size=6)


def labelled(sizes):
    """Return labels and recordings: `sizes[k][r]` ROIs of class k in its recording r."""
    rows = [
        (k, r) for k, counts in enumerate(sizes) for r, n in enumerate(counts) for _ in range(n)
    ]
    return [f"class {k}" for k, _ in rows], [f"{k}/{r}.wav" for k, r in rows]


def can_be_separated(counts, n_shot, n_query):
    total = sum(counts)
    subsets = (s for n in range(len(counts)) for s in combinations(counts, n + 1))
    return any(n_shot <= sum(s) <= total - n_query for s in subsets)


@settings(max_examples=150, deadline=None)
@given(SIZES, st.integers(2, 8), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_every_episode_is_valid(sizes, n_way, n_shot, n_query, seed):
    labels, recordings = labelled(sizes)
    large = [k for k, counts in enumerate(sizes) if sum(counts) >= n_shot + n_query]
    episode_settings = EpisodeSettings(n_way=n_way, n_shot=n_shot, n_query=n_query)
    if len(large) < 2:
        with pytest.raises(InputError, match="at least 2 must"):
            EpisodeSampler(labels, recordings, episode_settings)
        return
    sampler = EpisodeSampler(labels, recordings, episode_settings)
    episode = sampler.sample(np.random.default_rng(seed))
    assert episode.n_way == min(n_way, len(large))
    assert len(set(episode.classes)) == episode.n_way
    assert len(set(episode.rows)) == episode.n_way * (n_shot + n_query)
    names = np.array(labels)
    assert list(names[episode.support]) == list(np.repeat(np.array(episode.classes), n_shot))
    assert list(names[episode.query]) == list(np.repeat(np.array(episode.classes), n_query))
    assert list(episode.support_labels) == list(np.repeat(np.arange(episode.n_way), n_shot))
    recording_names = np.array(recordings)
    for k, name in enumerate(episode.classes):
        support = set(recording_names[episode.support[k * n_shot : (k + 1) * n_shot]])
        query = set(recording_names[episode.query[k * n_query : (k + 1) * n_query]])
        if can_be_separated(sizes[int(str(name).split()[1])], n_shot, n_query):
            assert not support & query


def test_the_generator_determines_the_episode_and_rows_have_their_numbers():
    labels, recordings = labelled([[3, 3, 3]] * 4)
    numbers = np.arange(len(labels)) * 10
    episode_settings = EpisodeSettings(n_way=3, n_shot=2, n_query=2)
    sampler = EpisodeSampler(labels, recordings, episode_settings, numbers)
    first, second, other = (sampler.sample(np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first.rows, second.rows)
    assert not np.array_equal(first.rows, other.rows)
    assert set(first.rows) <= set(numbers)


def test_recordings_are_mixed_if_the_settings_allow_or_they_are_unknown():
    labels, recordings = labelled([[5, 5]] * 3)
    separate = EpisodeSettings(n_way=2, n_shot=4, n_query=1)
    recording_names = np.array(recordings)

    def shared(sampler):
        episodes = [sampler.sample(np.random.default_rng(s)) for s in range(20)]
        return any(
            set(recording_names[e.support]) & set(recording_names[e.query]) for e in episodes
        )

    mixed = separate.replace(separate_recordings=False)
    assert not shared(EpisodeSampler(labels, recordings, separate))
    assert shared(EpisodeSampler(labels, recordings, mixed))
    assert shared(EpisodeSampler(labels, None, separate))


def test_support_and_query_come_from_several_recordings():
    labels, recordings = labelled([[9] * 6] * 2)
    sampler = EpisodeSampler(labels, recordings, EpisodeSettings(n_way=2, n_shot=5, n_query=5))
    recording_names = np.array(recordings)
    n_recordings = {
        len(set(recording_names[side[:5]]))
        for seed in range(40)
        for episode in [sampler.sample(np.random.default_rng(seed))]
        for side in (episode.support, episode.query)
    }
    assert {1, 2, 3} <= n_recordings


def test_small_classes_and_unlabelled_rows_are_skipped_with_a_log_line(caplog):
    labels, recordings = labelled([[12], [12], [4], [3, 3]])
    labels += [None] * 20
    recordings += ["elsewhere.wav"] * 20
    with caplog.at_level(logging.WARNING):
        sampler = EpisodeSampler(labels, recordings, EpisodeSettings(n_shot=5, n_query=5))
    assert "2 of 4 classes" in caplog.text
    assert "class 2 (4), class 3 (6)" in caplog.text
    assert sampler.classes == ("class 0", "class 1")
    assert max(np.concatenate(sampler.rows_by_class)) < 24


def test_max_per_class_selects_evenly_spaced_rois():
    labels, recordings = labelled([[30], [30]])
    sampler = EpisodeSampler(
        labels, recordings, EpisodeSettings(n_shot=5, n_query=5, max_per_class=10)
    )
    first, second = sampler.rows_by_class
    assert len(first) == len(second) == 10
    assert {first[0], first[-1]} == {0, 29}
    with pytest.raises(InputError, match="max_per_class"):
        EpisodeSampler(labels, recordings, EpisodeSettings(n_shot=5, n_query=5, max_per_class=9))


def test_labels_may_be_integers():
    sampler = EpisodeSampler(np.repeat([0, 1, 10], 12), None, EpisodeSettings())
    assert set(sampler.classes) == {0, 1, 10}
    assert len(sampler.classes) == 3
    assert sampler.sample(np.random.default_rng(0)).n_way == 3

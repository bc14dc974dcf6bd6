"""What recordings add is taken away where clusters of several recordings show it."""

import numpy as np
import pytest

from darksound.cluster.normalise import without_background


def sounds(seed: int = 0):
    """Three sounds in six recordings of ten ROIs each, and what each recording adds."""
    rng = np.random.default_rng(seed)
    recording = np.repeat(np.arange(6), 12)
    cluster = np.tile(np.arange(3), 24)
    centres, added = 3 * rng.normal(size=(3, 16)), rng.normal(size=(6, 16))
    x = centres[cluster] + added[recording] + 0.05 * rng.normal(size=(72, 16))
    return x.astype(np.float32), cluster, np.array([f"r{i}" for i in recording], dtype=object)


def spread(x, clusters):
    """Mean distance from the centre of the cluster, over unit vectors."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.mean([np.linalg.norm(x[clusters == k] - x[clusters == k].mean(0), axis=1).mean()
                    for k in range(3)])  # fmt: skip


def test_what_recordings_share_is_taken_away():
    x, clusters, recordings = sounds()
    assert spread(without_background(x, clusters, recordings), clusters) < 0.5 * spread(x, clusters)


def test_noise_loses_what_its_recording_adds_too():
    x, clusters, recordings = sounds()
    hidden = clusters.copy()
    hidden[::7] = -1
    found = without_background(x, hidden, recordings)
    assert spread(found, clusters) < 0.6 * spread(x, clusters)


@pytest.mark.parametrize("noise", [False, True])
def test_a_sound_of_a_single_recording_is_left_alone(noise):
    x, clusters, _ = sounds()
    alone = np.array([f"r{i}" for i in clusters], dtype=object)
    known = np.full_like(clusters, -1) if noise else clusters
    assert without_background(x, known, alone) is x


def test_vectors_keep_their_lengths():
    x, clusters, recordings = sounds()
    lengths = np.linalg.norm(without_background(x, clusters, recordings), axis=1)
    assert lengths == pytest.approx(np.linalg.norm(x, axis=1), rel=1e-5)

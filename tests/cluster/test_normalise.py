"""Scaling to a range, and removal of recording offsets estimated in several recordings."""

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from darksound.cluster import normalise as normalisation
from darksound.cluster.normalise import normalise, subtract_recording_offsets


def call_types(seed: int = 0):
    """Three call types in six recordings of twelve ROIs each, with an offset per recording."""
    rng = np.random.default_rng(seed)
    recording = np.repeat(np.arange(6), 12)
    cluster = np.tile(np.arange(3), 24)
    centres, offsets = 3 * rng.normal(size=(3, 16)), rng.normal(size=(6, 16))
    x = centres[cluster] + offsets[recording] + 0.05 * rng.normal(size=(72, 16))
    return x.astype(np.float32), cluster, np.array([f"r{i}" for i in recording], dtype=object)


def spread(x, clusters):
    """Mean distance from the centre of the cluster, over unit vectors."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.mean([np.linalg.norm(x[clusters == k] - x[clusters == k].mean(0), axis=1).mean()
                    for k in range(3)])  # fmt: skip


def test_recording_offsets_are_subtracted():
    x, clusters, recordings = call_types()
    assert spread(subtract_recording_offsets(x, clusters, recordings), clusters) < 0.5 * spread(
        x, clusters
    )


def test_offsets_are_subtracted_from_noise_too():
    x, clusters, recordings = call_types()
    hidden = clusters.copy()
    hidden[::7] = -1
    result = subtract_recording_offsets(x, hidden, recordings)
    assert spread(result, clusters) < 0.6 * spread(x, clusters)


@pytest.mark.parametrize("noise", [False, True])
def test_a_call_type_of_a_single_recording_is_not_changed(noise):
    x, clusters, _ = call_types()
    alone = np.array([f"r{i}" for i in clusters], dtype=object)
    known = np.full_like(clusters, -1) if noise else clusters
    assert subtract_recording_offsets(x, known, alone) is x


def test_vectors_keep_their_lengths():
    x, clusters, recordings = call_types()
    lengths = np.linalg.norm(subtract_recording_offsets(x, clusters, recordings), axis=1)
    assert lengths == pytest.approx(np.linalg.norm(x, axis=1), rel=1e-5)


@pytest.mark.parametrize("block", [65_536, 7])
def test_min_max_equals_scikit_learn_also_in_blocks(block, monkeypatch):
    monkeypatch.setattr(normalisation, "_BLOCK", block)
    rng = np.random.default_rng(0)
    x = (rng.gamma(2, size=(50, 20)) * 10.0 ** rng.integers(-4, 5, 20)).astype(np.float32)
    x[:, 3] = 7.5
    before = x.copy()
    scaled = normalise(x, "min_max")
    assert scaled == pytest.approx(MinMaxScaler().fit_transform(x.astype(np.float64)), abs=1e-6)
    assert (scaled[:, 3] == 0).all()
    assert (x == before).all()
    assert normalise(x[:0], "min_max").shape == (0, 20)


def test_centred_vectors_have_unit_length_on_the_leading_axes():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, 150)) * np.linspace(1, 0.01, 150) + 5 * rng.normal(size=150)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)
    expected = u[:, :128] * s[:128]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    centred = normalise(x.astype(np.float32), "centred")
    assert centred.shape == (200, 128)
    assert centred @ centred.T == pytest.approx(expected @ expected.T, abs=1e-4)


def test_a_vector_at_the_centre_stays_zero():
    x = np.random.default_rng(0).normal(size=(1, 40)).astype(np.float32)
    lengths = np.linalg.norm(normalise(np.repeat(x, 5, axis=0), "centred"), axis=1)
    assert lengths.tolist() == [0] * 5
    assert normalise(np.zeros((0, 3), np.float32), "centred").shape[0] == 0

"""Channels become one: their mean, or the strongest of them where they cancel in the mean."""

import numpy as np
import pytest
import soundfile as sf

from darksound.audio.files import read
from darksound.audio.mixing import mix_channels

RATE = 24_000
TIME = np.arange(2 * RATE) / RATE


def song() -> np.ndarray:
    """Return two short sweeps in two seconds of silence."""
    on = (TIME % 1 > 0.3) & (TIME % 1 < 0.5)
    return 0.2 * on * np.sin(2 * np.pi * (2000 * TIME + 40 * np.sin(20 * TIME)))


def noise(seed: int, level: float = 0.003) -> np.ndarray:
    return level * np.random.default_rng(seed).normal(size=len(TIME))


def channels(*waves: np.ndarray) -> np.ndarray:
    return np.stack(waves, axis=1).astype(np.float32)


@pytest.mark.parametrize("others", [1, 2, 3])
def test_channels_that_do_not_cancel_give_the_bits_of_their_mean(others):
    samples = channels(song() + noise(0), *(0.5 * song() + noise(i + 1) for i in range(others)))
    mix = mix_channels(samples)
    assert not mix.cancelled
    assert np.array_equal(mix.samples, samples.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize(("gain", "strongest"), [(-0.8, 0), (-1.2, 1)])
def test_of_two_channels_in_opposite_phase_the_strongest_is_used(gain, strongest):
    samples = channels(song() + noise(0), gain * song() + noise(1))
    mix = mix_channels(samples)
    assert mix.cancelled
    assert np.array_equal(mix.samples, samples[:, strongest])


def test_exact_copies_with_opposite_sign_give_the_first_channel():
    samples = channels(song(), -song())
    assert np.array_equal(mix_channels(samples).samples, samples[:, 0])


@pytest.mark.parametrize(
    "samples",
    [
        channels(song() + noise(0), 0 * TIME),
        channels(song() + noise(0), noise(1), noise(2), noise(3)),
        channels(noise(0), noise(1)),
        channels(0 * TIME, 0 * TIME),
        channels(song() + 0.4, song() - 0.4),
        np.zeros((1, 2), np.float32),
        np.zeros((0, 2), np.float32),
        np.array([[0.5, -0.5]], np.float32),
    ],
    ids=["dead", "three-noise", "noise", "silent", "offsets", "one", "none", "one-opposite"],
)
def test_dead_noisy_silent_and_offset_channels_do_not_cancel(samples):
    assert not mix_channels(samples).cancelled


def test_opposite_offsets_of_equal_sounds_do_not_hide_that_the_sounds_are_equal():
    samples = channels(song() + noise(0) + 0.3, -song() + noise(1) + 0.3)
    assert mix_channels(samples).cancelled


def test_one_channel_is_returned_as_it_is():
    samples = channels(song())
    assert np.array_equal(mix_channels(samples).samples, samples[:, 0])


def test_a_roi_of_opposite_channels_is_read_and_not_silent(tmp_path):
    samples = channels(song(), -song())
    sf.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    wave, _ = read(tmp_path / "a.wav", 0.2, 0.6, None)
    assert np.array_equal(wave, samples[round(0.2 * RATE) : round(0.6 * RATE), 0])

"""Augmentation of waveforms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.audio.augmentation import augment_waveform, waveform_settings_key
from darksound.settings import AugmentationSettings

RATE = 48_000
UNCHANGED = {
    "noise_snr_db": (200.0, 200.0),
    "gain_db": (0.0, 0.0),
    "tilt_db": 0.0,
    "time_shift": 0.0,
}


def _augmented(wave, neighbour=None, seed=0, **changes):
    ranges = AugmentationSettings(**{**UNCHANGED, **changes})
    return augment_waveform(wave, RATE, np.random.default_rng(seed), ranges, neighbour)


def _db(ratio):
    return 10 * np.log10(ratio)


def test_neutral_settings_change_nothing(song):
    wave = song(RATE, 1.0)
    np.testing.assert_allclose(_augmented(wave), wave, atol=1e-5)


def test_noise_has_the_given_snr(song):
    wave = song(RATE, 1.0)
    noise = _augmented(wave, noise_snr_db=(10.0, 10.0)) - wave
    assert _db(np.mean(wave**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.2)


def test_gain_tilt_shift_and_neighbour_have_the_given_size(song):
    wave, other = song(RATE, 1.0), song(RATE, 0.4, seed=1)
    np.testing.assert_allclose(_augmented(wave, gain_db=(6.0206, 6.0206)), 2 * wave, atol=1e-4)
    mixed = _augmented(wave, other, neighbour_db=(-12.0, -12.0)) - wave
    assert _db(np.mean(mixed**2) / np.mean(wave**2)) == pytest.approx(-12, abs=0.1)
    assert np.count_nonzero(np.abs(mixed) > 1e-4) <= len(other)
    tilted = np.abs(np.fft.rfft(_augmented(wave, tilt_db=6.0))) / np.abs(np.fft.rfft(wave))
    slope = 2 * _db(np.median(tilted[-2000:]) / np.median(tilted[100:2100]))
    assert 0.5 < abs(slope) < 6
    shifted = _augmented(wave, time_shift=0.2)
    lag = np.argmax(np.correlate(shifted[::8], wave[::8], "full")) - (len(wave[::8]) - 1)
    assert 0 < abs(lag * 8) <= 0.2 * len(wave) + 8


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 3000), st.integers(0, 99))
def test_every_length_is_kept_and_the_same_seed_gives_the_same_waveform(n, m, seed):
    rng = np.random.default_rng(seed)
    wave = rng.normal(size=n).astype(np.float32)
    neighbour = rng.normal(size=m).astype(np.float32) if m else None
    before = wave.copy()
    ranges = AugmentationSettings()
    first = augment_waveform(wave, RATE, np.random.default_rng(seed), ranges, neighbour)
    again = augment_waveform(wave, RATE, np.random.default_rng(seed), ranges, neighbour)
    assert first.shape == wave.shape
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(wave, before)


def test_the_key_has_only_the_settings_of_waveforms():
    key = waveform_settings_key(AugmentationSettings())
    assert waveform_settings_key(AugmentationSettings(tilt_db=1.0)) != key
    assert waveform_settings_key(AugmentationSettings(time_mask=0.5, sound_versions=9)) == key

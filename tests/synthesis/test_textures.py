"""Sounds of any length: stretches fit together, and have the stated spectra and rates."""

import itertools

import numpy as np
import pytest
import scipy.signal

from darksound.synthesis.night_voices import churr_texture, draw_churr
from darksound.synthesis.other_sounds import OTHER_SOUNDS, draw_other_sound
from darksound.synthesis.textures import Noise, Tones, band_shape, noise_table

RATE = 48_000


@pytest.mark.parametrize("kind", OTHER_SOUNDS)
def test_stretches_are_the_same_samples_whatever_their_borders(kind: str) -> None:
    texture = draw_other_sound(kind, np.random.default_rng(5)).texture
    # Borders within a cross-fade of pieces of noise, and in the middle of a grain.
    borders = [0, 1, 96_007, 127_500, 130_001, 200_000]
    pieces = [texture.render(a, b) for a, b in itertools.pairwise(borders)]
    np.testing.assert_allclose(np.concatenate(pieces), texture.render(0, 200_000), atol=1e-5)


def test_noise_has_its_band_and_an_even_level() -> None:
    table = noise_table(lambda n: band_shape(n, 1000, 2000), np.random.default_rng(1), 1 << 17)
    wave = Noise(table, 3).render(50_000, 650_000)
    hertz, power = scipy.signal.welch(wave, RATE, nperseg=4096)
    inside = (hertz > 800) & (hertz < 2500)
    assert power[inside].sum() > 0.9 * power.sum()
    # Cross-fades between pieces keep the power; the chance variation in 0.5 s is 3 %.
    levels = np.square(wave).reshape(-1, 24_000).mean(axis=1)
    assert np.all(np.abs(levels / levels.mean() - 1) < 0.12)


def test_tones_keep_their_phase_between_stretches() -> None:
    wave = Tones(((1000.0, 1.0),)).render(480_000_000, 480_048_000)
    expected = np.sin(2 * np.pi * 1000 * np.arange(480_000_000, 480_048_000) / RATE)
    np.testing.assert_allclose(wave, expected, atol=1e-3)


def test_churr_pulses_at_its_rate_without_a_pause() -> None:
    churr = draw_churr(np.random.default_rng(2))
    wave = churr_texture(churr, np.random.default_rng(3)).render(10 * RATE, 20 * RATE)
    envelope = np.abs(scipy.signal.hilbert(wave))[::48]
    hertz, power = scipy.signal.periodogram(envelope - envelope.mean(), 1000)
    slow = hertz < 60
    assert hertz[slow][power[slow].argmax()] == pytest.approx(churr.pulse_hz, abs=0.3)
    assert 15 <= churr.pulse_hz <= 40
    # No gap of three pulses.
    width = round(3 * 1000 / churr.pulse_hz)
    loudest = np.lib.stride_tricks.sliding_window_view(envelope, width).max(axis=1)
    assert loudest.min() > 0.4 * envelope.max()


def test_crickets_chirp_one_to_four_times_a_second_above_2500_hz() -> None:
    for seed in range(4):
        cricket = draw_other_sound("cricket", np.random.default_rng(seed))
        wave = cricket.texture.render(0, 10 * RATE)
        hertz, power = scipy.signal.welch(wave, RATE, nperseg=4096)
        assert 2400 < hertz[power.argmax()] < 9100
        starts = np.diff((np.abs(wave).reshape(-1, 480).max(axis=1) > 0.2).astype(int)) == 1
        # Chirps consist of pulses: gaps of 0.1 s and more part chirps.
        times = np.flatnonzero(starts) * 0.01
        chirps = 1 + int((np.diff(times) > 0.12).sum())
        assert 5 <= chirps <= 45

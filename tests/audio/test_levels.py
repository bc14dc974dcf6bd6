import librosa
import numpy as np
import pytest
import torch

from darksound.audio.channels import DECIBELS, delta, min_max, stationary_floor


@pytest.fixture
def power():
    return np.random.default_rng(0).gamma(0.2, size=(3, 40, 50)).astype(np.float32)


@pytest.mark.parametrize("scale", [1e3, 1.0, 1e-4, 1e-9])
def test_published_decibels_are_librosas_amplitude_to_db_of_power(power, scale):
    got = DECIBELS["published"](torch.from_numpy(power * np.float32(scale))).numpy()
    for image, ours in zip(power * np.float32(scale), got, strict=True):
        theirs = librosa.amplitude_to_db(image, ref=np.max)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_our_decibels_are_librosas_power_to_db(power):
    got = DECIBELS["power"](torch.from_numpy(power)).numpy()
    for image, ours in zip(power, got, strict=True):
        theirs = librosa.power_to_db(image, ref=np.max, amin=1e-30, top_db=80)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("frames", [9, 10, 50])
def test_delta_is_librosas(power, frames):
    x = power[..., :frames]
    theirs = librosa.feature.delta(x, width=9, order=1)
    np.testing.assert_allclose(delta(torch.from_numpy(x)).numpy(), theirs, atol=1e-5)


def test_delta_of_few_frames_fits_what_is_there():
    ramp = torch.arange(8.0).repeat(1, 2, 1) * 3
    torch.testing.assert_close(delta(ramp), torch.full_like(ramp, 3))


def test_min_max_fills_the_range_and_a_constant_gives_zero(power):
    x = torch.from_numpy(power)
    x[1] = 7
    got = min_max(x)
    assert got[0].min() == 0
    assert got[0].max() == 1
    assert (got[1] == 0).all()


def test_the_floor_is_a_percentile_over_the_rois_own_frames():
    power = torch.zeros(1, 20, 30)
    power[:, :, 10:20] = torch.arange(1.0, 11)
    assert (stationary_floor(power, [(10, 20)], 0) == 1).all()
    assert (stationary_floor(power, [(10, 20)], 100) == 10).all()
    assert (stationary_floor(power, [(10, 20)], 50) == 5).all()
    assert (stationary_floor(power, [(0, 30)], 30) == 0).all()


def test_a_steady_tone_is_not_taken_for_the_floor():
    power = torch.full((1, 40, 30), 0.1)
    power[:, 20] = 5
    floor = stationary_floor(power, [(0, 30)], 30, bands=17)
    assert (floor == torch.tensor(0.1)).all()

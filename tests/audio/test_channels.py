"""Decibels, channels and the noise floor against librosa and plain formulas."""

import librosa
import numpy as np
import pytest
import torch

from darksound.audio.channels import (
    DECIBELS,
    _select_by_sorting,
    _select_in_each_image,
    delta,
    min_max_scale,
    noise_floor,
)


@pytest.fixture
def power():
    return np.random.default_rng(0).gamma(0.2, size=(3, 40, 50)).astype(np.float32)


@pytest.mark.parametrize("scale", [1e3, 1.0, 1e-4, 1e-9])
def test_published_decibels_equal_amplitude_to_db_of_power(power, scale):
    decibels = DECIBELS["published"](torch.from_numpy(power * np.float32(scale))).numpy()
    for image, actual in zip(power * np.float32(scale), decibels, strict=True):
        expected = librosa.amplitude_to_db(image, ref=np.max)
        np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_default_decibels_equal_power_to_db(power):
    decibels = DECIBELS["power"](torch.from_numpy(power)).numpy()
    for image, actual in zip(power, decibels, strict=True):
        expected = librosa.power_to_db(image, ref=np.max, amin=1e-30, top_db=80)
        np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("frames", [9, 10, 50])
def test_delta_equals_librosas(power, frames):
    x = power[..., :frames]
    expected = librosa.feature.delta(x, width=9, order=1)
    np.testing.assert_allclose(delta(torch.from_numpy(x)).numpy(), expected, atol=1e-5)


def test_delta_of_few_frames_is_fitted_to_all_of_them():
    ramp = torch.arange(8.0).repeat(1, 2, 1) * 3
    torch.testing.assert_close(delta(ramp), torch.full_like(ramp, 3))


def test_min_max_scale_fills_the_range_and_a_constant_gives_zero(power):
    x = torch.from_numpy(power)
    x[1] = 7
    scaled = min_max_scale(x)
    assert scaled[0].min() == 0
    assert scaled[0].max() == 1
    assert (scaled[1] == 0).all()


def test_the_noise_floor_is_a_percentile_over_the_frames_of_the_roi():
    power = torch.zeros(1, 20, 30)
    power[:, :, 10:20] = torch.arange(1.0, 11)
    assert (noise_floor(power, torch.tensor([(10, 20)]), 0) == 1).all()
    assert (noise_floor(power, torch.tensor([(10, 20)]), 100) == 10).all()
    assert (noise_floor(power, torch.tensor([(10, 20)]), 50) == 5).all()
    assert (noise_floor(power, torch.tensor([(0, 30)]), 30) == 0).all()


def test_a_steady_tone_is_not_part_of_the_noise_floor():
    power = torch.full((1, 40, 30), 0.1)
    power[:, 20] = 5
    floor = noise_floor(power, torch.tensor([(0, 30)]), 30, smooth_bands=17)
    assert (floor == torch.tensor(0.1)).all()


@pytest.mark.parametrize("select", [_select_in_each_image, _select_by_sorting])
def test_percentiles_are_of_the_frames_inside_each_span_by_nearest_rank(power, select):
    spans = torch.tensor([[0, 50], [13, 29], [49, 50]])
    for percentile in (0, 10, 30, 50, 100):
        actual = select(torch.from_numpy(power), spans, percentile).numpy()
        for image, (first, stop), floors in zip(power, spans.tolist(), actual, strict=True):
            rank = round(percentile / 100 * (stop - first - 1))
            np.testing.assert_array_equal(floors, np.sort(image[:, first:stop])[:, rank])

"""Band limits, fades and the length of waveforms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darksound.audio.waveform import (
    fade,
    fit_length,
    limit_band,
    prepare_waveform,
    split_into_windows,
)
from darksound.settings import load_settings

RATE = 48_000
TIME = np.arange(RATE) / RATE


@pytest.mark.parametrize(
    ("shape", "gain"),
    [
        ("quarter_sine", lambda x: np.sin(x * math.pi / 2)),
        ("half_sine", lambda x: np.sin(x * math.pi - math.pi / 2) / 2 + 0.5),
    ],
)
def test_fades_have_torchaudios_shapes(shape, gain):
    out = fade(np.ones(48_000, np.float32), 4800, shape)
    ramp = gain(np.linspace(0, 1, 4800))
    np.testing.assert_allclose(out[:4800], ramp, atol=1e-7)
    np.testing.assert_allclose(out[-4800:], ramp[::-1], atol=1e-7)
    assert (out[4800:-4800] == 1).all()


@pytest.mark.parametrize(("share", "untouched"), [(0.25, 50), (0.5, 0), (1.0, 0)])
def test_a_fade_is_at_most_a_share_of_its_roi(share, untouched):
    settings = load_settings("default").front_end.replace(fade_share=share)
    out, _ = prepare_waveform(np.ones(100, np.float32), RATE, 100, settings)
    assert (out == 1).sum() - 2 == untouched or untouched == 0
    assert out[0] == 0
    assert out[-1] == 0


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from(["loudest", "start"]))
def test_every_roi_gets_the_length_with_an_odd_zero_on_the_left(n, length, long_rois):
    wave = np.arange(1, n + 1, dtype=np.float32)
    out = fit_length(wave, length, long_rois)
    assert out.shape == (length,)
    if n <= length:
        left = math.ceil((length - n) / 2)
        np.testing.assert_array_equal(out[left : left + n], wave)
        assert np.count_nonzero(out) == n
    else:
        np.testing.assert_array_equal(
            out, wave[:length] if long_rois == "start" else wave[-length:]
        )


def test_a_long_roi_keeps_its_loudest_part():
    wave = np.full(1000, 0.1, np.float32)
    wave[620:700] = 1
    cut = fit_length(wave, 100, "loudest")
    assert cut.sum() == pytest.approx(80 + 2, rel=1e-5)


@given(st.integers(1, 900), st.integers(20, 100))
def test_windows_cover_a_long_roi_and_overlap_by_half_at_least(n, length):
    wave = np.arange(1, n + 1, dtype=np.float32)
    windows = split_into_windows(wave, length, "mean")
    assert windows.shape[1] == length
    if n <= 1.05 * length:
        np.testing.assert_array_equal(windows, [fit_length(wave, length, "loudest")])
        return
    assert windows[0, 0] == 1
    assert windows[-1, -1] == n
    steps = np.diff(windows[:, 0])
    assert (steps > 0).all()
    # Starts are whole samples, so a step may be one longer.
    assert (steps <= length / 2 + 1).all()
    assert len(windows) <= 2 * n / length
    assert len(split_into_windows(wave, length, "loudest")) == 1


def test_the_number_of_samples_without_padding_is_returned():
    settings = load_settings("default").front_end
    assert prepare_waveform(np.ones(30, np.float32), 48_000, 100, settings)[1] == 30
    assert prepare_waveform(np.ones(300, np.float32), 48_000, 100, settings)[1] == 100


@pytest.mark.parametrize(
    ("hz", "gain_db"), [(2000, 0), (3000, 0), (4000, 0), (1700, -30), (4300, -30), (8000, -30)]
)
def test_only_frequencies_outside_the_band_are_attenuated(hz, gain_db):
    tone = np.sin(2 * np.pi * hz * TIME).astype(np.float32)
    limited = limit_band(tone, RATE, 2000, 4000, attenuation_db=30)
    assert limited.dtype == np.float32
    middle = slice(RATE // 4, -RATE // 4)
    np.testing.assert_allclose(limited[middle], 10 ** (gain_db / 20) * tone[middle], atol=2e-3)


def test_limiting_the_band_shifts_nothing_in_time():
    click = np.zeros(4800, np.float32)
    click[2000] = 1
    assert np.argmax(np.abs(limit_band(click, RATE, 2000, 8000, 40))) == 2000
    end = np.zeros(4800, np.float32)
    end[-1] = 1
    assert np.abs(limit_band(end, RATE, 2000, 8000, 40)[:2000]).max() < 1e-2

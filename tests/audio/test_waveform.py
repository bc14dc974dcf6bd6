import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darksound.audio.waveform import bring_to_length, fade, prepare, windows_of
from darksound.settings import load_settings


def test_the_published_fade_is_a_half_sine_over_a_tenth_of_a_second():
    out = fade(np.ones(48_000, np.float32), 4800, 0.5)
    ramp = np.sin(np.linspace(0, 1, 4800) * math.pi / 2)
    np.testing.assert_allclose(out[:4800], ramp, atol=1e-7)
    np.testing.assert_allclose(out[-4800:], ramp[::-1], atol=1e-7)
    assert (out[4800:-4800] == 1).all()


@pytest.mark.parametrize(("share", "untouched"), [(0.25, 50), (0.5, 0)])
def test_a_fade_is_at_most_a_share_of_its_roi(share, untouched):
    out = fade(np.ones(100, np.float32), 4800, share)
    assert (out == 1).sum() - 2 == untouched or untouched == 0
    assert out[0] == 0
    assert out[-1] == 0


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from(["loudest", "start"]))
def test_every_roi_comes_to_the_length_with_the_odd_zero_on_the_left(n, length, long_rois):
    wave = np.arange(1, n + 1, dtype=np.float32)
    out = bring_to_length(wave, length, long_rois)
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
    kept = bring_to_length(wave, 100, "loudest")
    assert kept.sum() == pytest.approx(80 + 2, rel=1e-5)


@given(st.integers(1, 900), st.integers(20, 100))
def test_windows_cover_a_long_roi_and_overlap_by_half_at_least(n, length):
    wave = np.arange(1, n + 1, dtype=np.float32)
    windows = windows_of(wave, length, "mean")
    assert windows.shape[1] == length
    if n <= 1.05 * length:
        np.testing.assert_array_equal(windows, [bring_to_length(wave, length, "loudest")])
        return
    assert windows[0, 0] == 1
    assert windows[-1, -1] == n
    steps = np.diff(windows[:, 0])
    assert (steps > 0).all()
    # Starts are whole samples, so a step may be one longer.
    assert (steps <= length / 2 + 1).all()
    assert len(windows) <= 2 * n / length
    assert len(windows_of(wave, length, "loudest")) == 1


def test_what_is_roi_and_what_is_padding_is_told():
    settings = load_settings("default").front_end
    assert prepare(np.ones(30, np.float32), 48_000, 100, settings)[1] == 30
    assert prepare(np.ones(300, np.float32), 48_000, 100, settings)[1] == 100

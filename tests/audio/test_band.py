"""Limiting a ROI to its band."""

import numpy as np
import pytest

from darksound.audio.waveform import limit_band

RATE = 48_000
TIME = np.arange(RATE) / RATE


@pytest.mark.parametrize(
    ("hz", "gain_db"), [(2000, 0), (3000, 0), (4000, 0), (1700, -30), (4300, -30), (8000, -30)]
)
def test_the_band_is_left_as_it_is_and_the_rest_attenuated(hz, gain_db):
    tone = np.sin(2 * np.pi * hz * TIME).astype(np.float32)
    got = limit_band(tone, RATE, 2000, 4000, attenuation_db=30)
    assert got.dtype == np.float32
    middle = slice(RATE // 4, -RATE // 4)
    np.testing.assert_allclose(got[middle], 10 ** (gain_db / 20) * tone[middle], atol=2e-3)


def test_nothing_moves_in_time():
    click = np.zeros(4800, np.float32)
    click[2000] = 1
    assert np.argmax(np.abs(limit_band(click, RATE, 2000, 8000, 40))) == 2000
    end = np.zeros(4800, np.float32)
    end[-1] = 1
    assert np.abs(limit_band(end, RATE, 2000, 8000, 40)[:2000]).max() < 1e-2

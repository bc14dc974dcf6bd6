"""Median filters against SciPy, and HPSS against librosa."""

import librosa
import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.audio import hpss
from darksound.audio.hpss import running_median, separate


@pytest.mark.parametrize("min_network_size", [0, 10**9], ids=["network", "windows"])
@settings(max_examples=60, deadline=None)
@given(
    half=st.integers(0, 24),
    height=st.integers(1, 20),
    width=st.integers(1, 40),
    dim=st.sampled_from([-1, -2]),
    seed=st.integers(0, 99),
)
def test_the_running_median_equals_scipys_with_mirrored_edges(
    min_network_size, half, height, width, dim, seed
):
    size = 2 * half + 1
    # Few distinct values give ties; many neighbours give more edge than image.
    x = np.random.default_rng(seed).integers(0, 9, (2, height, width)).astype(np.float32)
    padding = [(0, 0), (0, 0), (0, 0)]
    padding[dim] = (half, half)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, padding, "symmetric"), size, dim)
    expected = np.median(windows, axis=-1)
    if half <= x.shape[dim]:
        # SciPy is wrong if it has to mirror an edge twice.
        shape = (1, 1, size) if dim == -1 else (1, size, 1)
        filtered = scipy.ndimage.median_filter(x, size=shape, mode="reflect")
        np.testing.assert_array_equal(expected, filtered)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hpss, "_MIN_NETWORK_SIZE", min_network_size)
        actual = running_median(torch.from_numpy(x), size, dim)
    np.testing.assert_array_equal(actual.numpy(), expected)


@pytest.mark.parametrize("margin", [(1.0, 5.0), (1.0, 1.0), (2.0, 3.0)])
def test_separation_equals_librosas(margin):
    power = np.random.default_rng(0).gamma(0.3, size=(2, 64, 90)).astype(np.float32)
    power[0, 5:9] *= 100
    power[0, :, 40] *= 100
    power[1, :, 50:] = 0
    actual = separate(torch.from_numpy(power), 31, margin)
    for i, image in enumerate(power):
        expected = librosa.decompose.hpss(image, kernel_size=31, margin=margin, power=2.0)
        for part, expected_part in zip(actual, expected, strict=True):
            np.testing.assert_allclose(part[i].numpy(), expected_part, rtol=1e-5, atol=1e-30)

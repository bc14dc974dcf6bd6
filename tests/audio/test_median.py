import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.audio import hpss as median
from darksound.audio.hpss import running_median


@pytest.mark.parametrize("few", [0, 10**9], ids=["network", "windows"])
@settings(max_examples=60, deadline=None)
@given(
    half=st.integers(0, 24),
    height=st.integers(1, 20),
    width=st.integers(1, 40),
    dim=st.sampled_from([-1, -2]),
    seed=st.integers(0, 99),
)
def test_it_equals_scipys_with_reflected_edges(few, half, height, width, dim, seed):
    size = 2 * half + 1
    # Few distinct values make ties, many neighbours more edge than image.
    x = np.random.default_rng(seed).integers(0, 9, (2, height, width)).astype(np.float32)
    around = [(0, 0), (0, 0), (0, 0)]
    around[dim] = (half, half)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, around, "symmetric"), size, dim)
    expected = np.median(windows, axis=-1)
    if half <= x.shape[dim]:
        # scipy errs where it has to mirror an edge twice.
        shape = (1, 1, size) if dim == -1 else (1, size, 1)
        filtered = scipy.ndimage.median_filter(x, size=shape, mode="reflect")
        np.testing.assert_array_equal(expected, filtered)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(median, "_FEW", few)
        got = running_median(torch.from_numpy(x), size, dim)
    np.testing.assert_array_equal(got.numpy(), expected)

import librosa
import numpy as np
import pytest
import torch

from darksound.audio.hpss import separate


@pytest.mark.parametrize("margin", [(1.0, 5.0), (1.0, 1.0), (2.0, 3.0)])
def test_it_equals_librosas(margin):
    power = np.random.default_rng(0).gamma(0.3, size=(2, 64, 90)).astype(np.float32)
    power[0, 5:9] *= 100
    power[0, :, 40] *= 100
    power[1, :, 50:] = 0
    got = separate(torch.from_numpy(power), 31, margin)
    for i, image in enumerate(power):
        expected = librosa.decompose.hpss(image, kernel_size=31, margin=margin, power=2.0)
        for ours, theirs in zip(got, expected, strict=True):
            np.testing.assert_allclose(ours[i].numpy(), theirs, rtol=1e-5, atol=1e-30)

"""Features of many ROIs: independent of the batch, and in order."""

import numpy as np
import pytest
import torch

from darksound.meta.features import compute_features
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.store.contract import Pieces


@pytest.mark.parametrize("method", LEARNERS)
def test_features_do_not_depend_on_the_batch(tiny, make_images, method):
    learner = build_learner(tiny.replace(learner={"method": method})).train()
    rows = np.array([7, 3, 40, 7])
    some = compute_features(make_images(), learner, tiny.compute, rows=rows)
    single = tiny.compute.replace(batch_size=1)
    all_features = compute_features(make_images(), learner, single)
    torch.testing.assert_close(some, all_features[rows], rtol=1e-5, atol=1e-6)
    assert torch.equal(some[0], some[3])
    assert learner.training


def test_embeddings_are_float32_and_progress_is_reported(tiny, make_images):
    calls = []
    settings = tiny.replace(learner={"method": "relation"}, compute={"precision": "bfloat16"})
    vectors = compute_features(
        make_images(),
        build_learner(settings),
        settings.compute,
        embed=True,
        progress=lambda stage, done, total, /, values=None: calls.append((stage, done, total)),
    )
    assert (vectors.dtype, tuple(vectors.shape)) == (torch.float32, (48, 16))
    assert calls == [("embedding", done, 48) for done in (0, 16, 32, 48)]


def test_no_rows_give_no_features(tiny, make_images):
    learner, no_rows = build_learner(tiny), np.zeros(0, int)
    features = compute_features(make_images(), learner, tiny.compute, rows=no_rows)
    assert features.shape == (0, 16)


class _Long:
    """Images with windows of some rows."""

    def __init__(self, images, rows):
        self.pieces = Pieces(images, np.array(rows))
        self._images = images

    def __getattr__(self, name):
        return getattr(self._images, name)

    def __len__(self):
        return len(self._images)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_a_long_roi_has_the_mean_of_its_windows_at_unit_length(tiny, make_images, batch_size):
    images, learner = make_images(), build_learner(tiny)
    compute = tiny.compute.replace(batch_size=batch_size)
    plain = compute_features(images, learner, compute, embed=True)
    # The windows of row 2 are rows 0 to 2 of the windows, those of row 9 are rows 3 to 47.
    long = _Long(images, [2] * 3 + [9] * 45)
    vectors = compute_features(long, learner, compute, embed=True)
    for row, windows in ((2, plain[:3]), (9, plain[3:])):
        lengths = windows.norm(dim=1)
        direction = (windows / lengths[:, None]).mean(0)
        expected = direction / direction.norm() * lengths.mean()
        torch.testing.assert_close(vectors[row], expected, rtol=1e-4, atol=1e-5)
    others = np.setdiff1d(np.arange(len(images)), [2, 9])
    assert torch.equal(vectors[others], plain[others])


def test_embeddings_of_long_rois_do_not_depend_on_the_rows_of_a_call(tiny, make_images):
    images, learner = make_images(), build_learner(tiny)
    long = _Long(images, [2] * 3 + [20] * 45)
    step = tiny.compute.batch_size
    whole = compute_features(long, learner, tiny.compute, embed=True)
    parts = [
        compute_features(
            long, learner, tiny.compute, embed=True, rows=np.arange(start, start + step)
        )
        for start in range(0, len(images), step)
    ]
    assert torch.equal(whole, torch.cat(parts))

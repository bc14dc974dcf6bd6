"""Features of many ROIs: independent of the batch, and in order."""

import numpy as np
import pytest
import torch

from darksound.meta.features import compute_features
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner


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

"""Features of many ROIs: each from its own image alone, in the order asked for."""

import numpy as np
import pytest
import torch

from darksound.meta.features import compute_features
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner


@pytest.mark.parametrize("method", LEARNERS)
def test_a_rois_features_do_not_depend_on_its_company(tiny, make_images, method):
    learner = build_learner(tiny.replace(learner={"method": method})).train()
    rows = np.array([7, 3, 40, 7])
    some = compute_features(learner, make_images(), rows, tiny)
    alone = tiny.replace(compute={"batch_size": 1})
    every = compute_features(learner, make_images(), None, alone)
    torch.testing.assert_close(some, every[rows], rtol=1e-5, atol=1e-6)
    assert torch.equal(some[0], some[3])
    assert learner.training


def test_embeddings_are_float32_and_progress_is_told(tiny, make_images):
    told = []
    settings = tiny.replace(learner={"method": "relation"}, compute={"precision": "bfloat16"})
    vectors = compute_features(
        build_learner(settings),
        make_images(),
        None,
        settings,
        embed=True,
        progress=lambda stage, done, total, /, values=None: told.append((stage, done, total)),
    )
    assert (vectors.dtype, tuple(vectors.shape)) == (torch.float32, (48, 16))
    assert told == [("embedding", done, 48) for done in (0, 16, 32, 48)]


def test_no_rows_give_no_features(tiny, make_images):
    learner = build_learner(tiny)
    assert compute_features(learner, make_images(), np.zeros(0, int), tiny).shape == (0, 16)

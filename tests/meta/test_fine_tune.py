"""Fine-tuning on pseudo-labels: in place, reproducible, and only on the rows given."""

import numpy as np
import pytest
import torch

from darksound.errors import CheckpointError, InputError
from darksound.meta.learners.build import build_learner
from darksound.meta.training import fine_tune

ROWS = np.arange(8, 40)
LABELS = ROWS // 8 % 3


def tuned(tiny, images, key=(1,)):
    learner = build_learner(tiny)
    fine_tune(learner, images, ROWS, LABELS, None, tiny, tasks=3, learning_rate=1e-2, key=key)
    return learner


def test_it_trains_in_place_the_same_for_the_same_key_and_only_on_its_rows(tiny, make_images):
    images = make_images(versions=1)
    one, two, other = (tuned(tiny, images, key) for key in ((1,), (1,), (2,)))
    weights = [learner.backbone.stem.weight for learner in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], build_learner(tiny).backbone.stem.weight)
    assert not one.training
    assert set(np.concatenate(images.batches)) <= set(ROWS)


def test_too_few_clusters_and_another_front_end_are_refused(tiny, make_images):
    learner = build_learner(tiny)
    with pytest.raises(InputError, match="Only 1 of 1 classes"):
        fine_tune(
            learner,
            make_images(),
            ROWS,
            np.zeros_like(ROWS),
            None,
            tiny,
            tasks=1,
            learning_rate=1e-3,
            key=(0,),
        )
    with pytest.raises(CheckpointError, match="another front end"):
        tuned(tiny, make_images(settings=tiny.replace(front_end={"representation": "cqt"})))

"""Evaluation: embeddings in evaluation mode, figures of both kinds, and what it refuses."""

import json

import numpy as np
import pytest
import torch

from darksound.cluster.embedding import embed
from darksound.cluster.evaluation import evaluate, evaluate_on_images
from darksound.errors import InputError


def test_embedding_depends_on_the_roi_alone(make_images, tiny_learner, tiny_settings):
    images = make_images([5, 6])
    tiny_learner.train()
    found = embed(tiny_learner, images, tiny_settings.replace(compute={"batch_size": 4}))
    assert tiny_learner.training
    tiny_learner.eval()
    with torch.inference_mode():
        alone = torch.cat([tiny_learner.embed(images.batch([row])) for row in range(11)])
    assert found.shape == (11, 16)
    assert found.dtype == np.float32
    assert found == pytest.approx(alone.numpy(), abs=1e-4)


def test_evaluation_has_few_shot_and_cluster_figures(make_images, tiny_learner, tiny_settings):
    images = make_images([12, 12, 12], noise=0.05)
    wanted = {"n_way": 3, "n_shot": 2, "n_query": 4, "n_episodes": 8, "folds": 2}
    found = evaluate_on_images(tiny_learner, images, tiny_settings.replace(evaluation=wanted))
    few = found.few_shot
    assert (few.n_way, few.n_shot, few.n_query, few.tasks, len(few.folds)) == (3, 2, 4, 8, 2)
    assert found.few_shot.accuracy > 0.9
    assert found.clusters.scores is not None
    assert found.clusters.scores.everything.ami > 0.9
    assert found.embeddings.shape == (36, 16)
    table = found.table().set_index("figure")
    assert table.loc["accuracy", "value"] == found.few_shot.accuracy
    assert table.loc["ami_all", "value"] == found.clusters.scores.everything.ami
    assert "seconds" not in table.index
    assert json.loads(json.dumps(found.as_json()))["clusters"]["n_clusters"] == 3


def test_without_labels_it_points_to_mec(make_images, tiny_learner, tiny_settings):
    rois = make_images([4, 4], labelled=False).rois
    with pytest.raises(InputError, match="`mec` groups ROIs without labels"):
        evaluate(tiny_learner, rois, tiny_settings)

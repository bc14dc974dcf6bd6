"""Evaluation: embeddings in evaluation mode, few-shot and cluster metrics, and errors."""

import json
from copy import deepcopy

import numpy as np
import pytest
import torch

from darksound.cluster.embedding import check_finite, embed
from darksound.cluster.evaluation import evaluate, evaluate_on_images
from darksound.errors import CheckpointError, InputError


def test_an_embedding_depends_on_its_roi_only(make_images, tiny_learner, tiny_settings):
    images = make_images([5, 6])
    tiny_learner.train()
    embeddings = embed(images, tiny_learner, tiny_settings.replace(compute={"batch_size": 4}))
    assert tiny_learner.training
    tiny_learner.eval()
    with torch.inference_mode():
        single = torch.cat([tiny_learner.embed(images.batch([row])) for row in range(11)])
    assert embeddings.shape == (11, 16)
    assert embeddings.dtype == np.float32
    assert embeddings == pytest.approx(single.numpy(), abs=1e-4)


def test_evaluation_has_few_shot_and_cluster_metrics(make_images, tiny_learner, tiny_settings):
    images = make_images([12, 12, 12], noise=0.05)
    wanted = {"n_way": 3, "n_shot": 2, "n_query": 4, "n_episodes": 8, "folds": 2}
    settings = tiny_settings.replace(evaluation=wanted)
    evaluation = evaluate_on_images(images, tiny_learner, settings)
    few = evaluation.few_shot
    assert (few.n_way, few.n_shot, few.n_query, few.n_episodes, len(few.folds)) == (3, 2, 4, 8, 2)
    assert evaluation.few_shot.accuracy > 0.9
    assert evaluation.clusters.scores is not None
    assert evaluation.clusters.scores.everything.ami > 0.9
    assert evaluation.embeddings.shape == (36, 16)
    table = evaluation.table.set_index("figure")
    assert table.loc["accuracy", "value"] == evaluation.few_shot.accuracy
    assert table.loc["ami_all", "value"] == evaluation.clusters.scores.everything.ami
    assert "seconds" not in table.index
    assert json.loads(json.dumps(evaluation.as_json()))["clusters"]["n_clusters"] == 3


def test_without_labels_the_error_names_mec(make_images, tiny_learner, tiny_settings):
    rois = make_images([4, 4], labelled=False).rois
    with pytest.raises(InputError, match="use `mec` to cluster ROIs without labels"):
        evaluate(rois, tiny_learner, tiny_settings)


def test_a_learner_with_weights_that_are_not_finite_is_refused(
    make_images, tiny_learner, tiny_settings
):
    broken = deepcopy(tiny_learner)
    name, weights = next(iter(broken.named_parameters()))
    weights.data[0] = float("nan")
    with pytest.raises(CheckpointError, match=rf"values that are not finite .* '{name}'"):
        evaluate_on_images(make_images([12, 12]), broken, tiny_settings)
    vectors = embed(make_images([3]), broken, tiny_settings)
    with pytest.raises(CheckpointError, match="not finite"):
        check_finite(vectors)

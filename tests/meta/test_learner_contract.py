"""The contract of learners, over the whole registry, on images and on vectors."""

import subprocess
import sys

import pytest
import torch

from darksound.meta.learners import LEARNERS
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.settings import resolve_object

DIM = 12
INPUTS = ("images", "vectors")
N_SHOT, N_QUERY = 3, 4


@pytest.fixture(params=[(method, kind) for method in LEARNERS for kind in INPUTS], ids=" ".join)
def settings(request, tiny):
    method, kind = request.param
    settings = tiny.replace(learner={"method": method})
    if kind == "images":
        return settings
    return settings.replace(backbone={"name": "embeddings"}, embedding_model={"embedding_dim": DIM})


@pytest.fixture
def learner(settings) -> Learner:
    learner = build_learner(settings)
    # Weights that start at zero hide others; random values make every parameter count.
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in learner.parameters():
            values = 0.1 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(torch.where(parameter == 0, values, parameter))
    return learner.eval()


def inputs(settings, n):
    shape = (3, 16, 24) if settings.backbone.name == "small" else (DIM,)
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(n))


def episode(settings, learner, n_way):
    """Return features and labels of a support set, and features of queries."""
    features = learner.features(inputs(settings, n_way * (N_SHOT + N_QUERY)))
    labels = torch.arange(n_way).repeat_interleave(N_SHOT)
    return features[: len(labels)], labels, features[len(labels) :]


def scores_of(learner, support, labels, query, n_way):
    return learner.score(learner.adapt(support, labels, n_way), query)


def test_the_registry_names_learners_and_is_read_without_torch():
    for method, path in LEARNERS.items():
        learner_class = resolve_object(path)
        assert issubclass(learner_class, Learner)
        assert learner_class.method == method
    code = "import sys, darksound.meta.learners, darksound.meta.backbones as b; "
    code += "assert b.BACKBONES; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@torch.inference_mode()
@pytest.mark.parametrize("n_way", [2, 3, 7])
def test_scores_have_a_row_a_query_and_a_column_a_class_for_any_n_way(settings, learner, n_way):
    support, labels, query = episode(settings, learner, n_way)
    scores = scores_of(learner, support, labels, query, n_way)
    assert scores.shape == (n_way * N_QUERY, n_way)
    assert scores.dtype == torch.float32
    assert torch.isfinite(scores).all()
    probabilities = learner.probabilities(scores)
    assert (probabilities >= 0).all()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(len(scores)))
    assert torch.equal(probabilities.argmax(1), scores.argmax(1))


@torch.inference_mode()
def test_the_order_of_the_support_inside_a_class_matters_to_matching_alone(settings, learner):
    support, labels, query = episode(settings, learner, 3)
    order = torch.tensor([2, 0, 1, 4, 5, 3, 8, 7, 6])
    expected = scores_of(learner, support, labels, query, 3)
    reordered = scores_of(learner, support[order], labels, query, 3)
    # The LSTM of Matching reads the support set as a sequence.
    ignores_order = learner.method != "matching"
    assert torch.allclose(reordered, expected, rtol=1e-4, atol=1e-5) == ignores_order


@torch.inference_mode()
def test_relabelled_classes_permute_the_columns(settings, learner):
    support, labels, query = episode(settings, learner, 3)
    new_label = torch.tensor([2, 0, 1])
    expected = scores_of(learner, support, labels, query, 3)
    relabelled = scores_of(learner, support, new_label[labels], query, 3)
    torch.testing.assert_close(relabelled[:, new_label], expected)


@torch.inference_mode()
def test_scores_of_a_query_do_not_depend_on_the_other_queries(settings, learner):
    support, labels, query = episode(settings, learner, 3)
    state = learner.adapt(support, labels, 3)
    together = learner.score(state, query)
    torch.testing.assert_close(learner.score(state, query[2:3]), together[2:3])


def test_the_loss_is_a_scalar_whose_gradients_reach_the_backbone_and_all_else(settings, learner):
    support, labels, query = episode(settings, learner.train(), 3)
    query_labels = torch.arange(3).repeat_interleave(N_QUERY)
    scores = scores_of(learner, support, labels, query, 3)
    loss = learner.loss(scores, query_labels)
    assert loss.shape == ()
    loss.backward()
    # Relation compares maps, which do not pass the last layers of the backbone.
    after_maps = {"backbone.linear.weight", "backbone.norm.weight", "backbone.norm.bias"}
    without_gradient = {
        name
        for name, parameter in learner.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    is_on_maps = learner.features(inputs(settings, 2)).dim() == 4
    assert without_gradient <= (after_maps if is_on_maps else set())


@torch.inference_mode()
def test_a_state_dict_restores_scores_and_embeddings(settings, learner):
    other = build_learner(settings.replace(seed=settings.seed + 1)).eval()
    other.load_state_dict(learner.state_dict())
    support, labels, query = episode(settings, learner, 3)
    again = episode(settings, other, 3)
    assert torch.equal(
        scores_of(other, again[0], labels, again[2], 3),
        scores_of(learner, support, labels, query, 3),
    )
    images = inputs(settings, 5)
    embeddings = learner.embed(images)
    assert torch.equal(other.embed(images), embeddings)
    assert embeddings.shape == (5, learner.embedding_dim)

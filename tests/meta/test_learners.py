"""Learners against easyfsl with the same weights and episodes, and against slow formulas."""

import math

import easyfsl.methods
import pytest
import torch
from torch import nn

from darksound.errors import SettingsError
from darksound.meta.backbones.base import Backbone
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner

N_WAY, N_SHOT, N_QUERY = 3, 4, 5
LABELS = torch.arange(N_WAY).repeat_interleave(N_SHOT)


@pytest.fixture
def vectors():
    return torch.randn(N_WAY * (N_SHOT + N_QUERY), 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(N_WAY * (N_SHOT + N_QUERY), 8, 6, 12, generator=generator)


def scores_of(tiny, method, features, **settings):
    learner = build_learner(tiny.replace(learner={"method": method, **settings}))
    state = learner.adapt(features[: len(LABELS)], LABELS, N_WAY)
    return learner, learner.score(state, features[len(LABELS) :])


def oracle_scores(oracle, features):
    oracle.process_support_set(features[: len(LABELS)], LABELS)
    return oracle(features[len(LABELS) :])


def test_prototypical_scores_are_negative_squares_of_easyfsls_distances(tiny, vectors):
    _, scores = scores_of(tiny, "prototypical", vectors)
    oracle = easyfsl.methods.PrototypicalNetworks(nn.Identity())
    torch.testing.assert_close(
        scores, -oracle_scores(oracle, vectors).square(), rtol=1e-5, atol=1e-5
    )


def test_prototypical_scores_are_precise_far_from_the_origin(tiny, vectors):
    _, near = scores_of(tiny, "prototypical", vectors)
    _, far = scores_of(tiny, "prototypical", vectors + 100)
    torch.testing.assert_close(near, far, rtol=1e-3, atol=1e-3)


def test_matching_equals_easyfsl(tiny, vectors):
    learner, scores = scores_of(tiny, "matching", vectors, matching_steps="support")
    oracle = easyfsl.methods.MatchingNetworks(nn.Identity(), feature_dimension=16)
    oracle.support_features_encoder.load_state_dict(learner.support_embeddings_encoder.state_dict())
    oracle.query_features_encoding_cell.load_state_dict(
        learner.query_embeddings_encoding_cell.state_dict()
    )
    torch.testing.assert_close(scores, oracle_scores(oracle, vectors), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_relation_equals_easyfsl(tiny, maps, training):
    learner = build_learner(tiny.replace(learner={"method": "relation"})).train(training)
    oracle = easyfsl.methods.RelationNetworks(nn.Identity(), feature_dimension=8)
    oracle.relation_module.load_state_dict(learner.get_submodule("relation_module").state_dict())
    oracle.train(training)
    state = learner.adapt(maps[: len(LABELS)], LABELS, N_WAY)
    scores = learner.score(state, maps[len(LABELS) :])
    torch.testing.assert_close(scores, oracle_scores(oracle, maps), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_matching_with_two_steps_equals_its_formula(tiny, vectors):
    learner, scores = scores_of(tiny, "matching", vectors, matching_steps=2)
    support, query = vectors[: len(LABELS)].unsqueeze(0), vectors[len(LABELS) :]
    hidden = learner.support_embeddings_encoder(support)[0][0]
    g = support[0] + hidden[:, :16] + hidden[:, 16:]
    for i, x in enumerate(query):
        h, c = x, torch.zeros(16)
        for _ in range(2):
            a = torch.softmax(torch.stack([h @ row for row in g]), 0)
            r = sum(weight * row for weight, row in zip(a, g, strict=True))
            h, c = learner.query_embeddings_encoding_cell(torch.cat([x, r]), (h, c))
            h = h + x
        a = torch.softmax(torch.stack([h @ row / row.norm() for row in g]), 0)
        expected = [math.log(float(a[k == LABELS].sum()) + 1e-6) for k in range(N_WAY)]
        torch.testing.assert_close(scores[i], torch.tensor(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", LEARNERS)
def test_classes_of_unequal_size_have_their_own_means(tiny, method):
    learner = build_learner(tiny.replace(learner={"method": method})).eval()
    images = torch.rand(10, 3, 16, 24, generator=torch.Generator().manual_seed(3))
    labels = torch.tensor([1, 0, 1, 1, 1, 1])
    with torch.inference_mode():
        features = learner.features(images)
        state = learner.adapt(features[:6], labels, 2)
        scores = learner.score(state, features[6:])
    assert scores.shape == (4, 2)
    probabilities = learner.probabilities(scores)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(4))
    assert torch.equal(probabilities.argmax(1), scores.argmax(1))
    if method != "matching":
        torch.testing.assert_close(state[0][0], features[1])
        torch.testing.assert_close(state[0][1], features[[0, 2, 3, 4, 5]].mean(0))


def test_losses_are_those_of_the_papers(tiny):
    labels = torch.tensor([0, 2])
    scores = torch.tensor([[0.9, 0.2, 0.1], [0.3, 0.3, 0.4]])
    losses = {m: build_learner(tiny.replace(learner={"method": m})).loss for m in LEARNERS}
    squares = [0.1**2, 0.2**2, 0.1**2, 0.3**2, 0.3**2, 0.6**2]
    assert losses["relation"](scores, labels).item() == pytest.approx(sum(squares) / 6)
    assert losses["matching"](scores.log(), labels).item() == pytest.approx(
        -(math.log(0.9) + math.log(0.4)) / 2
    )
    soft = scores.softmax(1)
    assert losses["prototypical"](scores, labels).item() == pytest.approx(
        -(soft[0, 0].log() + soft[1, 2].log()).item() / 2
    )


def test_an_unknown_learner_and_relation_without_maps_are_refused(tiny, monkeypatch):
    with pytest.raises(
        SettingsError,
        match=r"learner\.method is 'siamese'; choose one of matching, prototypical, relation",
    ):
        build_learner(tiny.replace(learner={"method": "siamese"}))

    class NoMaps(Backbone):
        dim, map_channels = 8, 0

    monkeypatch.setattr("darksound.meta.learners.build.build_backbone", lambda settings: NoMaps())
    with pytest.raises(SettingsError, match="has no feature maps"):
        build_learner(tiny.replace(learner={"method": "relation"}))

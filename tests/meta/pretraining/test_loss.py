"""Losses of pretraining against their formulas."""

import math

import pytest
import torch
from torch import Tensor

from darksound.meta.pretraining.pretrainer import contrastive, prototypical


@pytest.fixture
def embeddings() -> Tensor:
    return torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(3))


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def test_contrastive_is_the_mean_of_nt_xent_over_all_recordings(embeddings: Tensor) -> None:
    vectors = torch.cat([embeddings[0], embeddings[1]])
    losses = []
    for i in range(10):
        partner = (i + 5) % 10
        others = [math.exp(_cosine(vectors[i], vectors[j]) / 0.3) for j in range(10) if j != i]
        losses.append(
            -math.log(math.exp(_cosine(vectors[i], vectors[partner]) / 0.3) / sum(others))
        )
    loss, _ = contrastive(embeddings, 0.3)
    assert float(loss) == pytest.approx(sum(losses) / 10, rel=1e-5)


def test_prototypical_is_cross_entropy_of_negative_squared_distances(embeddings: Tensor) -> None:
    support, query = embeddings
    losses = []
    for i in range(5):
        scores = [-float((query[i] - support[k]).square().sum()) / 2.0 for k in range(5)]
        losses.append(-scores[i] + math.log(sum(math.exp(score) for score in scores)))
    loss, _ = prototypical(embeddings, 2.0)
    assert float(loss) == pytest.approx(sum(losses) / 5, rel=1e-5)


@pytest.mark.parametrize("loss", [contrastive, prototypical])
def test_accuracy_is_the_share_of_recordings_with_their_partner_nearest(loss) -> None:
    separated = torch.eye(4).expand(2, 4, 4)
    swapped = torch.stack([torch.eye(4), torch.eye(4).roll(1, 0)])
    assert float(loss(separated, 0.1)[1]) == 1.0
    assert float(loss(swapped, 0.1)[1]) == 0.0

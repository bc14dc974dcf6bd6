"""Networks made faster for evaluation give what they gave."""

import pytest
import torch
from torch import nn

from darksound.meta.backbones.build import build_backbone
from darksound.meta.backbones.base import fold, foldable_pairs
from darksound.meta.features import inference_copy
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner


def _lived_in(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, its batch norms as if they had seen data."""
    drawn = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values in (norm.running_mean, norm.bias.data):
                values.copy_(0.2 * torch.randn(values.shape, generator=drawn))
            for values in (norm.running_var, norm.weight.data):
                values.copy_(0.5 + torch.rand(values.shape, generator=drawn))
    return module.eval()


def _norms(module: nn.Module) -> int:
    return sum(isinstance(one, nn.BatchNorm2d) for one in module.modules())


# Batch norms that stay: none, or those that stand before a convolution or after the wanted map.
@pytest.mark.parametrize(
    ("name", "layer", "left"),
    [
        ("small", "auto", 0),
        ("resnet18", "auto", 1),
        ("resnet18", "layer4.1.bn2", 0),
        ("densenet121", "auto", 62),
    ],
)
def test_folding_changes_neither_vectors_nor_maps(tiny, name, layer, left):
    settings = tiny.replace(backbone={"name": name}, learner={"relation_layer": layer})
    backbone = _lived_in(build_backbone(settings))
    images = torch.rand(2, 3, 96, 192)
    with torch.inference_mode():
        before = backbone(images), backbone.feature_map(images)
        backbone.fold_batch_norm()
        after = backbone(images), backbone.feature_map(images)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(one.abs().max()))
    assert _norms(backbone) == left


class _Shared(nn.Module):
    """A convolution whose output is also taken past its batch norm, and one that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.twice, self.other = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.last, self.end = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.one(x)
        y = self.norm(y) + y
        return self.end(self.last(self.other(self.twice(self.twice(y)))))


class _Wayward(nn.Module):
    """Its way depends on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.one(x)) if x.mean() > 0 else x


def test_only_what_a_batch_norm_alone_takes_is_folded():
    network = _lived_in(_Shared())
    assert foldable_pairs(network) == [("last", "end")]
    x = torch.rand(2, 3, 4, 4)
    with torch.inference_mode():
        before = network(x)
        fold(network, foldable_pairs(network))
        torch.testing.assert_close(network(x), before)
    assert foldable_pairs(_Wayward()) == []


@pytest.mark.parametrize("method", LEARNERS)
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_learner_made_ready_gives_the_same_and_the_learner_stays(tiny, method, dtype):
    settings = tiny.replace(learner={"method": method})
    learner = build_learner(settings)
    _lived_in(learner).train()
    kept = {name: value.clone() for name, value in learner.state_dict().items()}
    ready = inference_copy(learner, dtype)
    images = torch.rand(4, 3, 16, 24)
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype is not None):
        got = ready.embed(images).float()
        expected = learner.eval().embed(images).float()
    # bfloat16 has eight digits, binary.
    near = 1e-5 if dtype is None else 0.03
    torch.testing.assert_close(got, expected, rtol=0, atol=near * float(expected.abs().max()))
    assert not ready.training
    assert kept.keys() == learner.state_dict().keys()
    for name, value in learner.state_dict().items():
        assert torch.equal(kept[name], value), name

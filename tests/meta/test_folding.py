"""Networks that are faster in evaluation mode have the same output."""

import pytest
import torch
from torch import nn

from darksound.meta.backbones.base import fold, foldable_pairs
from darksound.meta.backbones.build import build_backbone
from darksound.meta.features import inference_copy
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.settings import BackboneSettings


def _with_statistics(module: nn.Module) -> nn.Module:
    """Return the module in evaluation mode with random statistics in its batch norms."""
    generator = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            for values in (norm.running_mean, norm.bias.data):
                values.copy_(0.2 * torch.randn(values.shape, generator=generator))
            for values in (norm.running_var, norm.weight.data):
                values.copy_(0.5 + torch.rand(values.shape, generator=generator))
    return module.eval()


def _count_norms(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


# Batch norms that remain: those before a convolution or after the map layer.
@pytest.mark.parametrize(
    ("name", "layer", "n_remaining"),
    [
        ("pair", "auto", 0),
        ("small", "auto", 0),
        ("resnet18", "auto", 1),
        ("resnet18", "layer4.1.bn2", 0),
        ("densenet121", "auto", 62),
    ],
)
def test_folding_changes_neither_vectors_nor_maps(tiny, name, layer, n_remaining):
    backbone_settings = BackboneSettings(name=name, weights="none")
    settings = tiny.replace(backbone=backbone_settings, learner={"relation_layer": layer})
    backbone = _with_statistics(build_backbone(settings))
    images = torch.rand(2, 3, 96, 192)
    with torch.inference_mode():
        before = backbone(images), backbone.feature_map(images)
        backbone.fold_batch_norm()
        after = backbone(images), backbone.feature_map(images)
    for expected, folded in zip(before, after, strict=True):
        atol = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(expected, folded, rtol=1e-3, atol=atol)
    assert _count_norms(backbone) == n_remaining


class _Branching(nn.Module):
    """One convolution whose output bypasses its batch norm, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.twice, self.other = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.last, self.end = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.one(x)
        y = self.norm(y) + y
        return self.end(self.last(self.other(self.twice(self.twice(y)))))


class _DataDependent(nn.Module):
    """Control flow depends on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.one(x)) if x.mean() > 0 else x


def test_only_convolutions_with_one_consumer_are_folded():
    network = _with_statistics(_Branching())
    assert foldable_pairs(network) == [("last", "end")]
    x = torch.rand(2, 3, 4, 4)
    with torch.inference_mode():
        before = network(x)
        fold(network, foldable_pairs(network))
        torch.testing.assert_close(network(x), before)
    assert foldable_pairs(_DataDependent()) == []


@pytest.mark.parametrize("method", LEARNERS)
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_inference_copy_has_the_same_output_and_leaves_the_learner_unchanged(tiny, method, dtype):
    settings = tiny.replace(learner={"method": method})
    learner = build_learner(settings)
    _with_statistics(learner).train()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    copy = inference_copy(learner, dtype)
    images = torch.rand(4, 3, 16, 24)
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype is not None):
        actual = copy.embed(images).float()
        expected = learner.eval().embed(images).float()
    # bfloat16 has a mantissa of 8 bits.
    tolerance = 1e-5 if dtype is None else 0.03
    torch.testing.assert_close(
        actual, expected, rtol=0, atol=tolerance * float(expected.abs().max())
    )
    assert not copy.training
    assert before.keys() == learner.state_dict().keys()
    for name, value in learner.state_dict().items():
        assert torch.equal(before[name], value), name

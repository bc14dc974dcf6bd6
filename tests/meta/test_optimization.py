"""Optimiser steps in each precision, and parameter groups."""

import pytest
import torch
from torch import nn

from darksound.meta.optimization import OptimizerStep
from darksound.settings import ComputeSettings


def _linear() -> nn.Linear:
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 0.5)
    nn.init.zeros_(layer.bias)
    return layer


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_step_equals_the_optimiser_in_each_precision(precision):
    layer, reference = _linear(), _linear()
    optimizer_step = OptimizerStep(
        torch.optim.SGD(layer.parameters(), lr=0.1),
        ComputeSettings(device="cpu", precision=precision),
    )
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.1)
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    for _ in range(3):
        optimizer_step(layer(x).square().mean())
        optimizer.zero_grad()
        reference(x).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(layer.weight, reference.weight)


def test_gradients_too_small_for_float16_are_kept():
    """A gradient of 1e-8 is zero in float16 unless it is scaled."""
    compute = ComputeSettings(device="cpu", precision="float16")
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer_step = OptimizerStep(torch.optim.SGD([weight], lr=1.0), compute)
    # The product is in half precision, and so is its gradient.
    optimizer_step((weight.half() * 1.0).float().sum() * 1e-8)
    assert weight.grad is not None
    assert float(weight.grad) == pytest.approx(1e-8, rel=1e-2)


def test_a_step_with_gradients_that_are_not_finite_is_skipped():
    compute = ComputeSettings(device="cpu", precision="float16")
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer_step = OptimizerStep(torch.optim.SGD([weight], lr=0.1), compute)
    optimizer_step((weight.half() * 100.0).float().sum())
    assert weight.item() == 1.0
    for _ in range(8):
        optimizer_step((weight.half() * 100.0).float().sum())
    assert weight.item() < 1.0

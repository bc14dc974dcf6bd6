"""Steps of optimisation in every precision."""

import pytest
import torch
from torch import nn

from darksound.meta.steps import Descent
from darksound.settings import ComputeSettings


def _line() -> nn.Linear:
    line = nn.Linear(2, 1)
    nn.init.constant_(line.weight, 0.5)
    nn.init.zeros_(line.bias)
    return line


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_step_is_the_optimisers_whatever_the_precision(precision):
    line, alone = _line(), _line()
    descend = Descent(
        torch.optim.SGD(line.parameters(), lr=0.1),
        ComputeSettings(device="cpu", precision=precision),
    )
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.1)
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    for _ in range(3):
        descend(line(x).square().mean())
        optimizer.zero_grad()
        alone(x).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(line.weight, alone.weight)


def test_gradients_too_small_for_float16_are_not_lost():
    """A gradient of 1e-8 is zero in float16 unless it is scaled."""
    compute = ComputeSettings(device="cpu", precision="float16")
    moved = nn.Parameter(torch.tensor([1.0]))
    # The product is in half precision, and so is the gradient that comes back through it.
    Descent(torch.optim.SGD([moved], lr=1.0), compute)((moved.half() * 1.0).float().sum() * 1e-8)
    assert moved.grad is not None
    assert float(moved.grad) == pytest.approx(1e-8, rel=1e-2)


def test_a_step_whose_gradients_are_not_finite_is_left_out():
    compute = ComputeSettings(device="cpu", precision="float16")
    moved = nn.Parameter(torch.tensor([1.0]))
    descend = Descent(torch.optim.SGD([moved], lr=0.1), compute)
    descend((moved.half() * 100.0).float().sum())
    assert moved.item() == 1.0
    for _ in range(8):
        descend((moved.half() * 100.0).float().sum())
    assert moved.item() < 1.0

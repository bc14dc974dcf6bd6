"""Memory of a training step, against what a small network is known to keep."""

import pytest
import torch
from tests.fake_gpu import fake_gpu
from torch import Tensor, nn

from darksound.meta.learners.build import build_learner
from darksound.meta.training_memory import training_bytes
from darksound.settings import ComputeSettings, Settings

CPU = ComputeSettings().replace(device="cpu", precision="float32")


class TwoLayers(nn.Module):
    """A linear layer, which keeps its input, and ReLU, which keeps its output."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1000, 300, bias=False)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(x))


def test_kept_tensors_and_copies_of_parameters_are_counted() -> None:
    # 48 rows pass in 4 pieces, each with its own gradients; their sum and two moments are 3 more.
    parameters = (4 + 3) * 4 * 1000 * 300
    kept = 48 * 4 * (1000 + 300)
    actual = training_bytes(TwoLayers(), (1000,), 48, CPU)  # type: ignore[arg-type]  # has features
    assert actual - parameters == pytest.approx(1.75 * kept)


def test_a_frozen_backbone_keeps_nothing() -> None:
    settings = Settings().replace(learner={"freeze_backbone": True, "method": "relation"})
    learner = build_learner(settings)
    beside = sum(p.nbytes for p in learner.parameters() if p.requires_grad)
    assert training_bytes(learner, (3, 96, 192), 48, CPU) == (4 + 3) * beside


def test_the_network_stays_as_it_was() -> None:
    learner = build_learner(Settings())
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    assert training_bytes(learner, (3, 96, 192), 48, CPU) > 1e8
    assert all(torch.equal(before[key], value) for key, value in learner.state_dict().items())


def test_memory_of_a_gpu_is_not_the_machines() -> None:
    with fake_gpu():
        assert training_bytes(TwoLayers(), (1000,), 48, CPU.replace(device="cuda")) == 0  # type: ignore[arg-type]  # has features

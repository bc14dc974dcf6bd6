"""Optimiser steps in mixed precision, and an epoch of them."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from darksound.device import resolve_device
from darksound.meta.backbones.base import Backbone
from darksound.meta.regimes import Regime
from darksound.progress import Progress
from darksound.settings import ComputeSettings, TrainingSettings

__all__ = ["EpochMeans", "OptimizerStep", "make_optimizer", "run_epoch"]

# Large enough for gradients of a few millionths, and seldom too large.
_INITIAL_LOSS_SCALE = 2.0**14
# Number of steps that the figures shown during training are a mean of.
_N_SHOWN = 20
_OPTIMIZERS: dict[str, type[torch.optim.Adam] | type[torch.optim.AdamW]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


class OptimizerStep:
    """An optimiser step in mixed precision.

    Small gradients underflow in float16. So losses are scaled up before the backward pass and
    gradients down after it (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2). A step with
    gradients that are not finite is skipped, and the scale is halved.

    Args:
        optimizer: updates the parameters.
        compute: device and precision.

    Raises:
        SettingsError: the device is not available.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, compute: ComputeSettings) -> None:
        device, dtype = resolve_device(compute)
        self._optimizer = optimizer
        self._scaler = torch.amp.GradScaler(
            device.type, init_scale=_INITIAL_LOSS_SCALE, enabled=dtype is torch.float16
        )

    def __call__(self, loss: Tensor) -> None:
        """Compute the gradients of a scalar loss, and update the parameters."""
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._scaler.step(self._optimizer)
        self._scaler.update()


def make_optimizer(
    module: nn.Module, settings: TrainingSettings, learning_rate: float
) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name, over all parameters that need gradients.

    Heads on vectors have a learning rate multiplier and a weight decay of their own, and are the
    second parameter group. The first group, at `learning_rate`, holds all other parameters; it may
    be empty.
    """
    head_ids = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, Backbone) and part.logit_scale
        for parameter in part.parameters()
    }
    trainable = [p for p in module.parameters() if p.requires_grad]
    head = [p for p in trainable if id(p) in head_ids]
    other = [p for p in trainable if id(p) not in head_ids]
    groups: list[dict[str, Any]] = [
        {"params": other, "lr": learning_rate, "weight_decay": settings.weight_decay}
    ]
    if head:
        head_rate = learning_rate * settings.head_lr_multiplier
        groups.append({"params": head, "lr": head_rate, "weight_decay": settings.head_weight_decay})
    return _OPTIMIZERS[settings.optimizer](groups, lr=learning_rate)


@dataclass(frozen=True)
class EpochMeans:
    """Means over the steps of one epoch.

    Attributes:
        loss: mean loss.
        accuracy: mean accuracy.
        n_images: number of images that passed the network.
        seconds: duration.
    """

    loss: float
    accuracy: float
    n_images: int
    seconds: float


def run_epoch(
    regime: Regime,
    optimizer_step: OptimizerStep,
    n_steps: int,
    *,
    counters: tuple[int, ...],
    progress: Progress,
    stage: str,
) -> EpochMeans:
    """Train for `n_steps` steps in training mode, and leave the module in evaluation mode.

    Args:
        regime: computes the loss of each step.
        optimizer_step: updates the parameters.
        n_steps: number of steps.
        counters: select the random numbers, together with the number of the step.
        progress: called with the number of steps done, and recent loss and accuracy.
        stage: name of the work for `progress`.
    """
    regime.module.train()
    start = time.perf_counter()
    losses, accuracies, n_images = np.zeros(n_steps), np.zeros(n_steps), 0
    unread: list[Tensor] = []
    figures: dict[str, float] = {}
    progress(stage, 0, n_steps)
    for i in range(n_steps):
        result = regime.step(*counters, i)
        optimizer_step(result.loss)
        unread.append(torch.stack([result.loss.detach(), result.accuracy.to(result.loss.dtype)]))
        n_images += result.n_images
        # Reading makes the CPU wait until a GPU has done all that it was given.
        is_read = unread[0].device.type == "cpu" or len(unread) == _N_SHOWN or i + 1 == n_steps
        if is_read:
            read = slice(i + 1 - len(unread), i + 1)
            losses[read], accuracies[read] = torch.stack(unread, dim=1).cpu().numpy()
            unread = []
            recent = slice(max(0, i + 1 - _N_SHOWN), i + 1)
            figures = {
                "loss": float(losses[recent].mean()),
                "accuracy": float(accuracies[recent].mean()),
            }
        progress(stage, i + 1, n_steps, figures)
    regime.module.eval()
    seconds = time.perf_counter() - start
    return EpochMeans(float(losses.mean()), float(accuracies.mean()), n_images, seconds)

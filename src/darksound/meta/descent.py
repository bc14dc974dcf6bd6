"""Steps of optimisation, in any precision."""

import torch
from torch import Tensor

from darksound.meta.device import resolve_device
from darksound.settings import ComputeSettings

__all__ = ["Descent"]

# Where the scale begins: enough for gradients of a few millionths, and seldom too much.
_FIRST_SCALE = 2.0**14


class Descent:
    """Takes steps down the gradients of losses.

    In float16 small gradients would vanish, so losses are scaled up before they are
    differentiated, and gradients down again (Micikevicius et al. 2018, arXiv 1710.03740, section
    3.2); a step whose gradients are not finite is left out, and the scale halved.

    Args:
        optimizer: what steps.
        compute: device and precision of the networks.

    Raises:
        SettingsError: the device asked for is not there.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, compute: ComputeSettings) -> None:
        device, dtype = resolve_device(compute)
        self._optimizer = optimizer
        self._scaler = torch.amp.GradScaler(
            device.type, init_scale=_FIRST_SCALE, enabled=dtype is torch.float16
        )

    def __call__(self, loss: Tensor) -> None:
        """One step."""
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._scaler.step(self._optimizer)
        self._scaler.update()

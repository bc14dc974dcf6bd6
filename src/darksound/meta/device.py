"""Where networks run and in which precision."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import Tensor, nn

from darksound.errors import SettingsError
from darksound.settings import ComputeSettings

__all__ = ["autocast", "images_to", "resolve_device", "staged", "to_device"]

_Module = TypeVar("_Module", bound=nn.Module)
# NVIDIA's compute capabilities whose tensor cores multiply these types.
_FLOAT16_FROM, _BFLOAT16_FROM = (7, 0), (8, 0)


def resolve_device(compute: ComputeSettings) -> tuple[torch.device, torch.dtype | None]:
    """The device, and the type that networks run in where it is not float32.

    `auto` takes a GPU where there is one, and bfloat16 where the hardware multiplies it natively
    (elsewhere it is emulated and slow), or float16 where an NVIDIA GPU multiplies only that.

    Raises:
        SettingsError: the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there["cpu"] = True
    name: str = compute.device
    if name == "auto":
        name = next(name for name, available in there.items() if available)
    elif not there[name]:
        raise SettingsError(
            f"compute.device is {name!r}, but this machine offers no such device to torch; "
            f"use 'auto' or 'cpu'."
        )
    device = torch.device(name)
    if compute.precision == "auto":
        return device, _FAST_TYPES.get(device.type, lambda: None)()
    return device, _TYPES[compute.precision]


def _fast_on_cuda() -> torch.dtype | None:
    capability = torch.cuda.get_device_capability()
    if capability >= _BFLOAT16_FROM:
        return torch.bfloat16
    return torch.float16 if capability >= _FLOAT16_FROM else None


def _fast_on_cpu() -> torch.dtype | None:
    # torch has no public question for this before its own get_capabilities().
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    fast = any(getattr(torch.cpu, question, lambda: False)() for question in questions)
    return torch.bfloat16 if fast else None


_TYPES: Mapping[str, torch.dtype | None] = MappingProxyType(
    {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
)
_FAST_TYPES: Mapping[str, Callable[[], torch.dtype | None]] = MappingProxyType(
    {"cuda": _fast_on_cuda, "cpu": _fast_on_cpu}
)


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """A context in which networks run in `dtype`; None leaves them in float32."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def to_device(module: _Module, device: torch.device) -> _Module:
    """The module on the device, its convolutions in the memory format that is fast there."""
    return module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # torch's overloads leave out both at once


def staged(images: Tensor, device: torch.device) -> Tensor:
    """Images or vectors in memory that a GPU copies from by itself; for other devices as it is."""
    return images.pin_memory() if device.type == "cuda" else images


def images_to(images: Tensor, device: torch.device) -> Tensor:
    """Images `(b, 3, h, w)` on the device, in the memory format of `to_device`; or vectors."""
    there = images.to(device, non_blocking=True)
    return there.contiguous(memory_format=torch.channels_last) if there.dim() == 4 else there

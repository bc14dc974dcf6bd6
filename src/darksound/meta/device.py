"""The device that networks run on, and their precision."""

import platform
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from threadpoolctl import threadpool_info
from torch import Tensor, nn

from darksound.errors import SettingsError
from darksound.parallel.threads import usable_threads
from darksound.settings import ComputeSettings

__all__ = [
    "autocast",
    "describe_machine",
    "images_to_device",
    "pin",
    "resolve_device",
    "to_device",
]

_Module = TypeVar("_Module", bound=nn.Module)
# Lowest CUDA compute capabilities whose tensor cores multiply these types.
_FLOAT16_FROM, _BFLOAT16_FROM = (7, 0), (8, 0)


def resolve_device(compute: ComputeSettings) -> tuple[torch.device, torch.dtype | None]:
    """Return the device, and the reduced-precision type of autocast or None for float32.

    Device `auto` is a GPU if there is one. Precision `auto` is bfloat16 where the hardware
    multiplies it natively (elsewhere it is emulated and slow), float16 where an NVIDIA GPU
    multiplies only that, and float32 otherwise.

    Raises:
        SettingsError: the device is not available.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    name: str = compute.device
    if name == "auto":
        name = next(name for name, is_available in available.items() if is_available)
    elif not available[name]:
        raise SettingsError(
            f"compute.device is {name!r}, but torch finds no such device on this machine; "
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
    # Older versions of torch have these private functions alone.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    is_fast = any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
    return torch.bfloat16 if is_fast else None


_TYPES: dict[str, torch.dtype | None] = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_FAST_TYPES: dict[str, Callable[[], torch.dtype | None]] = {
    "cuda": _fast_on_cuda,
    "cpu": _fast_on_cpu,
}


def describe_machine(compute: ComputeSettings) -> dict[str, str]:
    """Return what the last digits of results depend on, and the number of threads, as text.

    The keys are `device`, `precision`, `processor` (instructions that torch uses on the CPU),
    `blas` (that of NumPy and its kernels) and `threads`.

    Raises:
        SettingsError: the device is not available.
    """
    device, dtype = resolve_device(compute)
    libraries = threadpool_info()
    blas = [
        " ".join(str(library.get(key)) for key in ("internal_api", "version", "architecture"))
        for library in libraries
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "precision": "float32" if dtype is None else str(dtype).removeprefix("torch."),
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "blas": ", ".join(blas) or "unknown",
        "threads": str(usable_threads()),
    }


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Return a context in which networks run in `dtype`; None means float32."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def to_device(module: _Module, device: torch.device) -> _Module:
    """Return the module on the device, with its convolutions in the fast memory format."""
    return module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # torch's overloads leave out both at once


def pin(images: Tensor, device: torch.device) -> Tensor:
    """Return images or vectors in pinned memory for a GPU, unchanged for other devices."""
    return images.pin_memory() if device.type == "cuda" else images


def images_to_device(images: Tensor, device: torch.device) -> Tensor:
    """Return images `(b, 3, h, w)` or vectors on the device, in the format of `to_device`."""
    moved = images.to(device, non_blocking=True)
    return moved.contiguous(memory_format=torch.channels_last) if moved.dim() == 4 else moved

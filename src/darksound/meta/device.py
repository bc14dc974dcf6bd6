"""Networks on a device, their precision, and the machine that computes."""

import platform
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from threadpoolctl import threadpool_info
from torch import Tensor, nn

from darksound.audio.embedding_models import input_kind, open_embedding_model
from darksound.device import resolve_device, upload
from darksound.parallel.threads import usable_threads
from darksound.settings import Settings
from darksound.store.vector_store import model_device

__all__ = [
    "autocast",
    "describe_machine",
    "images_to_device",
    "in_fast_format",
    "to_device",
]

_Module = TypeVar("_Module", bound=nn.Module)


def describe_machine(settings: Settings) -> dict[str, str]:
    """Return what the last digits of results depend on, and the number of threads, as text.

    The keys are `device`, `precision`, `processor` (instructions that torch uses on the CPU),
    `blas` (that of NumPy and its kernels), `threads`, and `embedding_model` (what runs the
    embedding model, if there is one).

    Raises:
        SettingsError: the device is not available.
        CheckpointError: the embedding model cannot be used.
    """
    compute = settings.compute
    device, dtype = resolve_device(compute)
    libraries = threadpool_info()
    blas = [
        " ".join(str(library.get(key)) for key in ("internal_api", "version", "architecture"))
        for library in libraries
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]
    provider = {}
    if input_kind(settings.backbone) == "waveforms":
        model = open_embedding_model(settings.backbone, settings.embedding_model, compute)
        provider["embedding_model"] = model.provider(model_device(compute))
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "precision": "float32" if dtype is None else str(dtype).removeprefix("torch."),
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "blas": ", ".join(blas) or "unknown",
        "threads": str(usable_threads()),
        **provider,
    }


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Return a context in which networks run in `dtype`; None means float32."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def to_device(module: _Module, device: torch.device) -> _Module:
    """Return the module on the device, with its convolutions in the fast memory format."""
    return module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # torch's overloads leave out both at once


def images_to_device(images: Tensor, device: torch.device) -> Tensor:
    """Return images `(b, 3, h, w)` or vectors on the device, in the format of `to_device`."""
    return in_fast_format(upload(images, device))


def in_fast_format(images: Tensor) -> Tensor:
    """Return images `(b, 3, h, w)` or vectors in the memory format of `to_device`."""
    return images.contiguous(memory_format=torch.channels_last) if images.dim() == 4 else images

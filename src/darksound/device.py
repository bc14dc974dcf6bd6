"""The device that torch computes on, and copies that neither it nor the CPU waits for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from darksound.errors import SettingsError
from darksound.settings import ComputeSettings

__all__ = ["download_in_order", "fits_on_device", "resolve_device", "upload"]

# Lowest CUDA compute capabilities whose tensor cores multiply these types.
_FLOAT16_FROM, _BFLOAT16_FROM = (7, 0), (8, 0)
# Share of a GPU's free memory that inputs may fill; networks need the rest.
_MAX_INPUT_SHARE = 0.5


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


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on the device; the CPU does not wait for the copy to a GPU."""
    # Only pinned memory is copied in the background.
    source = tensor.pin_memory() if device.type == "cuda" else tensor
    return source.to(device, non_blocking=True)


def download_in_order(parts: Iterable[Tensor], ahead: int = 2) -> Iterator[Tensor]:
    """Yield tensors on the CPU, in order; a GPU computes so many ahead while they are copied."""
    pending: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()
    for part in parts:
        if part.device.type == "cuda":
            copy = part.to("cpu", non_blocking=True)
            event = torch.cuda.current_stream(part.device).record_event()
        else:
            copy, event = part.cpu(), None
        pending.append((copy, event))
        if event is None or len(pending) > ahead:
            yield _wait_for(*pending.popleft())
    while pending:
        yield _wait_for(*pending.popleft())


def _wait_for(copy: Tensor, event: torch.cuda.Event | None) -> Tensor:
    if event is not None:
        event.synchronize()
    return copy


def fits_on_device(n_bytes: int, device: torch.device) -> bool:
    """Return whether inputs of so many bytes fit a GPU's memory beside networks.

    This is False for other devices: their memory is the CPU's.
    """
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return n_bytes <= _MAX_INPUT_SHARE * free

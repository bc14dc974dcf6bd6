"""A GPU without values, for tests on machines without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

__all__ = ["GPU", "NoWaiting", "fake_gpu", "module_on_gpu"]

GPU = torch.device("cuda", 0)
# Methods that make the CPU wait for a GPU.
_READS = frozenset(
    {Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.__bool__, Tensor.__float__, Tensor.__int__}
)
_COPIES = frozenset({Tensor.to, Tensor.cpu, Tensor.cuda})


class _FakeGPU(TorchFunctionMode):
    """Gives tensors on the GPU a shape, a type and a device alone; those of the CPU are real."""

    def __init__(self) -> None:
        super().__init__()
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        values, _ = tree_flatten((args, kwargs))
        devices = args if func in _COPIES else ()
        names_gpu = any(_is_gpu(value) for value in (*devices, kwargs.get("device")))
        if not names_gpu and not any(isinstance(value, FakeTensor) for value in values):
            return func(*args, **kwargs)
        args, kwargs = tree_map(self._fake_of, (args, kwargs))
        with self._fake:
            return func(*args, **kwargs)

    def _fake_of(self, value: Any) -> Any:
        is_real = isinstance(value, Tensor) and not isinstance(value, FakeTensor)
        return self._fake.from_tensor(value) if is_real else value


def _is_gpu(value: object) -> bool:
    return value == "cuda" or (isinstance(value, torch.device) and value.type == "cuda")


class NoWaiting(TorchFunctionMode):
    """Refuses copies between CPU and GPU that one of them waits for, in a block."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        source = args[0] if args and isinstance(args[0], Tensor) else None
        if source is None:
            return func(*args, **kwargs)
        assert not (source.is_cuda and func in _READS), f"{func.__name__} waits for the GPU"
        if func is Tensor.__getitem__ and source.is_cuda:
            keys = args[1] if isinstance(args[1], tuple) else (args[1],)
            on_cpu = [key for key in keys if isinstance(key, Tensor) and not key.is_cuda]
            assert not on_cpu, "an index on the CPU is copied to the GPU, which waits"
        result = func(*args, **kwargs)
        if func in _COPIES and source.device != result.device:
            assert kwargs.get("non_blocking"), "a copy between CPU and GPU waits"
            is_pinned = source.is_cuda or getattr(source, "is_pinned_here", False)
            assert is_pinned, "a copy from memory that is not pinned waits"
        return result


def _pin(tensor: Tensor, *_: object) -> Tensor:
    pinned: Any = tensor.clone()
    pinned.is_pinned_here = True
    return pinned


def module_on_gpu(module: nn.Module) -> None:
    """Move a module to the GPU, in place."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                moved = parameter.detach().to(GPU)
                part._parameters[name] = nn.Parameter(moved, parameter.requires_grad)
        for name, buffer in part._buffers.items():
            part._buffers[name] = None if buffer is None else buffer.to(GPU)
        if isinstance(part, nn.RNNBase):
            part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]


@contextmanager
def fake_gpu(free_bytes: int = 80 << 30) -> Iterator[torch.device]:
    """Give torch a GPU in a block.

    Operations on tensors of different devices fail as on a GPU, and so do those that read values
    of the GPU.
    """
    # torch is asked first whether there is a GPU; without one, its driver is not called.
    with FakeTensorMode():
        pass
    with (
        _FakeGPU(),
        patch.object(torch.cuda, "is_available", lambda: True),
        patch.object(torch.cuda, "get_device_capability", lambda *_: (9, 0)),
        patch.object(torch.cuda, "get_device_name", lambda *_: "a GPU without values"),
        patch.object(torch.cuda, "mem_get_info", lambda *_: (free_bytes, free_bytes)),
        patch.object(torch.cuda, "current_stream", MagicMock()),
        patch.object(torch.cuda, "current_device", lambda: 0),
        patch.object(torch.cuda, "get_rng_state", lambda *_: torch.zeros(16, dtype=torch.uint8)),
        patch.object(torch.cuda, "set_rng_state", lambda *_: None),
        patch.object(torch.cuda, "manual_seed_all", lambda *_: None),
        # Its kernels for recurrent networks call the driver.
        patch.object(torch.backends.cudnn, "is_acceptable", lambda _: False),
        torch.backends.cudnn.flags(enabled=False),
        patch.object(Tensor, "pin_memory", _pin),
    ):
        yield GPU

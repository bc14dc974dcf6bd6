"""Weights files: read without running anything that they hold, and put into a backbone."""

import pickle
from collections.abc import Collection
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from darksound.errors import CheckpointError
from darksound.meta.backbones.base import Backbone

__all__ = ["backbone_part", "fill", "load_backbone_weights", "read_pickle", "read_weights"]

# How a zip archive and a pickle begin: what torch.save writes today and wrote before 1.6.
_STARTS = (b"PK", b"\x80")
#: Keys of a classifier that backbones do without.
_HEAD_KEYS = ("fc.", "classifier.", "heads.", "head.", "AuxLogits.", "aux1.", "aux2.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a `.safetensors`, `.pt` or `.pth` file, on the CPU.

    Pickles are read with `weights_only=True`: one that holds code is refused.

    Raises:
        CheckpointError: the file is missing, damaged, no state dict, or holds code.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no weights file {path}.")
    read = _read_safetensors if path.suffix == ".safetensors" else read_pickle
    state = read(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"{path} holds no state dict, so it is no weights file.")
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds other things than tensors; save a plain state dict.")
    return {str(key): value for key, value in state.items()}


def _read_safetensors(path: Path) -> Any:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file ({error}); make or fetch it again."
        ) from error


def read_pickle(path: Path) -> Any:
    """What `torch.save` wrote: tensors in plain containers, and never code.

    Raises:
        CheckpointError: the file is damaged, or holds code.
    """
    try:
        with path.open("rb") as file:
            begins = file.read(4)
        # torch's unpickler fails on arbitrary bytes in arbitrary ways, so these are seen first.
        if not begins.startswith(_STARTS):
            raise CheckpointError(f"{path} is damaged or no weights file.")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "unsupported global" in str(error).lower():
            raise CheckpointError(
                f"{path} holds code or whole objects, not weights alone, and is not opened; "
                f"save its state_dict() and use that file."
            ) from error
        raise CheckpointError(f"{path} is damaged or no weights file.") from error
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged or no weights file ({error}).") from error


def backbone_part(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What belongs to a backbone: the keys below `backbone.` where there are such, else all.

    Prefixes of our own wrapper and of data-parallel training are taken off, classifiers left out.
    """
    prefix = "backbone."
    if any(key.startswith(prefix) for key in state):
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    for wrapper in ("module.", "net."):
        if all(key.startswith(wrapper) for key in state):
            state = {k.removeprefix(wrapper): v for k, v in state.items()}
    return {k: v for k, v in state.items() if not k.startswith(_HEAD_KEYS)}


def load_backbone_weights(backbone: Backbone, path: Path) -> None:
    """Put the weights of a file into a backbone, in place.

    The file may be one of our checkpoints, a published state dict or torchvision's own.

    Raises:
        CheckpointError: the file cannot be read, or is of another network.
    """
    inner = getattr(backbone, "net", backbone)
    fill(inner, backbone_part(read_weights(path)), f"{path} as backbone weights")


def fill(
    module: nn.Module, state: dict[str, Tensor], what: str, optional: Collection[str] = ()
) -> None:
    """Load a state dict, every key of which must fit.

    Args:
        module: what is filled, in place.
        state: its weights.
        what: how messages name them.
        optional: keys that may be missing.

    Raises:
        CheckpointError: keys are missing or unknown, or shapes differ.
    """
    own = module.state_dict()
    unknown = sorted(state.keys() - own.keys())
    # Counters of batch norm are absent from state dicts of old.
    may_lack = {k for k in own if k.endswith("num_batches_tracked")}.union(optional)
    missing = sorted(own.keys() - state.keys() - may_lack)
    if unknown or missing:
        raise CheckpointError(
            f"{what} does not fit: {_some('lacks', missing)}{_some('has the unknown', unknown)}"
            f"check backbone.name and learner.method."
        )
    for key, value in state.items():
        if value.shape != own[key].shape:
            raise CheckpointError(
                f"{what} does not fit: {key} is {tuple(value.shape)} in the file and "
                f"{tuple(own[key].shape)} here; check the backbone and learner settings."
            )
    module.load_state_dict(state, strict=False)


def _some(verb: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"it {verb} {', '.join(keys[:3])}{more}; "

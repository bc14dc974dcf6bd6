"""Ears of our own: the weights that come with the package, and files like them.

Such a file holds a backbone's weights, half of them in half precision, and a card that says what
they are, how they were made and what they hear badly.
"""

import json
import pickle
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from darksound.atomic import write_bytes, write_text
from darksound.errors import CheckpointError
from darksound.meta.backbones.base import Backbone

__all__ = [
    "BUNDLED",
    "IMAGENET",
    "NO_WEIGHTS",
    "backbone_part",
    "bundled_path",
    "bundled_size",
    "description_in",
    "fill",
    "front_end_of",
    "load_backbone_weights",
    "read_card",
    "read_pickle",
    "read_weights",
    "write_ears",
]


def description_in(path: Path, key: str) -> dict[str, Any] | None:
    """The JSON object under a key of a safetensors file's metadata; None where there is none.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(key)
        found = None if text is None else json.loads(text)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file ({error}); copy or make it again."
        ) from error
    return found if isinstance(found, dict) else None


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


_CARD = "darksound_card"
#: Values of `backbone.weights`: the weights in the package, torchvision's, and random ones.
BUNDLED, IMAGENET, NO_WEIGHTS = "darksound", "imagenet", "none"


def bundled_path() -> Path:
    """The weights in the package."""
    return Path(str(files("darksound").joinpath("weights", "small.safetensors")))


@cache
def bundled_size() -> dict[str, Any]:
    """Channels and length of the embedding of the package's weights, as in the settings."""
    made_with = read_card(bundled_path())["settings"]["backbone"]
    return {key: made_with[key] for key in ("channels", "embedding_dim")}


@cache
def front_end_of(path: Path) -> dict[str, Any]:
    """Settings of the front end that a weights file was made with."""
    front_end: dict[str, Any] = read_card(path)["settings"]["front_end"]
    return front_end


def write_ears(path: Path, state: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write weights with their card, and the card beside for people to read.

    Matrices are kept in half precision; batch norm's vectors, which span more, in single.
    """
    tensors = {
        key: (value.half() if value.ndim > 1 else value).detach().cpu().contiguous()
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    text = json.dumps(card, indent=2)
    write_bytes(path, safetensors.torch.save(tensors, metadata={_CARD: text}))
    write_text(path.with_suffix(".json"), text + "\n")


def read_card(path: Path) -> dict[str, Any]:
    """What a weights file says of itself.

    Raises:
        CheckpointError: it is missing or damaged, or has no card.
    """
    card = description_in(path, _CARD)
    if card is None:
        raise CheckpointError(f"{path} has no card; `darksound pretrain` did not write it.")
    return card

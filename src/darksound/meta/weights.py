"""Weights files: reading, checking and loading them, and the pretrained weights in the package.

A pretrained weights file holds the weights of a backbone, matrices in eight bits, and a card:
a JSON object with what they are, how they were made, and their limits.
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
from darksound.meta.eight_bits import in_eight_bits, in_full_precision
from darksound.settings import BackboneSettings
from darksound.system_errors import check_readable
from darksound.text import library_path

__all__ = [
    "BUNDLED",
    "IMAGENET",
    "NO_WEIGHTS",
    "backbone_part",
    "bundled_if_of_this_size",
    "bundled_path",
    "check_finite",
    "front_end_of",
    "load_backbone_weights",
    "load_weights",
    "metadata_in",
    "read_card",
    "read_pickle",
    "read_weights",
    "write_pretrained",
]

#: Values of `backbone.weights`: the weights in the package, torchvision's, and random ones.
BUNDLED, IMAGENET, NO_WEIGHTS = "darksound", "imagenet", "none"
_CARD = "darksound_card"
# First bytes of a zip archive and of a pickle, which torch.save wrote before version 1.6.
_MAGIC_BYTES = (b"PK", b"\x80")
# Prefixes of the keys of a classifier, which backbones do not have.
_CLASSIFIER_KEYS = ("fc.", "classifier.", "heads.", "head.", "AuxLogits.", "aux1.", "aux2.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a `.safetensors`, `.pt` or `.pth` file, on the CPU.

    Pickles are read with `weights_only=True`, so a file with code is refused.

    Raises:
        CheckpointError: the file is missing, damaged, not a state dict, contains code, or has
            weights that are not finite.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no weights file {path}.")
    read = _read_safetensors if path.suffix == ".safetensors" else read_pickle
    state = read(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"{path} contains no state dict, so it is not a weights file.")
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(
            f"{path} contains other objects than tensors; save a plain state dict."
        )
    check_finite(state, str(path))
    return in_full_precision({str(key): value for key, value in state.items()})


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Check that all weights are finite.

    Args:
        state: weights by key.
        name: name of their file in the message.

    Raises:
        CheckpointError: one is NaN or infinite; the message has its key.
    """
    for key, value in state.items():
        # A sum is not finite where a value is not, and is faster; it may also overflow.
        if value.is_floating_point() and not value.sum(dtype=torch.float64).isfinite():
            bad = int((~torch.isfinite(value)).sum())
            if bad:
                raise CheckpointError(
                    f"{name} has {bad} values that are not finite (NaN or infinity) in the tensor "
                    f"{key!r}: its training failed, or the file is damaged; use another one."
                )


def _read_safetensors(path: Path) -> Any:
    try:
        with library_path(path) as file:
            return safetensors.torch.load_file(file)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        check_readable(path, error, CheckpointError)
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}); make or download it again."
        ) from error


def read_pickle(path: Path) -> Any:
    """Return what `torch.save` wrote: tensors in plain containers, without any code.

    Raises:
        CheckpointError: the file is damaged, or contains code.
    """
    try:
        with path.open("rb") as file:
            first_bytes = file.read(4)
        # torch's unpickler raises arbitrary errors on arbitrary bytes, so these are checked first.
        if not first_bytes.startswith(_MAGIC_BYTES):
            raise CheckpointError(f"{path} is damaged or not a weights file.")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "unsupported global" in str(error).lower():
            raise CheckpointError(
                f"{path} contains code or whole objects, not weights alone, and is not opened; "
                f"save its state_dict() and use that file."
            ) from error
        raise CheckpointError(f"{path} is damaged or not a weights file.") from error
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError) as error:
        check_readable(path, error, CheckpointError)
        raise CheckpointError(f"{path} is damaged or not a weights file ({error}).") from error


def metadata_in(path: Path, key: str) -> dict[str, Any] | None:
    """Return the JSON object under a key of a safetensors file's metadata, or None.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with library_path(path) as name, safe_open(name, framework="pt") as file:
            text = (file.metadata() or {}).get(key)
        value = None if text is None else json.loads(text)
    except (SafetensorError, OSError, ValueError) as error:
        check_readable(path, error, CheckpointError)
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}); copy or make it again."
        ) from error
    return value if isinstance(value, dict) else None


def load_weights(
    module: nn.Module, state: Mapping[str, Tensor], name: str, optional: Collection[str] = ()
) -> None:
    """Load a state dict into a module, in place; every key and shape must match.

    Args:
        module: the module.
        state: its weights.
        name: name of the weights in messages.
        optional: keys that may be missing.

    Raises:
        CheckpointError: keys are missing or unknown, or shapes differ.
    """
    current = module.state_dict()
    unknown = sorted(state.keys() - current.keys())
    # State dicts of old versions of torch lack the counters of batch norm.
    optional = {k for k in current if k.endswith("num_batches_tracked")}.union(optional)
    missing = sorted(current.keys() - state.keys() - optional)
    if unknown or missing:
        raise CheckpointError(
            f"{name} does not fit: {_first_keys('lacks', missing)}"
            f"{_first_keys('has the unknown', unknown)}check backbone.name and learner.method."
        )
    for key, value in state.items():
        if value.shape != current[key].shape:
            raise CheckpointError(
                f"{name} does not fit: {key} is {tuple(value.shape)} in the file and "
                f"{tuple(current[key].shape)} here; check the backbone and learner settings."
            )
    module.load_state_dict(state, strict=False)


def _first_keys(verb: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"it {verb} {', '.join(keys[:3])}{more}; "


def load_backbone_weights(backbone: Backbone, path: Path, optional: Collection[str] = ()) -> None:
    """Load the weights of a file into a backbone, in place.

    The file may be a checkpoint of darksound, a published state dict or torchvision's own.

    Args:
        backbone: the network.
        path: of the file.
        optional: keys that the file may lack.

    Raises:
        CheckpointError: the file cannot be read, or is of another network.
    """
    network = getattr(backbone, "net", backbone)
    state = backbone_part(read_weights(path))
    load_weights(network, state, f"{path} as backbone weights", optional)


def backbone_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the backbone's part of a state dict: the keys below `backbone.`, or else all.

    Prefixes of darksound's wrapper and of data-parallel training are removed, and classifiers
    are left out.
    """
    prefix = "backbone."
    if any(key.startswith(prefix) for key in state):
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    for wrapper in ("module.", "net."):
        if all(key.startswith(wrapper) for key in state):
            state = {k.removeprefix(wrapper): v for k, v in state.items()}
    return {k: v for k, v in state.items() if not k.startswith(_CLASSIFIER_KEYS)}


def bundled_path(backbone: str) -> Path:
    """Return the path of the pretrained weights in the package, of the backbone of this name."""
    return Path(str(files("darksound").joinpath("weights", f"{backbone}.safetensors")))


def bundled_if_of_this_size(settings: BackboneSettings) -> str:
    """Return the name of the weights in the package if they fit, or else that of random ones."""
    bundled = _bundled_size(settings.name)
    size = settings.model_dump(mode="json", include=set(bundled))
    return BUNDLED if size == bundled else NO_WEIGHTS


@cache
def _bundled_size(backbone: str) -> dict[str, Any]:
    """Return `channels`, `blocks` and `embedding_dim` of a backbone's weights in the package."""
    settings = read_card(bundled_path(backbone))["settings"]["backbone"]
    return {key: settings[key] for key in ("channels", "blocks", "embedding_dim")}


def front_end_of(path: Path) -> dict[str, Any]:
    """Return the front end settings that the images of a weights file were made with.

    It is empty if the file has no card that names them. `long_rois` is left out: the same image
    shows a ROI whether its embedding is that image's alone or a mean of several.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    card = metadata_in(path, _CARD) if path.suffix == ".safetensors" else None
    front_end = (card or {}).get("settings", {}).get("front_end", {})
    return {key: value for key, value in front_end.items() if key != "long_rois"}


def write_pretrained(path: Path, state: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write pretrained weights with their card, and the card as JSON for people to read.

    Matrices are stored in eight bits, vectors of batch norm, whose range is wider, in single
    precision.
    """
    stored = {
        key: value.detach().cpu()
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    tensors = {key: value.contiguous() for key, value in in_eight_bits(stored).items()}
    text = json.dumps(card, indent=2)
    write_bytes(path, safetensors.torch.save(tensors, metadata={_CARD: text}))
    write_text(path.with_suffix(".json"), text + "\n")


def read_card(path: Path) -> dict[str, Any]:
    """Return the card of a pretrained weights file.

    Raises:
        CheckpointError: the file is missing or damaged, or has no card.
    """
    card = metadata_in(path, _CARD)
    if card is None:
        raise CheckpointError(f"{path} has no card; `darksound pretrain` did not write it.")
    return card

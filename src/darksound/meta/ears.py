"""Ears of our own: the weights that come with the package, and files like them.

Such a file holds a backbone's weights, half of them in half precision, and a card that says what
they are, how they were made and what they hear badly.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from darksound.atomic import write_bytes, write_text
from darksound.errors import CheckpointError
from darksound.meta.described import description_in

__all__ = ["BUNDLED", "bundled_path", "bundled_size", "front_end_of", "read_card", "write_ears"]

_CARD = "darksound_card"
#: What `backbone.weights` calls the weights in the package.
BUNDLED = "darksound"


def bundled_path() -> Path:
    """The weights in the package."""
    return Path(str(files("darksound").joinpath("ears", "small.safetensors")))


@cache
def bundled_size() -> dict[str, Any]:
    """Channels and length of the embedding of the package's weights, as in the settings."""
    made_with = read_card(bundled_path())["settings"]["backbone"]
    return {key: made_with[key] for key in ("channels", "dim")}


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

"""The state of a MEC run on disk: one file, so that it is whole or the one before."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from darksound.atomic import write_bytes
from darksound.cluster.state import MecState
from darksound.errors import RunError

__all__ = ["read_mec_state", "write_mec_state"]

_META = "state"
_ARRAY = "array:"


def write_mec_state(path: Path, state: MecState) -> None:
    """Write the state after an iteration.

    Raises:
        RunError: the disk is full, or the folder cannot be written to.
    """
    meta, arrays, tensors = state.to_parts()
    packed = {name: value.contiguous() for name, value in tensors.items()}
    packed |= {f"{_ARRAY}{name}": torch.tensor(value) for name, value in arrays.items()}
    content = save(packed, metadata={_META: json.dumps(meta)})
    write_bytes(path, content)


def read_mec_state(path: Path) -> MecState | None:
    """The state that was written last, or None where no iteration was finished.

    Raises:
        RunError: the file is damaged, or of another version.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads(file.metadata()[_META])
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}); start the run anew.") from None
    arrays = {
        name.removeprefix(_ARRAY): value.numpy()
        for name, value in found.items()
        if name.startswith(_ARRAY)
    }
    tensors = {name: value for name, value in found.items() if not name.startswith(_ARRAY)}
    return MecState.from_parts(meta, arrays, tensors)

"""What a weights file says of itself, in its own header."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from darksound.errors import CheckpointError

__all__ = ["description_in"]


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

"""Data within a page: columns as typed arrays, and JSON that no file name can break out of."""

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["column", "encoded_length", "script_safe_json", "to_base64"]

# What could end a script element, open a comment or an entity within it.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def column(values: npt.NDArray[Any], kind: str) -> dict[str, str]:
    """A column `(n,)` as the page's script reads it.

    Args:
        values: numbers.
        kind: how they are kept: `u1`, `i2`, `i4`, `u4`, `f4` or `f8`, always little-endian.
    """
    data = np.ascontiguousarray(values, dtype=np.dtype(f"<{kind}")).tobytes()
    return {"kind": kind, "data": to_base64(data)}


def to_base64(data: bytes) -> str:
    """Bytes as base64, padded, without line ends."""
    return base64.b64encode(data).decode("ascii")


def encoded_length(size: int) -> int:
    """Characters that so many bytes take as base64."""
    return 4 * -(-size // 3)


def script_safe_json(content: Any) -> str:
    """JSON in ASCII that stays data within a script element, whatever the strings in it.

    Args:
        content: plain values; numbers that are not finite become null.
    """
    text = json.dumps(_finite(content), allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value

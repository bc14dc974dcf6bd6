"""Data in the page: columns as typed arrays, and JSON that is safe in a script element."""

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["column", "encoded_length", "script_safe_json", "to_base64"]

# Characters that could end a script element, or start a comment or an entity in it.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def column(values: npt.NDArray[Any], kind: str) -> dict[str, str]:
    """Return a column `(n,)` as the script of the page reads it.

    Args:
        values: numbers.
        kind: type: `u1`, `i2`, `i4`, `u4`, `f4` or `f8`, always little-endian.
    """
    data = np.ascontiguousarray(values, dtype=np.dtype(f"<{kind}")).tobytes()
    return {"kind": kind, "data": to_base64(data)}


def to_base64(data: bytes) -> str:
    """Return bytes as base64, padded, without line breaks."""
    return base64.b64encode(data).decode("ascii")


def encoded_length(size: int) -> int:
    """Return the number of base64 characters of `size` bytes."""
    return 4 * -(-size // 3)


def script_safe_json(content: Any) -> str:
    """Return JSON in ASCII that cannot end a script element, whatever strings it contains.

    Args:
        content: plain values; NaN and infinities become null.
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

"""What is done to embeddings before they are compared."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

__all__ = ["NORMALISERS", "all_alike", "normalise"]

Vectors = npt.NDArray[np.float32]

#: Distances below this share of the vectors' length are float32 rounding.
_ROUNDING = 1e-6


def normalise(embeddings: Vectors, how: str) -> Vectors:
    """Embeddings `(n, dim)` made comparable: `l2`, `standard` or `none` (see `NORMALISERS`)."""
    return NORMALISERS[how](np.asarray(embeddings, dtype=np.float32))


def _unit_length(x: Vectors) -> Vectors:
    length = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    # A vector of zeros has no direction; it stays where it is.
    return (x / np.where(length > 0, length, 1)).astype(np.float32)


def _unit_variance(x: Vectors) -> Vectors:
    deviation = x.std(axis=0, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1)
    scaled: Vectors = ((x - x.mean(axis=0, dtype=np.float64)) / scale).astype(np.float32)
    return scaled


def _nothing(x: Vectors) -> Vectors:
    return x


#: Ways to normalise by their names in the settings.
NORMALISERS: Mapping[str, Callable[[Vectors], Vectors]] = MappingProxyType(
    {"l2": _unit_length, "standard": _unit_variance, "none": _nothing}
)


def all_alike(x: npt.NDArray[np.floating]) -> bool:
    """Whether all rows `(n, d)` are one and the same, up to the rounding of float32."""
    if not len(x):
        return False
    tolerance = _ROUNDING * float(np.abs(x).max())
    return bool((np.abs(x - x[:1]) <= tolerance).all())

"""What is done to embeddings before they are compared."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

__all__ = ["NORMALISERS", "all_alike", "normalise"]

Vectors = npt.NDArray[np.float32]

#: Distances below this share of the vectors' length are float32 rounding.
_ROUNDING = 1e-6
# Rows that are handled at once, so that no second copy of a million vectors is needed.
_BLOCK = 65_536


def normalise(embeddings: Vectors, how: str) -> Vectors:
    """Embeddings `(n, dim)` made comparable: `l2`, `standard` or `none` (see `NORMALISERS`)."""
    return NORMALISERS[how](np.asarray(embeddings, dtype=np.float32))


def _unit_length(x: Vectors) -> Vectors:
    scaled = np.empty_like(x, dtype=np.float32)
    for rows in _blocks(len(x)):
        length = np.sqrt(np.sum(x[rows] ** 2, axis=1, keepdims=True))
        # A vector of zeros has no direction; it stays where it is.
        scaled[rows] = x[rows] / np.where(length > 0, length, 1)
    return scaled


def _unit_variance(x: Vectors) -> Vectors:
    mean = x.mean(axis=0, dtype=np.float64)
    squares = sum(((x[rows] - mean) ** 2).sum(axis=0) for rows in _blocks(len(x)))
    deviation = np.sqrt(squares / max(1, len(x)))
    scale = np.where(deviation > 0, deviation, 1)
    scaled = np.empty_like(x, dtype=np.float32)
    for rows in _blocks(len(x)):
        scaled[rows] = (x[rows] - mean) / scale
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
    tolerance = _ROUNDING * max(float(x.max()), -float(x.min()))
    return all(bool((np.abs(x[rows] - x[:1]) <= tolerance).all()) for rows in _blocks(len(x)))


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))

"""An embedding that is an affine map of what a network sums up of an image."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["AffineMap", "Summarising"]


@dataclass(frozen=True)
class AffineMap:
    """`(x - mean) @ matrix`, from summaries `(n, size)` to embeddings `(n, dim)`.

    Attributes:
        mean: of the summaries, `(size,)`.
        matrix: `(size, dim)`.
        spread: standard deviation of each number of the embedding, `(dim,)`.
    """

    mean: npt.NDArray[np.float64]
    matrix: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


@runtime_checkable
class Summarising(Protocol):
    """A backbone whose embedding is a layer over a summary of its maps."""

    dim: int

    def summary(self, images: Tensor) -> Tensor:
        """Summaries `(b, size)` of images `(b, 3, h, w)`."""
        ...

    def take_map(self, fitted: AffineMap) -> None:
        """Embed by this map from now on."""
        ...

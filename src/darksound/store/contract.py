"""What learners learn from, whatever it is: images, or vectors that an embedder made."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings

__all__ = ["Kind", "Store"]

#: What a store holds of each ROI.
Kind = Literal["images", "vectors"]


class Store(Protocol):
    """What is kept of a set of ROIs, row i of it being row i of `rois.table`."""

    @property
    def kind(self) -> Kind:
        """Images `(3, h, w)` in [0, 1], or vectors `(dim,)`."""

    @property
    def rois(self) -> RoiSet:
        """The ROIs that could be read; the others are in `rois.problems`."""

    @property
    def settings(self) -> Settings:
        """Those it was made with, what was left to choose being chosen."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""

    @property
    def n_versions(self) -> int:
        """1 for the unaltered sound, and 1 for each altered version."""

    def __len__(self) -> int: ...

    def take(self, rows: npt.NDArray[np.int64]) -> "Store":
        """The store of these rows `(b,)`, in this order, unaltered; it can be pickled."""

    def batch(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Some rows, float32 `(b, *shape)`.

        Args:
            rows: of `rois.table`, `(b,)`.
            versions: of each row's sound, `(b,)`, 0 being the unaltered; None for all 0.

        Raises:
            InputError: a cache file has gone since the store was made.
        """

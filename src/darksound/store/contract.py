"""The contract of stores: images or vectors of a set of ROIs, read by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings

__all__ = ["Pieces", "RowKind", "Store", "as_floats"]

#: What a row of a store is.
RowKind = Literal["images", "vectors"]


class Store(Protocol):
    """Images or vectors of a set of ROIs; row i belongs to row i of `rois.table`.

    Examples:
        >>> import darksound as ds
        >>> store = ds.build_store("demo:val")
        >>> store.kind, store.shape, len(store)
        ('images', (3, 112, 192), 120)
        >>> images = store.batch([0, 1])
        >>> images.shape, images.dtype
        (torch.Size([2, 3, 112, 192]), torch.float32)
    """

    @property
    def kind(self) -> RowKind:
        """Return "images" for rows `(3, h, w)` in [0, 1], or "vectors" for rows `(dim,)`."""

    @property
    def rois(self) -> RoiSet:
        """Return the ROIs that could be read; the others are listed in `rois.problems`."""

    @property
    def settings(self) -> Settings:
        """Return the settings of the store, with every `auto` replaced by its value."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one row."""

    @property
    def n_versions(self) -> int:
        """Return the number of versions of each ROI, the unaltered one included."""

    @property
    def pieces(self) -> "Pieces | None":
        """Return the windows of long ROIs, whose features are averaged; None without any."""

    def __len__(self) -> int: ...

    def take(self, rows: npt.NDArray[np.int64]) -> "Store":
        """Return a store of these rows `(b,)`, in this order, without altered versions.

        The new store can be pickled.
        """

    def batch(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Return some rows, float32 `(b, *shape)`.

        Args:
            rows: row numbers of `rois.table`, `(b,)`.
            versions: of each row, `(b,)`; 0 is the unaltered sound. None means 0 for all.

        Raises:
            InputError: a cache file was removed after the store was opened.
        """

    def stored(
        self,
        rows: npt.NDArray[np.int64] | Sequence[int],
        versions: npt.NDArray[np.int64] | Sequence[int] | None = None,
    ) -> Tensor:
        """Return the same rows as the store keeps them: images as bytes or in half precision.

        Arguments and errors are those of `batch`, whose rows are `as_floats` of these.
        """


@dataclass(frozen=True)
class Pieces:
    """Windows of the ROIs of a store that are longer than the ROI length.

    Attributes:
        store: a row for each window.
        rows: row of the ROI of each window in the store of the ROIs, ascending, `(n_windows,)`.
    """

    store: Store
    rows: npt.NDArray[np.int64]

    def of(
        self, rows: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the windows of some ROIs.

        Args:
            rows: rows of the ROIs, `(b,)`.

        Returns:
            Rows of `store`, and for each of them the index of its ROI in `rows`.
        """
        first, stop = (np.searchsorted(self.rows, rows, side) for side in ("left", "right"))
        counts = stop - first
        index = np.repeat(np.arange(len(rows)), counts)
        return np.arange(len(index)) + np.repeat(first - np.cumsum(counts) + counts, counts), index

    def take(self, rows: npt.NDArray[np.int64]) -> "Pieces | None":
        """Return the pieces of a store with these rows only; None if they have no windows."""
        windows, index = self.of(rows)
        return Pieces(self.store.take(windows), index) if len(windows) else None


def as_floats(stored: Tensor) -> Tensor:
    """Return rows as `Store.batch` does, of rows as `Store.stored` does, on their device."""
    rows = stored.to(torch.float32)
    return rows.div_(255) if stored.dtype == torch.uint8 else rows

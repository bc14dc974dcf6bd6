"""The contract of reducers, the reducer that changes nothing, and principal axes."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from darksound.cluster.notes import OnNote
from darksound.errors import SettingsError
from darksound.parallel.threads import map_in_order, single_threaded, usable_threads
from darksound.settings import ReductionSettings

__all__ = [
    "Identity",
    "Reducer",
    "Vectors",
    "align_signs",
    "principal_axes",
    "project",
    "single_n_components",
]

Vectors = npt.NDArray[np.float32]


class Reducer(Protocol):
    """A reduction method; its result depends on its input, the settings and the seed only.

    Attributes:
        map_method: key in `darksound.cluster.maps.MAP_METHODS` of the method that draws the map.
    """

    map_method: str

    def reduce(self, x: Vectors, settings: ReductionSettings, seed: int, note: OnNote) -> Vectors:
        """Reduce normalised embeddings.

        Args:
            x: `(n, d)`, n at least 4, not all rows equal; it is not changed.
            settings: of the reduction.
            seed: below 2**32.
            note: called with a sentence where a setting had to be changed.

        Returns:
            Finite float32 coordinates `(n, k)`.

        Raises:
            SettingsError: a setting is not possible for this reducer.
        """


class Identity:
    """No reduction: embeddings are clustered in all their dimensions."""

    map_method = "pca"

    def reduce(self, x: Vectors, settings: ReductionSettings, seed: int, note: OnNote) -> Vectors:
        """Return the embeddings `(n, d)` themselves."""
        return x


def single_n_components(settings: ReductionSettings) -> int:
    """Return `reduction.n_components` where it is one number.

    Raises:
        SettingsError: there are several, which `find_clusters` reduces to one after the other.
    """
    if isinstance(settings.n_components, tuple):
        raise SettingsError(
            f"reduction.n_components is {list(settings.n_components)}; one reduction takes one "
            "number."
        )
    return settings.n_components


# Rows per block, which bounds the memory for float64 copies.
_BLOCK = 4096


@single_threaded()
def principal_axes(
    x: Vectors, count: int, centre: npt.NDArray[np.float64] | None = None
) -> Vectors:
    """Return the k axes `(d, k)` with the largest second moments of vectors `(n, d)`.

    The `(d, d)` matrix of second moments is summed in blocks of rows.

    Args:
        x: vectors.
        count: largest number of axes k.
        centre: `(d,)` subtracted from the vectors; None: not centred, so that angles between
            vectors are kept.
    """
    dim = x.shape[1]
    moments = np.zeros((dim, dim))

    def moments_of(start: int) -> npt.NDArray[np.float64]:
        block = x[start : start + _BLOCK].astype(np.float64)
        if centre is not None:
            block -= centre
        squares: npt.NDArray[np.float64] = block.T @ block
        return squares

    for block_moments in map_in_order(moments_of, range(0, len(x), _BLOCK), usable_threads()):
        moments += block_moments
    axes = np.linalg.eigh(moments)[1][:, ::-1][:, :count]
    aligned: Vectors = (axes * align_signs(axes.T)).astype(np.float32)
    return aligned


@single_threaded()
def project(x: Vectors, axes: Vectors) -> Vectors:
    """Return the coordinates `(n, k)` of vectors `(n, d)` on axes `(d, k)`."""
    starts = range(0, len(x), _BLOCK)
    parts = map_in_order(lambda start: x[start : start + _BLOCK] @ axes, starts, usable_threads())
    return np.concatenate(list(parts))


def align_signs(axes: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return signs `(k,)` that make the largest weight of each of the axes `(k, d)` positive."""
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return np.where(largest < 0, -1.0, 1.0)

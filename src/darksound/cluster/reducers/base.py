"""No reduction: the normalised embeddings are clustered as they are."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from darksound.cluster.notes import Say
from darksound.settings import ReductionSettings

__all__ = ["Reducer", "Vectors", "defined_signs", "identity", "leading_axes", "turned_onto"]

Vectors = npt.NDArray[np.float32]


class Reducer(Protocol):
    """A function of its input, the settings and a seed alone."""

    def __call__(self, x: Vectors, settings: ReductionSettings, seed: int, say: Say) -> Vectors:
        """Reduce normalised embeddings.

        Args:
            x: `(n, d)`, n at least 4, not all rows alike.
            settings: how.
            seed: below 2**32.
            say: takes a sentence where something is done differently from what was asked.

        Returns:
            Finite coordinates `(n, k)`, k at most `settings.n_components` times as many as there
            are repeated runs.

        Raises:
            SettingsError: a setting is impossible for this reducer.
        """


# Rows that are handled at once.
_BLOCK = 4096


def leading_axes(x: Vectors, count: int, centre: npt.NDArray[np.float64] | None = None) -> Vectors:
    """The axes `(d, k)` along which vectors `(n, d)` are longest, k at most `count`.

    Made block by block from the `d` x `d` matrix of second moments.

    Args:
        x: vectors.
        count: of axes, at most.
        centre: taken from the vectors `(d,)`; None: not centred, so that angles and distances
            between vectors stay as they are.
    """
    dim = x.shape[1]
    moments = np.zeros((dim, dim))
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK].astype(np.float64)
        if centre is not None:
            block -= centre
        moments += block.T @ block
    axes = np.linalg.eigh(moments)[1][:, ::-1][:, :count]
    turned: Vectors = (axes * defined_signs(axes.T)).astype(np.float32)
    return turned


def turned_onto(x: Vectors, axes: Vectors) -> Vectors:
    """Coordinates `(n, k)` of vectors `(n, d)` on axes `(d, k)`."""
    return np.concatenate([x[s : s + _BLOCK] @ axes for s in range(0, len(x), _BLOCK)])


def defined_signs(axes: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Signs `(k,)` that turn axes `(k, d)` so that the largest weight of each is positive."""
    strongest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return np.where(strongest < 0, -1.0, 1.0)


def identity(x: Vectors, settings: ReductionSettings, seed: int, say: Say) -> Vectors:
    """The vectors themselves, all dimensions of them."""
    return x

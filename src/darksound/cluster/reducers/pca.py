"""Principal components."""

import numpy as np

from darksound.cluster.notes import Say
from darksound.cluster.reducers.base import Vectors, defined_signs, leading_axes, turned_onto
from darksound.settings import ReductionSettings

__all__ = ["principal_components"]

# Up to so many ROIs a singular value decomposition, whose copies of all vectors fit anywhere.
_DECOMPOSED_UP_TO = 20_000


def principal_components(x: Vectors, settings: ReductionSettings, seed: int, say: Say) -> Vectors:
    """Coordinates `(n, k)` on the first k principal axes; k is `n_components` where there are
    that many. Each axis points to where its largest weight is positive, so that signs are
    defined; `seed` is not used."""
    k = min(settings.n_components, *x.shape)
    if k < settings.n_components:
        say(
            f"{x.shape[0]} embeddings of {x.shape[1]} dimensions have {k} principal components "
            f"at most; reduction.n_components = {settings.n_components} becomes {k}."
        )
    return _decomposed(x, k) if len(x) <= _DECOMPOSED_UP_TO else _by_moments(x, k)


def _decomposed(x: Vectors, k: int) -> Vectors:
    centred = x - x.mean(axis=0, dtype=np.float64)
    left, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    coordinates: Vectors = (left * sizes * defined_signs(axes))[:, :k].astype(np.float32)
    return coordinates


def _by_moments(x: Vectors, k: int) -> Vectors:
    centre = x.mean(axis=0, dtype=np.float64)
    axes = leading_axes(x, k, centre)
    coordinates: Vectors = turned_onto(x, axes) - (centre @ axes).astype(np.float32)
    return coordinates

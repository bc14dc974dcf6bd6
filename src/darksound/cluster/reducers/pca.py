"""Principal components."""

import numpy as np
import numpy.typing as npt

from darksound.cluster.notes import Say
from darksound.cluster.reducers.base import Vectors
from darksound.settings import ReductionSettings

__all__ = ["defined_signs", "principal_components"]


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
    centred = x - x.mean(axis=0, dtype=np.float64)
    left, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    coordinates: Vectors = (left * sizes * defined_signs(axes))[:, :k].astype(np.float32)
    return coordinates


def defined_signs(axes: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Signs `(k,)` that turn axes `(k, d)` so that the largest weight of each is positive."""
    strongest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return np.where(strongest < 0, -1.0, 1.0)

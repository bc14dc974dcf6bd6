"""Principal component analysis."""

import numpy as np

from darksound.cluster.notes import OnNote
from darksound.cluster.reducers.base import (
    Vectors,
    align_signs,
    principal_axes,
    project,
    single_n_components,
)
from darksound.settings import ReductionSettings

__all__ = ["PrincipalComponents"]

# Largest number of ROIs for a singular value decomposition, which copies all vectors.
_MAX_SVD_ROWS = 20_000


class PrincipalComponents:
    """Principal components; the largest weight of each axis is positive, so signs are defined."""

    map_method = "pca"

    def reduce(self, x: Vectors, settings: ReductionSettings, seed: int, note: OnNote) -> Vectors:
        """Return coordinates `(n, k)` on the first k axes; `seed` is not used.

        k is `n_components`, at most n and d.
        """
        wanted = single_n_components(settings)
        k = min(wanted, *x.shape)
        if k < wanted:
            note(
                f"{x.shape[0]} embeddings of {x.shape[1]} dimensions have at most {k} principal "
                f"components; reduction.n_components = {wanted} becomes {k}."
            )
        return _by_svd(x, k) if len(x) <= _MAX_SVD_ROWS else _by_moments(x, k)


def _by_svd(x: Vectors, k: int) -> Vectors:
    centred = x - x.mean(axis=0, dtype=np.float64)
    left, singular_values, axes = np.linalg.svd(centred, full_matrices=False)
    coordinates = left * singular_values * align_signs(axes)
    reduced: Vectors = coordinates[:, :k].astype(np.float32)
    return reduced


def _by_moments(x: Vectors, k: int) -> Vectors:
    centre = x.mean(axis=0, dtype=np.float64)
    axes = principal_axes(x, k, centre)
    reduced: Vectors = project(x, axes) - (centre @ axes).astype(np.float32)
    return reduced

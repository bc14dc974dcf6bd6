"""The map from pooled features to embeddings that is fitted after pretraining."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from darksound.errors import SettingsError
from darksound.meta.backbones.residual import AffineMap

__all__ = ["check_sample_size", "fit_embedding_map"]

Matrix = npt.NDArray[np.float64]
# Features whose deviation is below this fraction of the median one are constant.
_CONSTANT = 1e-3


def fit_embedding_map(
    pairs: Iterable[npt.NDArray[np.float32]],
    dim: int,
    *,
    shrinkage: float,
    squared_distance: float,
) -> AffineMap:
    """Return the map from pooled features to embeddings.

    It standardises the features, whitens the covariance within species (Hatch et al. 2006, doi
    10.21437/Interspeech.2006-183), and keeps the principal components.

    Args:
        pairs: arrays `(2, n, n_features)`; `[0, i]` and `[1, i]` are recordings of one species.
        dim: length of the embeddings.
        shrinkage: of the covariance within species; towards 0 whitens fully, 1 not at all.
        squared_distance: mean squared distance of two embeddings.

    Raises:
        SettingsError: `dim` is larger than the number of samples, or than that of features that
            vary.
    """
    features = np.concatenate(list(pairs), axis=1).astype(np.float64)
    flat = features.reshape(-1, features.shape[-1])
    mean, deviation = flat.mean(axis=0), flat.std(axis=0)
    varies = deviation > _CONSTANT * np.median(deviation)
    check_sample_size(dim, len(flat), int(varies.sum()))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    whitening = _Whitening((features[0] - features[1]) * scale, shrinkage)
    whitened = whitening((flat - mean) * scale)
    _, axes = _largest_axes(whitened, dim)
    # The whitening is symmetric, so that of the samples can be applied to the axes.
    matrix = scale[:, None] * whitening(axes.T).T
    spread = (whitened @ axes).std(axis=0)
    factor = float(np.sqrt(squared_distance / (2 * np.square(spread).sum())))
    return AffineMap(mean, factor * matrix, factor * spread)


def check_sample_size(dim: int, n_samples: int, n_features: int) -> None:
    """Check whether an embedding can be fitted to so many samples and features.

    Raises:
        SettingsError: there are fewer of one of them than dimensions.
    """
    if dim > min(n_samples, n_features):
        raise SettingsError(
            f"backbone.embedding_dim is {dim}, but the embedding is fitted to {n_samples} samples "
            f"of {n_features} features that vary; set a smaller backbone.embedding_dim, raise "
            f"pretraining.embedding_fit_batches, or set it to 0 to keep the trained embedding."
        )


class _Whitening:
    """Multiply by the symmetric inverse square root of the shrunk covariance within species.

    There are often fewer pairs than features. The covariance then has one eigenvalue for all
    directions without differences, so that only the others need to be computed.

    Args:
        differences: between two recordings of a species, `(n, n_features)`.
        shrinkage: of their covariance.
    """

    def __init__(self, differences: Matrix, shrinkage: float) -> None:
        # The difference of two samples has twice the covariance of one.
        values, axes = _largest_axes(differences / np.sqrt(2 * len(differences)))
        sphere = shrinkage * values.sum() / differences.shape[1]
        self._axes = axes
        self._elsewhere = 1 / np.sqrt(sphere)
        self._on_axes = 1 / np.sqrt((1 - shrinkage) * values + sphere) - self._elsewhere

    def __call__(self, rows: Matrix) -> Matrix:
        on_axes = (rows @ self._axes) * self._on_axes
        whitened: Matrix = self._elsewhere * rows + on_axes @ self._axes.T
        return whitened


def _largest_axes(rows: Matrix, n: int | None = None) -> tuple[Matrix, Matrix]:
    """Return the n largest eigenvalues of `rows.T @ rows`, and their axes `(n_features, n)`.

    The default n is the number of rows or of features, whichever is smaller: all other
    eigenvalues are zero.
    """
    is_wide = rows.shape[0] < rows.shape[1]
    product = rows @ rows.T if is_wide else rows.T @ rows
    wanted = None if n is None else (len(product) - n, len(product) - 1)
    values, vectors = eigh(product, subset_by_index=wanted, overwrite_a=True)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    # The products are orthogonal, but have no direction where an eigenvalue is zero.
    axes: Matrix = np.linalg.qr(rows.T @ vectors)[0] if is_wide else vectors
    return values, axes

"""The embedding that pretraining leaves: its network's summary, with what varies within species
turned down.

The layer that a contrastive loss sees forgets what does not tell the training's species apart, and
what comes before it compares other birds better (Chen et al. 2020, arXiv 2002.05709, section 4.2).
So that layer is replaced, once training is over, by one that nobody trained: whitening by the
covariance within species (Hatch, Kajarekar and Stolcke 2006, doi 10.21437/Interspeech.2006-183,
eq. 6 to 8), shrunk towards none, then principal axes.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from darksound.errors import SettingsError
from darksound.meta.backbones.affine import AffineMap

__all__ = ["fit_map", "require_enough"]

Matrix = npt.NDArray[np.float64]
# Numbers of a summary that vary less than this share of the median one are dead.
_DEAD = 1e-3


def fit_map(
    pairs: Iterable[npt.NDArray[np.float32]], dim: int, shrinkage: float, distance: float
) -> AffineMap:
    """The map from summaries to embeddings.

    Args:
        pairs: arrays `(2, n, size)`; `[0, i]` and `[1, i]` are recordings of one species.
        dim: length of the embeddings.
        shrinkage: 0 whitens wholly, 1 leaves summaries of unit variance as they are.
        distance: mean squared distance between two embeddings.

    Raises:
        SettingsError: `dim` is more than the summaries' numbers that vary, or than the summaries.
    """
    drawn = np.concatenate(list(pairs), axis=1).astype(np.float64)
    flat = drawn.reshape(-1, drawn.shape[-1])
    mean, deviation = flat.mean(axis=0), flat.std(axis=0)
    alive = deviation > _DEAD * np.median(deviation)
    require_enough(dim, len(flat), int(alive.sum()))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=alive)
    matrix = scale[:, None] * _within_whitening((drawn[0] - drawn[1]) * scale, shrinkage)
    matrix = matrix @ _principal_axes((flat - mean) @ matrix, dim)
    spread = ((flat - mean) @ matrix).std(axis=0)
    size = float(np.sqrt(distance / (2 * np.square(spread).sum())))
    return AffineMap(mean, size * matrix, size * spread)


def require_enough(dim: int, count: int, size: int) -> None:
    """See that embeddings of length `dim` can be fitted to `count` summaries of `size` numbers.

    Raises:
        SettingsError: they cannot.
    """
    if dim > min(count, size):
        raise SettingsError(
            f"backbone.dim is {dim}, and the {count} summaries that the embedding is fitted to "
            f"have {size} numbers that vary; set a smaller backbone.dim, raise "
            f"pretraining.summary_batches, or set it to 0 to keep the embedding that is trained."
        )


def _within_whitening(differences: Matrix, shrinkage: float) -> Matrix:
    """The inverse square root of the shrunk covariance within species, symmetric."""
    # A difference of two draws has twice the covariance of one.
    within = differences.T @ differences / (2 * len(differences))
    sphere = np.eye(len(within)) * np.trace(within) / len(within)
    values, vectors = np.linalg.eigh((1 - shrinkage) * within + shrinkage * sphere)
    floor = values[-1] * len(values) * np.finfo(np.float64).eps
    whitening: Matrix = (vectors / np.sqrt(np.maximum(values, floor))) @ vectors.T
    return whitening


def _principal_axes(centred: Matrix, dim: int) -> Matrix:
    """Axes `(size, dim)` of most variance."""
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes: Matrix = vectors[:, ::-1][:, :dim]
    return axes

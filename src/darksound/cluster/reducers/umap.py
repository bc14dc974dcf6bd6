"""UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426), seeded."""

import warnings
from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackError

from darksound.cluster.notes import Say
from darksound.cluster.reducers.base import Vectors
from darksound.errors import SettingsError
from darksound.settings import ReductionSettings

__all__ = ["umap"]

#: What umap-learn warns of and we have dealt with or say ourselves.
_HUSHED = (
    r"(?s).*n_jobs value .* overridden to 1 by setting random_state",
    r"(?s).*gradient function is not yet implemented",
    r"(?s).*Spectral initialisation failed",
    r"(?s).*Failed to correctly find n_neighbors",
    r"(?s).*Graph is not fully connected",
)


def umap(x: Vectors, settings: ReductionSettings, seed: int, say: Say) -> Vectors:
    """Coordinates `(n, n_components)` of vectors `(n, d)`, n at least 4; one thread, so that the
    same seed gives the same coordinates.

    Raises:
        SettingsError: `reduction.metric` is unknown, or `min_dist` lies above `spread`.
    """
    n = len(x)
    neighbours = min(settings.n_neighbors, n - 1)
    if neighbours < settings.n_neighbors:
        say(
            f"{n} ROIs are fewer than UMAP's neighbourhood of {settings.n_neighbors}; "
            f"reduction.n_neighbors becomes {neighbours}."
        )
    if settings.min_dist > settings.spread:
        raise SettingsError(
            f"reduction.min_dist ({settings.min_dist:g}) cannot be above reduction.spread "
            f"({settings.spread:g})."
        )
    _check_metric(settings.metric)
    start = settings.init
    # The eigenvectors are sought in a space of 2 k + 3 dimensions, which must fit the data.
    if start == "spectral" and n <= 2 * settings.n_components + 3:
        start = "pca"
        say(f"{n} ROIs are too few for UMAP's spectral start; it starts from PCA.")
    if start == "pca" and settings.n_components > min(x.shape):
        start = "random"
        say(f"{n} ROIs have too few principal components to start UMAP from; it starts at random.")
    try:
        return _fit(x, settings, neighbours, start, seed)
    except (ArpackError, ValueError) as error:
        if start != "spectral":
            raise
        say(
            "UMAP's spectral start failed, as it can where ROIs fall into separate groups about "
            f"twice reduction.n_components in size; it starts from PCA instead ({error})."
        )
    start = "pca" if settings.n_components <= min(x.shape) else "random"
    return _fit(x, settings, neighbours, start, seed)


def _fit(
    x: Vectors, settings: ReductionSettings, neighbours: int, start: str, seed: int
) -> Vectors:
    # Imported here since it compiles for seconds, which PCA need not wait for.
    from umap import UMAP

    options: dict[str, Any] = settings.model_dump(
        include={
            "n_components",
            "min_dist",
            "spread",
            "metric",
            "set_op_mix_ratio",
            "local_connectivity",
            "repulsion_strength",
            "negative_sample_rate",
            "densmap",
            "dens_lambda",
        }
    )
    model = UMAP(
        **options,
        n_neighbors=neighbours,
        n_epochs=None if settings.n_epochs == "auto" else settings.n_epochs,
        init=start,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        for message in _HUSHED:
            warnings.filterwarnings("ignore", message=message)
        reduced = np.asarray(model.fit_transform(x), dtype=np.float32)
    return _placed(reduced)


def _placed(reduced: Vectors) -> Vectors:
    """ROIs that UMAP connects to nothing get the coordinates of the centre, far from no group."""
    lost = ~np.isfinite(reduced).all(axis=1)
    if lost.any():
        reduced[lost] = reduced[~lost].mean(axis=0) if (~lost).any() else 0.0
    return reduced


def _check_metric(metric: str) -> None:
    from umap.distances import named_distances

    if metric not in named_distances:
        raise SettingsError(
            f"reduction.metric is {metric!r}; UMAP has {', '.join(sorted(named_distances))}."
        )

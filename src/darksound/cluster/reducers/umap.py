"""UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426), seeded."""

import warnings
from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackError

from darksound.cluster.notes import Say
from darksound.cluster.reducers.base import Vectors, leading_axes, turned_onto
from darksound.cluster.reducers.sample import AXES, by_sample
from darksound.errors import SettingsError
from darksound.settings import ReductionSettings

__all__ = ["resolve_repeats", "umap"]

_REPEATED_UP_TO = 20_000
# Metrics that hardly change where vectors are turned onto the axes along which they are longest.
_TURNABLE = ("euclidean", "cosine")
# Of each of several runs; longer ones tear groups apart, each run its own way.
_SHORT_RUN = 100

#: What umap-learn warns of and we have dealt with or say ourselves.
_HUSHED = (
    r"(?s).*n_jobs value .* overridden to 1 by setting random_state",
    r"(?s).*gradient function is not yet implemented",
    r"(?s).*Spectral initialisation failed",
    r"(?s).*Failed to correctly find n_neighbors",
    r"(?s).*Graph is not fully connected",
)


def resolve_repeats(settings: ReductionSettings, n: int) -> int:
    """The number set, or for `auto` 3 up to 20,000 ROIs, and 1 above, where runs differ less and
    cost minutes."""
    if settings.repeats != "auto":
        return settings.repeats
    return 3 if n <= _REPEATED_UP_TO else 1


def umap(x: Vectors, settings: ReductionSettings, seed: int, say: Say) -> Vectors:
    """Coordinates `(n, repeats * n_components)` of vectors `(n, d)`, n at least 4.

    Runs from different seeds lie side by side, so that squared distances are sums over runs: what
    one run tears apart or throws together by chance, the others outvote. One thread, so that the
    same seed gives the same coordinates. Above `pca_above` ROIs it sees 50 principal axes, not
    centred, and above `max_fit_samples` a sample.

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
    if n > settings.max_fit_samples:
        say(
            f"UMAP is fitted on {settings.max_fit_samples:,} of {n:,} ROIs, drawn from everywhere; the "
            "others are placed among their nearest neighbours (reduction.max_fit_samples)."
        )
        everything = settings.model_copy(update={"max_fit_samples": n})
        return by_sample(
            x, settings.max_fit_samples, seed, lambda part: umap(part, everything, seed, say)
        )
    if n > settings.pca_above and x.shape[1] > AXES and settings.metric in _TURNABLE:
        x = turned_onto(x, leading_axes(x, AXES))
    more = np.random.SeedSequence(seed).generate_state(resolve_repeats(settings, n))[1:]
    runs = [_run(x, settings, neighbours, one, say) for one in (seed, *map(int, more))]
    return np.concatenate(runs, axis=1)


def _run(x: Vectors, settings: ReductionSettings, neighbours: int, seed: int, say: Say) -> Vectors:
    n = len(x)
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
        n_epochs=_epochs(settings, len(x)),
        init=start,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        for message in _HUSHED:
            warnings.filterwarnings("ignore", message=message)
        reduced = np.asarray(model.fit_transform(x), dtype=np.float32)
    return _placed(reduced)


def _epochs(settings: ReductionSettings, n: int) -> int | None:
    if settings.n_epochs != "auto":
        return settings.n_epochs
    return _SHORT_RUN if resolve_repeats(settings, n) > 1 else None


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

"""UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426) with a fixed seed."""

import warnings
from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackError

from darksound.cluster.notes import OnNote
from darksound.cluster.reducers.base import Vectors, principal_axes, project, single_n_components
from darksound.cluster.reducers.sample import N_AXES, reduce_by_sample
from darksound.errors import SettingsError
from darksound.parallel.threads import single_threaded
from darksound.settings import ReductionSettings

__all__ = ["Umap", "resolve_repeats"]

_MAX_REPEATED_ROWS = 20_000
# Metrics that projection on the principal axes hardly changes.
_PROJECTABLE_METRICS = ("euclidean", "cosine")
# Epochs of each of several runs; longer runs split clusters, each in another way.
_REPEATED_EPOCHS = 100

#: Warnings of umap-learn about cases that are handled or noted here.
_IGNORED_WARNINGS = (
    r"(?s).*n_jobs value .* overridden to 1 by setting random_state",
    r"(?s).*gradient function is not yet implemented",
    r"(?s).*Spectral initialisation failed",
    r"(?s).*Failed to correctly find n_neighbors",
    r"(?s).*Graph is not fully connected",
)


def resolve_repeats(settings: ReductionSettings, n: int) -> int:
    """Return `repeats`; for `auto`, 3 up to 20,000 ROIs and 1 above.

    With more ROIs, runs differ less and take minutes.
    """
    if settings.repeats != "auto":
        return settings.repeats
    return 3 if n <= _MAX_REPEATED_ROWS else 1


class Umap:
    """UMAP of the package `umap-learn`, run several times with different seeds.

    The coordinates of the runs are concatenated, so that squared distances are sums over runs and
    random splits and merges of one run have less weight. It uses one thread, so that the same seed
    gives the same coordinates. Above `pca_above` ROIs, embeddings are first projected on 50
    principal axes, not centred; above `max_fit_samples`, UMAP is fitted on a sample.
    """

    map_method = "umap"

    def reduce(self, x: Vectors, settings: ReductionSettings, seed: int, note: OnNote) -> Vectors:
        """Return coordinates `(n, repeats * n_components)` of vectors `(n, d)`, n at least 4.

        Raises:
            SettingsError: `reduction.metric` is unknown, or `min_dist` is above `spread`.
        """
        n = len(x)
        _check(settings)
        if settings.n_neighbors > n - 1:
            note(
                f"UMAP's reduction.n_neighbors = {settings.n_neighbors} is too large for {n} ROIs; "
                f"reduction.n_neighbors becomes {n - 1}."
            )
        if n > settings.max_fit_samples:
            note(
                f"UMAP is fitted on a sample of {settings.max_fit_samples:,} of {n:,} ROIs; the "
                "others are placed by their nearest neighbours (reduction.max_fit_samples)."
            )
            # The sample may have a few more rows than `max_fit_samples`.
            unlimited = settings.replace(max_fit_samples=n)
            return reduce_by_sample(
                x,
                settings.max_fit_samples,
                seed,
                lambda sample: self.reduce(sample, unlimited, seed, note),
            )
        is_large = n > settings.pca_above and x.shape[1] > N_AXES
        if is_large and settings.metric in _PROJECTABLE_METRICS:
            x = project(x, principal_axes(x, N_AXES))
        other_seeds = np.random.SeedSequence(seed).generate_state(resolve_repeats(settings, n))[1:]
        seeds = (seed, *map(int, other_seeds))
        return np.concatenate([_run(x, settings, run_seed, note) for run_seed in seeds], axis=1)


def _check(settings: ReductionSettings) -> None:
    if settings.min_dist > settings.spread:
        raise SettingsError(
            f"reduction.min_dist ({settings.min_dist:g}) cannot be above reduction.spread "
            f"({settings.spread:g})."
        )
    from umap.distances import named_distances

    if settings.metric not in named_distances:
        raise SettingsError(
            f"reduction.metric is {settings.metric!r}; UMAP has "
            f"{', '.join(sorted(named_distances))}."
        )


def _run(x: Vectors, settings: ReductionSettings, seed: int, note: OnNote) -> Vectors:
    """Return the coordinates `(n, n_components)` of one run, with another `init` if it fails."""
    n, k = len(x), single_n_components(settings)
    init = settings.init
    # The eigenvectors are sought in a space of 2 k + 3 dimensions, which must fit the data.
    if init == "spectral" and n <= 2 * k + 3:
        init = "pca"
        note(f"{n} ROIs are too few for UMAP's spectral initialisation; it starts from PCA.")
    if init == "pca" and k > min(x.shape):
        init = "random"
        note(f"{n} ROIs have too few principal components to start UMAP from; it starts at random.")
    try:
        return _fit(x, settings, init, seed)
    except (ArpackError, ValueError) as error:
        if init != "spectral":
            raise
        note(
            "UMAP's spectral initialisation failed, as it can if ROIs form separate groups of "
            f"about twice reduction.n_components; it starts from PCA instead ({error})."
        )
    init = "pca" if k <= min(x.shape) else "random"
    return _fit(x, settings, init, seed)


@single_threaded()
def _fit(x: Vectors, settings: ReductionSettings, init: str, seed: int) -> Vectors:
    # The import compiles for seconds, which users of PCA do not need to wait for.
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
        n_neighbors=min(settings.n_neighbors, len(x) - 1),
        n_epochs=_resolve_n_epochs(settings, len(x)),
        init=init,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        for message in _IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        return _fill_missing(np.asarray(model.fit_transform(x), dtype=np.float32))


def _resolve_n_epochs(settings: ReductionSettings, n: int) -> int | None:
    if settings.n_epochs != "auto":
        return settings.n_epochs
    return _REPEATED_EPOCHS if resolve_repeats(settings, n) > 1 else None


def _fill_missing(coordinates: Vectors) -> Vectors:
    """Give ROIs without any edge, for which UMAP has no coordinates, those of the centre."""
    is_missing = ~np.isfinite(coordinates).all(axis=1)
    if is_missing.any():
        others = coordinates[~is_missing]
        coordinates[is_missing] = others.mean(axis=0) if len(others) else 0.0
    return coordinates

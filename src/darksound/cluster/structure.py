"""From embeddings to clusters: reduction, clustering, and sets without structure."""

from collections.abc import Callable, Iterator
from math import isnan

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import (
    Clusterer,
    Clustering,
    changed_settings,
    number_by_size,
)
from darksound.cluster.estimators import (
    FitPredict,
    FitTransform,
    needs_reduction,
    noise_reason,
    record_estimators,
    resolve_clusterer,
    resolve_reducer,
)
from darksound.cluster.iteration import validity_rows
from darksound.cluster.normalise import is_constant, normalise
from darksound.cluster.notes import (
    DimensionChoice,
    OnNote,
    Stopwatch,
    ignore_note,
    log_choice,
    log_note,
)
from darksound.cluster.reducers.base import Vectors
from darksound.cluster.validity import cluster_validity, dbcv
from darksound.parallel.threads import single_threaded
from darksound.progress import Progress, silent
from darksound.settings import ClusteringSettings, ReductionSettings, Settings

__all__ = [
    "AUTO",
    "MIN_ROIS",
    "check_methods",
    "cluster",
    "clusterer_seed",
    "find_clusters",
    "reduce",
    "reducer_seed",
    "resolve_methods",
    "uses_reducer",
    "why_noise",
]

AUTO = "auto"
#: Fewer ROIs than these cannot be two clusters of two.
MIN_ROIS = 4

_LINKAGE, _HDBSCAN, _UMAP, _NO_REDUCER = "linkage", "hdbscan", "umap", "none"
_CENTRED, _UNIT_LENGTH = "centred", "l2"
# Settings of every reducer. A change of any other one selects UMAP.
_COMMON_REDUCTION_SETTINGS = {"method", "normalise", "max_fit_samples", "pca_above", "n_init"}
# Streams of the seed.
_REDUCER_STREAM, _CLUSTERER_STREAM = 401, 403
# The result depends on UMAP's seed for few ROIs, and there a run takes less than a second.
_MAX_REPEATED_ROIS, _AUTO_N_INIT = 500, 6


def resolve_methods(settings: Settings) -> Settings:
    """Return the settings with `auto` replaced by the reducer and the clusterer.

    `auto` is average linkage without reduction, unless a setting that only UMAP or HDBSCAN has was
    changed, or `clustering.max_linkage_samples` is 0; then it is UMAP and HDBSCAN. Embeddings are
    centred before linkage without reduction, and scaled to unit length before other methods.
    """
    method = settings.clustering.method
    if method == AUTO:
        method = _LINKAGE if _fits_linkage(settings) else _HDBSCAN
    reducer = settings.reduction.method
    if reducer == AUTO:
        reducer = _UMAP if needs_reduction(method) else _NO_REDUCER
    normaliser: str = settings.reduction.normalise
    if normaliser == AUTO:
        normaliser = _CENTRED if (method, reducer) == (_LINKAGE, _NO_REDUCER) else _UNIT_LENGTH
    return settings.replace(
        reduction={"method": reducer, "normalise": normaliser}, clustering={"method": method}
    )


def uses_reducer(settings: Settings) -> bool:
    """Return whether embeddings are reduced before they are clustered."""
    return resolve_methods(settings).reduction.method != _NO_REDUCER


def why_noise(settings: Settings, n: int) -> str:
    """Return why some of n ROIs are in no cluster, one sentence."""
    clustering = settings.clustering
    if clustering.method == AUTO:
        clustering = resolve_methods(settings).clustering
    return noise_reason(clustering, n)


def _fits_linkage(settings: Settings) -> bool:
    reduction, clustering = settings.reduction, settings.clustering
    defaults = ReductionSettings()
    changed = [
        name
        for name in ReductionSettings.model_fields
        if name not in _COMMON_REDUCTION_SETTINGS
        and getattr(reduction, name) != getattr(defaults, name)
    ]
    linkage = resolve_clusterer(ClusteringSettings(method=_LINKAGE))
    return (
        clustering.max_linkage_samples > 0
        and reduction.method in (AUTO, _NO_REDUCER)
        and not changed
        and not changed_settings(clustering, linkage.unsupported_settings)
    )


def check_methods(
    settings: Settings,
    *,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
) -> None:
    """Verify, before any work, that the reducer and the clusterer can be made.

    Raises:
        SettingsError: one is unknown, or its parameters do not fit.
    """
    resolved = resolve_methods(record_estimators(settings, reducer, clusterer))
    resolve_reducer(resolved.reduction, reducer)
    resolve_clusterer(resolved.clustering, clusterer)


@single_threaded()
def find_clusters(
    embeddings: Vectors,
    settings: Settings,
    *,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
    note: OnNote = log_note,
    progress: Progress = silent,
    watch: Stopwatch | None = None,
    on_choice: Callable[[DimensionChoice], None] = log_choice,
) -> Clustering:
    """Reduce and cluster embeddings `(n, dim)`.

    Reduction and clustering run `reduction.n_init` times with different seeds, and the clustering
    with the highest `Validity.weighted_entropy` is used. If `reduction.n_components` has several
    numbers, the clustering with the highest DBCV in its reduced space is returned (Poutaraud et
    al. 2024), the first of equals. Fewer than four ROIs are all noise,
    and ROIs with equal embeddings are one cluster; neither is reduced or clustered.

    Args:
        embeddings: of the ROIs.
        settings: reduction, clustering and seed.
        reducer: an object with `fit_transform`, in place of `reduction.method`.
        clusterer: an object with `fit_predict`, in place of `clustering.method`.
        note: called with a sentence where a setting had to be changed or there is no structure.
        progress: called with the progress of each stage.
        watch: measures both stages.
        on_choice: called if several numbers of dimensions were compared.

    Raises:
        SettingsError: the reducer, the clusterer or one of their settings cannot be used.
    """
    n = len(embeddings)
    if n < MIN_ROIS:
        note(f"{n} ROIs are too few to cluster (at least {MIN_ROIS} are needed); all are noise.")
        return Clustering.all_noise(n)
    if is_constant(normalise(embeddings, settings.reduction.normalise)):
        note(
            f"All {n} ROIs have the same embedding and form one cluster. If they are not copies of "
            "one sound, the learner cannot separate them; use another checkpoint."
        )
        return Clustering.one_cluster(n)
    resolved = resolve_methods(record_estimators(settings, reducer, clusterer))
    watch = watch or Stopwatch()
    found: dict[int, Clustering] = {}
    values: dict[int, float] = {}
    before: Vectors | None = None
    for k in _n_components(resolved.reduction):
        clustering, reduced = _best_of_n_init(
            embeddings,
            resolved.replace(reduction={"n_components": k}),
            (reducer, clusterer),
            note=note,
            progress=progress,
            watch=watch,
        )
        if before is not None and np.array_equal(reduced, before):
            # The reducer has no such setting, or the ROIs have no more dimensions.
            continue
        before, found[k] = reduced, clustering
        if isinstance(resolved.reduction.n_components, tuple):
            with watch.timing("validity_s"):
                rows = validity_rows(clustering.labels, resolved)
                values[k] = dbcv(reduced[rows], clustering.labels[rows])
    best = max(found, key=lambda k: -np.inf if isnan(values.get(k, 0.0)) else values.get(k, 0.0))
    if len(found) > 1:
        on_choice(DimensionChoice(best, values, {k: c.n_clusters for k, c in found.items()}))
    clustering = found[best]
    _note_missing_structure(clustering, resolved.clustering, clusterer, note)
    return clustering


def _n_components(settings: ReductionSettings) -> tuple[int, ...]:
    value = settings.n_components
    return tuple(dict.fromkeys(value)) if isinstance(value, tuple) else (value,)


def _best_of_n_init(
    embeddings: Vectors,
    settings: Settings,
    estimators: tuple[FitTransform | None, FitPredict | None],
    *,
    note: OnNote,
    progress: Progress,
    watch: Stopwatch,
) -> tuple[Clustering, Vectors]:
    """Return the clustering with the highest weighted entropy of those from different seeds.

    The second value is the reduced embeddings `(n, k)` that it was found in.
    """
    reducer, clusterer = estimators
    n_init = _resolve_n_init(settings.reduction, len(embeddings))
    first_reduced: Vectors | None = None
    best: tuple[Clustering, Vectors] | None = None
    best_score = -np.inf
    progress("reducing", 0, n_init)
    for number, seed in enumerate(_reducer_seeds(settings.seed, n_init)):
        with watch.timing("reduce_s"):
            # Notes of later runs would repeat those of the first one.
            reduced = reduce(
                embeddings,
                settings.reduction,
                seed,
                note=ignore_note if number else note,
                reducer=reducer,
            )
        if first_reduced is None:
            first_reduced = reduced
        elif np.array_equal(reduced, first_reduced):
            # The reducer does not depend on the seed, so further runs would be the same.
            progress("reducing", n_init, n_init)
            break
        progress("reducing", number + 1, n_init)
        if number == n_init - 1:
            progress("clustering", 0, 1)
        with watch.timing("cluster_s"):
            clustering = cluster(reduced, settings.clustering, settings.seed, clusterer=clusterer)
        score = 0.0
        if n_init > 1:
            score = cluster_validity(embeddings, clustering.labels).weighted_entropy
        if score > best_score:
            best, best_score = (clustering, reduced), score
    progress("clustering", 1, 1)
    assert best is not None  # there is at least one run, and the score is never NaN
    return best


def _resolve_n_init(settings: ReductionSettings, n: int) -> int:
    if settings.n_init != "auto":
        return settings.n_init
    return _AUTO_N_INIT if n <= _MAX_REPEATED_ROIS else 1


def _reducer_seeds(seed: int, n_init: int) -> Iterator[int]:
    """Yield the seed of each run of the reducer, the same ones in every iteration of MEC.

    Embeddings that do not change between iterations then give the same clusters, and the AMI with
    the previous iteration measures the learner, not the reducer.
    """
    for number in range(n_init):
        stream = [seed, _REDUCER_STREAM, *([number] if number else [])]
        yield int(np.random.SeedSequence(stream).generate_state(1)[0])


def reducer_seed(seed: int) -> int:
    """Return the seed of the first run of the reducer."""
    return next(_reducer_seeds(seed, 1))


def clusterer_seed(seed: int) -> int:
    """Return the seed of the clusterer."""
    return int(np.random.SeedSequence([seed, _CLUSTERER_STREAM]).generate_state(1)[0])


def reduce(
    embeddings: npt.NDArray[np.floating],
    settings: ReductionSettings,
    seed: int,
    *,
    note: OnNote = log_note,
    reducer: FitTransform | None = None,
) -> Vectors:
    """Normalise and reduce embeddings.

    Args:
        embeddings: `(n, dim)`, n at least 4, not all rows equal.
        settings: with a reducer other than `auto`.
        seed: the same seed gives the same coordinates.
        note: called with a sentence where a setting had to be changed.
        reducer: an object with `fit_transform`, in place of the settings' reducer.

    Returns:
        float32 coordinates `(n, k)`.

    Raises:
        SettingsError: the reducer is unknown, or one of its settings is not possible.
    """
    x = normalise(np.asarray(embeddings, dtype=np.float32), settings.normalise)
    method = resolve_reducer(settings, reducer)
    # After the import of the libraries that the reducer uses.
    with single_threaded():
        return method.reduce(x, settings, seed, note)


def cluster(
    x: npt.NDArray[np.floating],
    settings: ClusteringSettings,
    seed: int = 0,
    *,
    clusterer: FitPredict | None = None,
) -> Clustering:
    """Cluster reduced embeddings `(n, k)`, n at least 4; clusters are numbered by size.

    Args:
        x: reduced embeddings.
        settings: with a clusterer other than `auto`.
        seed: of clusterers that use random numbers.
        clusterer: an object with `fit_predict`, in place of the settings' clusterer.

    Raises:
        SettingsError: the clusterer or its metric is unknown, or it is not installed.
    """
    method: Clusterer = resolve_clusterer(settings, clusterer)
    points = np.asarray(x, dtype=np.float64)
    with single_threaded():
        return number_by_size(method.cluster(points, settings, clusterer_seed(seed)))


def _note_missing_structure(
    clustering: Clustering,
    settings: ClusteringSettings,
    clusterer: FitPredict | None,
    note: OnNote,
) -> None:
    n = len(clustering.labels)
    method = resolve_clusterer(settings, clusterer)
    remedy = method.remedy.format(size=method.min_cluster_size(settings, n))
    if clustering.n_clusters == 0:
        note(
            f"No cluster was found: all {n} ROIs are noise. {remedy[:1].upper()}{remedy[1:]}, use "
            "another clustering.method, or add ROIs."
        )
    if clustering.n_clusters == 1:
        note(
            f"Only one cluster was found, of {int(np.sum(clustering.labels == 0))} of {n} ROIs. If "
            f"there should be more, {remedy}."
        )

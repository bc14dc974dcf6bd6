"""HDBSCAN (Campello, Moulavi and Sander 2013; McInnes, Healy and Astels 2017)."""

import math
import warnings

import numpy as np
import numpy.typing as npt
from sklearn.metrics import pairwise_distances

from darksound.cluster.clusterers.base import Clustering
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["hdbscan", "resolve_min_cluster_size", "resolve_min_samples"]

#: Metrics that need no parameter: those of the package's trees, and those that take a matrix of
#: all distances.
_BY_TREE = ("euclidean", "manhattan", "chebyshev", "canberra", "braycurtis")
_BY_MATRIX = ("cosine", "correlation")


def resolve_min_cluster_size(settings: ClusteringSettings, n: int) -> int:
    """The number set, or for `auto` a tenth of the root of the number of ROIs, rounded.

    At least 4, and at most half of the ROIs: 4 up to 2,000 ROIs, 9 for 8,000, 32 for 100,000. A
    group must grow with the recordings to be worth a person's time, but slower, since more
    recordings also hold more kinds.
    """
    if settings.min_cluster_size != "auto":
        return settings.min_cluster_size
    return max(2, min(n // 2, max(4, round(0.1 * math.sqrt(n)))))


def resolve_min_samples(settings: ClusteringSettings, n: int) -> int:
    """The number set, or for `auto` the decimal logarithm of the number of ROIs, rounded.

    From 2 to 5, and at most half of the ROIs: 2 up to 316 ROIs, 3 up to 3,162.
    """
    if settings.min_samples != "auto":
        return settings.min_samples
    return max(1, min(n // 2, 5, max(2, round(math.log10(max(1, n))))))


def hdbscan(x: npt.NDArray[np.float64], settings: ClusteringSettings) -> Clustering:
    """Clusters of `(n, k)`; the outlier score is GLOSH (Campello et al. 2015).

    Raises:
        SettingsError: `clustering.metric` is unknown.
    """
    # Imported here since it takes a second that other clusterers need not wait for.
    from hdbscan import HDBSCAN

    if settings.metric not in (*_BY_TREE, *_BY_MATRIX):
        raise SettingsError(
            f"clustering.metric is {settings.metric!r}; HDBSCAN has "
            f"{', '.join((*_BY_TREE, *_BY_MATRIX))}."
        )
    own = settings.metric in _BY_TREE
    space = np.ascontiguousarray(x, dtype=np.float64)
    model = HDBSCAN(
        min_cluster_size=resolve_min_cluster_size(settings, len(x)),
        min_samples=resolve_min_samples(settings, len(x)),
        cluster_selection_method=settings.selection,
        cluster_selection_epsilon=float(settings.epsilon),
        alpha=float(settings.alpha),
        metric=settings.metric if own else "precomputed",
        allow_single_cluster=settings.allow_single_cluster,
        max_cluster_size=settings.max_cluster_size,
        approx_min_span_tree=False,
        # One job, so that nothing depends on the number of cores.
        core_dist_n_jobs=1,
    )
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # Coinciding ROIs have infinite density, which its outlier scores divide by.
        warnings.filterwarnings("ignore", message="(divide by zero|invalid value) encountered")
        model.fit(space if own else pairwise_distances(space, metric=settings.metric))
        outlier_score = np.asarray(model.outlier_scores_, dtype=np.float64)
    return Clustering(
        labels=np.asarray(model.labels_, dtype=np.int64),
        probability=np.asarray(model.probabilities_, dtype=np.float64),
        outlier_score=np.nan_to_num(outlier_score, nan=0.0, posinf=1.0),
        persistence=np.asarray(model.cluster_persistence_, dtype=np.float64),
    )

"""HDBSCAN whose spanning tree is sought among nearest neighbours alone, on all cores."""

import warnings

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.clusterers.condensed import CondensedTree
from darksound.cluster.clusterers.hdbscan import resolve_min_cluster_size, resolve_min_samples
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["fast_hdbscan"]

# Neighbours of each ROI that its edges are sought among.
_NEIGHBOURS = 15
# Trees of neighbours are searched up to so many dimensions.
_MOST_DIMENSIONS = 30


def fast_hdbscan(x: npt.NDArray[np.float64], settings: ClusteringSettings) -> Clustering:
    """Clusters of `(n, k)` by Kruskal's spanning tree of a graph of 15 nearest neighbours.

    Where groups lie so far apart that no neighbour joins them they part at the lowest density.
    Outlier scores and persistence are those of HDBSCAN.

    Raises:
        SettingsError: it is not installed, the metric is not Euclidean, `alpha` is set, or there
            are more than 30 dimensions.
    """
    try:
        from fast_hdbscan import HDBSCAN
    except ImportError:
        raise SettingsError(
            "clustering.method is 'fast_hdbscan', which is not installed; install it with pip "
            "install 'darksound[fast-hdbscan]'."
        ) from None
    _check(x.shape[1], settings)
    n = len(x)
    samples = resolve_min_samples(settings, n)
    model = HDBSCAN(
        min_cluster_size=resolve_min_cluster_size(settings, n),
        min_samples=samples,
        cluster_selection_method=settings.selection,
        cluster_selection_epsilon=float(settings.epsilon),
        allow_single_cluster=settings.allow_single_cluster,
        max_cluster_size=settings.max_cluster_size or np.inf,
        algorithm="kruskal",
        knn_k=min(n - 1, max(_NEIGHBOURS, 3 * samples)),
    )
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        model.fit(np.ascontiguousarray(x, dtype=np.float64))
    labels = np.asarray(model.labels_, dtype=np.int64)
    rows = model._condensed_tree
    tree = CondensedTree(
        rows["parent"].astype(np.int64),
        rows["child"].astype(np.int64),
        rows["lambda_val"].astype(np.float64),
        rows["child_size"].astype(np.int64),
    )
    return Clustering(
        labels=labels,
        probability=np.nan_to_num(np.asarray(model.probabilities_, dtype=np.float64)),
        outlier_score=tree.outlier_scores(),
        persistence=tree.persistence(labels),
    )


def _check(dimensions: int, settings: ClusteringSettings) -> None:
    if settings.metric != "euclidean":
        raise SettingsError(
            f"clustering.metric is {settings.metric!r}; fast_hdbscan has euclidean alone, and "
            "clustering.method hdbscan has others."
        )
    if settings.alpha != 1:
        raise SettingsError(
            f"clustering.alpha is {settings.alpha:g}; fast_hdbscan has none, so leave it at 1 or "
            "take clustering.method hdbscan."
        )
    if dimensions > _MOST_DIMENSIONS:
        raise SettingsError(
            f"fast_hdbscan takes at most {_MOST_DIMENSIONS} dimensions, and there are "
            f"{dimensions}; lower reduction.n_components or reduction.repeats, or take "
            "clustering.method hdbscan."
        )

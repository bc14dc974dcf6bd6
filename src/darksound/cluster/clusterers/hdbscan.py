"""HDBSCAN (Campello, Moulavi and Sander 2013; McInnes, Healy and Astels 2017)."""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import pairwise_distances

from darksound.cluster.clusterers.base import Clustering, refuse_changed_settings
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["Hdbscan", "resolve_min_cluster_size", "resolve_min_samples"]

#: Metrics without parameters that HDBSCAN computes by a tree, or from all pairwise distances.
_TREE_METRICS = ("euclidean", "manhattan", "chebyshev", "canberra", "braycurtis")
_PAIRWISE_METRICS = ("cosine", "correlation")


def resolve_min_cluster_size(settings: ClusteringSettings, n: int) -> int:
    """Return `min_cluster_size`; for `auto`, 0.1 times the root of the number of ROIs, rounded.

    `auto` is at least 4, and at most half of the ROIs: 4 up to 2,000 ROIs, 9 for 8,000, 32 for
    100,000. Clusters of larger sets must be larger to be worth an expert's time, but they grow
    slower than the set, because larger sets also have more call types. It is divided by
    `granularity`, and at least 2.
    """
    if settings.min_cluster_size != "auto":
        return settings.min_cluster_size
    size = max(4, round(0.1 * math.sqrt(n)))
    return max(2, min(n // 2, round(size / settings.granularity_factor)))


def resolve_min_samples(settings: ClusteringSettings, n: int) -> int:
    """Return `min_samples`; for `auto`, the decimal logarithm of the number of ROIs, rounded.

    `auto` is 2 to 5, and at most half of the ROIs: 2 up to 316 ROIs, 3 up to 3,162.
    """
    if settings.min_samples != "auto":
        return settings.min_samples
    return max(1, min(n // 2, 5, max(2, round(math.log10(max(1, n))))))


class Hdbscan:
    """HDBSCAN of the package `hdbscan`; the outlier score is GLOSH (Campello et al. 2015).

    `fast_hdbscan` and EVoC inherit its defaults for the size of clusters.
    """

    needs_reduction = True
    noise_reason = (
        "A cluster is at least {size} ROIs that lie closer to each other than to the rest; a ROI "
        "with too few others around it is noise."
    )
    remedy = "lower clustering.min_cluster_size (now {size})"
    unsupported_settings: Sequence[str] = ("eps",)

    def min_cluster_size(self, settings: ClusteringSettings, n: int) -> int:
        """Return the smallest cluster of n ROIs."""
        return resolve_min_cluster_size(settings, n)

    def cluster(
        self, x: npt.NDArray[np.float64], settings: ClusteringSettings, seed: int
    ) -> Clustering:
        """Cluster vectors `(n, k)`; `seed` is not used.

        Raises:
            SettingsError: `clustering.metric` is unknown, or a setting that HDBSCAN does not have
                was changed.
        """
        refuse_changed_settings(settings, "hdbscan", self.unsupported_settings)
        # The import takes a second, which users of other clusterers do not need to wait for.
        from hdbscan import HDBSCAN

        if settings.metric not in (*_TREE_METRICS, *_PAIRWISE_METRICS):
            raise SettingsError(
                f"clustering.metric is {settings.metric!r}; HDBSCAN has "
                f"{', '.join((*_TREE_METRICS, *_PAIRWISE_METRICS))}."
            )
        by_tree = settings.metric in _TREE_METRICS
        points = np.ascontiguousarray(x, dtype=np.float64)
        model = HDBSCAN(
            min_cluster_size=resolve_min_cluster_size(settings, len(x)),
            min_samples=resolve_min_samples(settings, len(x)),
            cluster_selection_method=settings.cluster_selection_method,
            cluster_selection_epsilon=float(settings.cluster_selection_epsilon),
            alpha=float(settings.alpha),
            metric=settings.metric if by_tree else "precomputed",
            allow_single_cluster=settings.allow_single_cluster,
            max_cluster_size=settings.max_cluster_size,
            approx_min_span_tree=False,
            # One job, so that the result does not depend on the number of cores.
            core_dist_n_jobs=1,
        )
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            # Coinciding ROIs have infinite density, by which the outlier scores are divided.
            warnings.filterwarnings("ignore", message="(divide by zero|invalid value) encountered")
            model.fit(points if by_tree else pairwise_distances(points, metric=settings.metric))
            outlier_score = np.asarray(model.outlier_scores_, dtype=np.float64)
        return Clustering(
            labels=np.asarray(model.labels_, dtype=np.int64),
            probability=np.asarray(model.probabilities_, dtype=np.float64),
            outlier_score=np.nan_to_num(outlier_score, nan=0.0, posinf=1.0),
            persistence=np.asarray(model.cluster_persistence_, dtype=np.float64),
        )

"""DBSCAN (Ester et al. 1996) with a radius from the knee of neighbour distances."""

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.cluster import DBSCAN
from sklearn.neighbors import NearestNeighbors

from darksound.cluster.clusterers.base import (
    Clustering,
    mean_by_cluster,
    refuse_changed_settings,
)
from darksound.cluster.metrics import NOISE
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["Dbscan"]

Floats = npt.NDArray[np.float64]

# Distances that differ by less than this share are equal but for rounding.
_ROUNDING = 1e-9

_METRICS = ("euclidean", "manhattan", "chebyshev", "canberra", "braycurtis", "cosine")


class Dbscan:
    """DBSCAN of scikit-learn.

    `min_samples` of `auto` is 2 d - 1 for d dimensions (Sander et al. 1998,
    doi 10.1023/A:1009745219419). All members of a cluster have probability 1. The outlier score
    is 1 - eps / r, where r is the distance within which a ROI has `min_samples` neighbours; it is
    0 for core points, those with r up to eps. There is no persistence; it is 1.
    """

    needs_reduction = True
    noise_reason = (
        "A cluster is made of ROIs with at least clustering.min_samples ROIs within the distance "
        "clustering.eps, and of those within that distance of them; all others are noise."
    )
    remedy = "raise clustering.eps, or lower clustering.min_samples"
    unsupported_settings: Sequence[str] = (
        "min_cluster_size",
        "cluster_selection_method",
        "cluster_selection_epsilon",
        "alpha",
        "allow_single_cluster",
        "max_cluster_size",
        "granularity",
    )

    def min_cluster_size(self, settings: ClusteringSettings, n: int) -> None:
        """Return None: a cluster may share ROIs at its border with another one."""
        return None

    def cluster(self, x: Floats, settings: ClusteringSettings, seed: int) -> Clustering:
        """Cluster vectors `(n, d)`; `seed` is not used.

        Raises:
            SettingsError: `clustering.metric` is unknown, or a setting that DBSCAN does not have
                was changed.
        """
        refuse_changed_settings(settings, "dbscan", self.unsupported_settings)
        if settings.metric not in _METRICS:
            raise SettingsError(
                f"clustering.metric is {settings.metric!r}; DBSCAN has {', '.join(_METRICS)}."
            )
        n, d = x.shape
        min_samples = 2 * d - 1 if settings.min_samples == "auto" else settings.min_samples
        min_samples = min(n, min_samples)
        neighbours = NearestNeighbors(n_neighbors=max(2, min_samples), metric=settings.metric)
        # The first neighbour of a ROI is the ROI itself.
        distances, _ = neighbours.fit(x).kneighbors(x)
        radius = distances[:, min_samples - 1]
        eps = _resolve_eps(settings.eps, distances)
        model = DBSCAN(eps=eps, min_samples=min_samples, metric=settings.metric).fit(x)
        labels = np.asarray(model.labels_, dtype=np.int64)
        probability = (labels != NOISE).astype(np.float64)
        return Clustering(
            labels=labels,
            probability=probability,
            outlier_score=1 - eps / np.maximum(radius, eps),
            persistence=mean_by_cluster(probability, labels),
        )


def _resolve_eps(eps: float | str, distances: Floats) -> float:
    """Return `clustering.eps`, for a knee from the distances `(n, k)` to sorted neighbours."""
    if not isinstance(eps, str):
        return eps
    column = 1 if eps == "nearest_knee" else -1
    # DBSCAN of scikit-learn needs a radius above 0, also where most ROIs have copies.
    return max(_knee(np.sort(distances[:, column])), float(np.finfo(np.float64).tiny))


def _knee(curve: Floats) -> float:
    """Return the value of a rising, convex curve `(n,)` at its knee, its last value without one.

    The knee is that of Kneedle (Satopää et al. 2011, doi 10.1109/ICDCSW.2011.20) on a polynomial
    of degree 7, as in the published code.
    """
    from kneed import KneeLocator

    if curve[-1] - curve[0] <= _ROUNDING * curve[-1]:
        return float(curve[-1])
    with warnings.catch_warnings():
        # Few or equal distances determine no polynomial, and may have no knee.
        warnings.simplefilter("ignore")
        with np.errstate(divide="ignore", invalid="ignore"):
            knee = KneeLocator(
                np.arange(len(curve)),
                curve,
                interp_method="polynomial",
                curve="convex",
                direction="increasing",
            ).knee_y
    return float(curve[-1] if knee is None else knee)

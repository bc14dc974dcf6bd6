"""The contract of a clusterer and what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE, coverage
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["Clusterer", "Clustering", "changed", "in_order", "refuse_changed"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clustering:
    """Clusters of n ROIs, numbered from the largest (0) to the smallest (k - 1).

    Attributes:
        labels: `(n,)` cluster of each ROI, -1 for noise.
        probability: `(n,)` how much a ROI belongs to its cluster, 0 to 1; 0 for noise.
        outlier_score: `(n,)` 0 to 1, high for ROIs unlike their surroundings.
        persistence: `(k,)` how long each cluster lasts over densities, 0 to 1.
    """

    labels: Ints
    probability: Floats
    outlier_score: Floats
    persistence: Floats

    @property
    def n_clusters(self) -> int:
        """Number of clusters, noise being none."""
        return int(self.persistence.size)

    @property
    def coverage(self) -> float:
        """Share of ROIs that are in a cluster."""
        return coverage(self.labels)

    @property
    def mean_persistence(self) -> float:
        """Mean persistence of the clusters; NaN without any."""
        return float(self.persistence.mean()) if self.persistence.size else float("nan")

    @classmethod
    def all_noise(cls, n: int) -> "Clustering":
        """n ROIs and no cluster."""
        return cls(np.full(n, NOISE, dtype=np.int64), np.zeros(n), np.zeros(n), np.zeros(0))

    @classmethod
    def one_cluster(cls, n: int) -> "Clustering":
        """n ROIs that are all alike."""
        return cls(np.zeros(n, dtype=np.int64), np.ones(n), np.zeros(n), np.ones(1))


class Clusterer(Protocol):
    """A function of its input and the settings alone."""

    def __call__(self, x: Floats, settings: ClusteringSettings) -> Clustering:
        """Cluster reduced embeddings `(n, k)`, n at least 4.

        Raises:
            SettingsError: a setting is impossible for this clusterer.
        """


def changed(settings: ClusteringSettings, names: Sequence[str]) -> list[str]:
    """Which of these settings are not as they are by default."""
    plain = ClusteringSettings()
    return [name for name in names if getattr(settings, name) != getattr(plain, name)]


def refuse_changed(settings: ClusteringSettings, method: str, names: Sequence[str]) -> None:
    """See that settings that a clusterer lacks were left alone.

    Raises:
        SettingsError: one was changed.
    """
    if others := changed(settings, names):
        raise SettingsError(
            f"{method} has no clustering.{others[0]}; leave it as it is by default, or take "
            "clustering.method hdbscan."
        )


def in_order(found: Clustering) -> Clustering:
    """The same clusters numbered by size, equal sizes by the row that comes first."""
    k = found.n_clusters
    inside = found.labels != NOISE
    sizes = np.bincount(found.labels[inside], minlength=k)
    first = np.full(k, len(found.labels))
    np.minimum.at(first, found.labels[inside], np.flatnonzero(inside))
    order = np.lexsort((first, -sizes))
    number = np.empty(k, dtype=np.int64)
    number[order] = np.arange(k)
    labels = found.labels.copy()
    labels[inside] = number[found.labels[inside]]
    return Clustering(labels, found.probability, found.outlier_score, found.persistence[order])

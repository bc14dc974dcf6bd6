"""The contract of clusterers, and the clustering that they return."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE, coverage
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = [
    "ClusterSubset",
    "Clusterer",
    "Clustering",
    "SharesDistances",
    "changed_settings",
    "cluster_subsets",
    "mean_by_cluster",
    "number_by_size",
    "refuse_changed_settings",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clustering:
    """Clusters of n ROIs, numbered from the largest (0) to the smallest (k - 1).

    Attributes:
        labels: `(n,)` cluster of each ROI, -1 for noise.
        probability: `(n,)` membership probability in its cluster, 0 to 1; 0 for noise.
        outlier_score: `(n,)` 0 to 1, high for ROIs that are unlike their surroundings.
        persistence: `(k,)` stability of each cluster over densities or distances, 0 to 1.
        tree: `(n - 1, 4)` merges of the ROIs as in SciPy's `linkage`, of which the clusters are
            branches; `(0, 4)` if they do not come from such a tree.
    """

    labels: Ints
    probability: Floats
    outlier_score: Floats
    persistence: Floats
    tree: Floats = field(default_factory=lambda: np.zeros((0, 4)))

    @property
    def n_clusters(self) -> int:
        """Return the number of clusters, without noise."""
        return int(self.persistence.size)

    @property
    def coverage(self) -> float:
        """Return the share of ROIs that are in a cluster."""
        return coverage(self.labels)

    @property
    def mean_persistence(self) -> float:
        """Return the mean persistence of the clusters, NaN without clusters."""
        return float(self.persistence.mean()) if self.persistence.size else float("nan")

    @classmethod
    def all_noise(cls, n: int) -> "Clustering":
        """Return n ROIs without any cluster."""
        return cls(np.full(n, NOISE, dtype=np.int64), np.zeros(n), np.zeros(n), np.zeros(0))

    @classmethod
    def one_cluster(cls, n: int) -> "Clustering":
        """Return n identical ROIs in one cluster."""
        return cls(np.zeros(n, dtype=np.int64), np.ones(n), np.zeros(n), np.ones(1))


class Clusterer(Protocol):
    """A clustering method; its result depends on its input, the settings and the seed only.

    Attributes:
        needs_reduction: whether `reduction.method = "auto"` reduces embeddings before it.
        noise_reason: why ROIs are noise, one sentence for the report; `{size}` stands for the
            smallest cluster.
        remedy: what to change if there are too few clusters, with `{size}` as above.
        unsupported_settings: keys of `ClusteringSettings` that this clusterer does not have.
    """

    needs_reduction: bool
    noise_reason: str
    remedy: str
    unsupported_settings: Sequence[str]

    def min_cluster_size(self, settings: ClusteringSettings, n: int) -> int | None:
        """Return the size of the smallest possible cluster of n ROIs, None if there is no limit."""

    def cluster(self, x: Floats, settings: ClusteringSettings, seed: int) -> Clustering:
        """Cluster vectors `(n, k)`, n at least 4, in any numbering of the clusters.

        Raises:
            SettingsError: a setting is not possible for this clusterer, or it is not installed.
        """


#: Returns the clusters `(m,)` of a subset of vectors, given its rows `(m,)`; -1 is noise.
ClusterSubset = Callable[[Ints], Ints]


@runtime_checkable
class SharesDistances(Protocol):
    """A clusterer that clusters subsets of a set by distances that are computed once."""

    def of_subsets(
        self, x: Floats, settings: ClusteringSettings, seed: int, n_clusters: int
    ) -> ClusterSubset:
        """Return a function that clusters subsets of vectors `(n, k)` with that many clusters."""


def cluster_subsets(
    clusterer: Clusterer, x: Floats, settings: ClusteringSettings, seed: int, n_clusters: int
) -> ClusterSubset:
    """Return a function that clusters subsets of vectors `(n, k)`, in any numbering.

    Args:
        clusterer: the method.
        x: vectors.
        settings: of the method.
        seed: of the method.
        n_clusters: number of clusters of the whole set.
    """
    if isinstance(clusterer, SharesDistances):
        return clusterer.of_subsets(x, settings, seed, n_clusters)
    return lambda rows: clusterer.cluster(x[rows], settings, seed).labels


def changed_settings(settings: ClusteringSettings, names: Sequence[str]) -> list[str]:
    """Return those of the keys `names` whose values differ from the defaults."""
    defaults = ClusteringSettings()
    return [name for name in names if getattr(settings, name) != getattr(defaults, name)]


def refuse_changed_settings(
    settings: ClusteringSettings, method: str, names: Sequence[str]
) -> None:
    """Verify that settings that a clusterer does not have keep their defaults.

    Raises:
        SettingsError: one was changed.
    """
    if changed := changed_settings(settings, names):
        raise SettingsError(
            f"{method} has no clustering.{changed[0]}; remove this setting, or choose another "
            "clustering.method."
        )


def mean_by_cluster(values: Floats, labels: Ints) -> Floats:
    """Return the mean `(k,)` of the values `(n,)` of each cluster; labels `(n,)` have no gaps."""
    inside = labels != NOISE
    means: Floats = np.bincount(labels[inside], values[inside]) / np.bincount(labels[inside])
    return means


def number_by_size(clustering: Clustering) -> Clustering:
    """Return the same clusters numbered by size, equal sizes by their first row."""
    k = clustering.n_clusters
    inside = clustering.labels != NOISE
    sizes = np.bincount(clustering.labels[inside], minlength=k)
    first_row = np.full(k, len(clustering.labels))
    np.minimum.at(first_row, clustering.labels[inside], np.flatnonzero(inside))
    order = np.lexsort((first_row, -sizes))
    new_number = np.empty(k, dtype=np.int64)
    new_number[order] = np.arange(k)
    labels = clustering.labels.copy()
    labels[inside] = new_number[clustering.labels[inside]]
    return replace(clustering, labels=labels, persistence=clustering.persistence[order])

"""HDBSCAN whose spanning tree has edges between nearest neighbours only, on all cores."""

import heapq
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clustering, refuse_changed_settings
from darksound.cluster.clusterers.hdbscan import (
    Hdbscan,
    resolve_min_cluster_size,
    resolve_min_samples,
)
from darksound.cluster.metrics import NOISE
from darksound.errors import SettingsError
from darksound.parallel.threads import numba_threads, usable_threads
from darksound.settings import ClusteringSettings

__all__ = ["CondensedTree", "FastHdbscan"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CondensedTree:
    """The condensed tree of HDBSCAN: which child leaves which parent as density rises.

    ROIs are numbered from 0. Branches are numbered from the number of ROIs on, the root first,
    and a branch after its parent (Campello et al. 2013).

    Attributes:
        parent: `(m,)` the branch that is left.
        child: `(m,)` the ROI or branch that leaves it.
        density: `(m,)` at which it leaves, 1 / distance; infinite for ROIs that coincide.
        size: `(m,)` number of ROIs of the child.
    """

    parent: Ints
    child: Ints
    density: Floats
    size: Ints

    @property
    def _root(self) -> int:
        return int(self.parent.min())

    @property
    def _n_branches(self) -> int:
        return int(max(self.child.max(), self.parent.max())) - self._root + 1

    def outlier_scores(self) -> Floats:
        """Return the GLOSH outlier score of each ROI `(n,)`, 0 to 1.

        It is the difference between the highest density of the ROI's branch and the density at
        which the ROI leaves it, divided by the former (Campello et al. 2015, eq. 8).
        """
        highest = np.zeros(self._n_branches)
        np.maximum.at(highest, self.parent - self._root, self.density)
        branch_rows = self._branch_rows()
        for row in branch_rows[np.argsort(-self.child[branch_rows], kind="stable")]:
            above = self.parent[row] - self._root
            highest[above] = max(highest[above], highest[self.child[row] - self._root])
        scores = np.zeros(self._root)
        roi_rows = np.flatnonzero(self.child < self._root)
        peak = highest[self.parent[roi_rows] - self._root]
        density = self.density[roi_rows]
        is_below = (peak > 0) & np.isfinite(density)
        with np.errstate(invalid="ignore"):
            share = np.where(np.isfinite(peak), (peak - density) / np.where(peak > 0, peak, 1), 1.0)
        scores[self.child[roi_rows]] = np.where(is_below, share, 0.0)
        return scores

    def persistence(self, labels: Ints) -> Floats:
        """Return the persistence `(k,)`, 0 to 1, of the clusters of labels `(n,)`, from 0.

        It is the excess of mass of a cluster's branch per ROI, as a share of the highest density.
        """
        n_clusters = int(labels.max(initial=NOISE)) + 1
        highest = self.density.max(initial=0.0)
        if not n_clusters or not np.isfinite(highest) or highest == 0:
            return np.ones(n_clusters)
        birth = np.zeros(self._n_branches)
        branch_rows = self._branch_rows()
        birth[self.child[branch_rows] - self._root] = self.density[branch_rows]
        mass = np.bincount(
            self.parent - self._root,
            (self.density - birth[self.parent - self._root]) * self.size,
            minlength=self._n_branches,
        )
        sizes = np.bincount(labels[labels != NOISE], minlength=n_clusters)
        branches = self._branches_of(labels) - self._root
        persistence: Floats = mass[branches] / (sizes * highest)
        return persistence

    def _branch_rows(self) -> Ints:
        """Return the rows whose child is a branch."""
        return np.flatnonzero(self.child >= self._root)

    def _branches_of(self, labels: Ints) -> Ints:
        """Return the smallest branch `(k,)` that contains all ROIs of each cluster."""
        branch_rows = self._branch_rows()
        parent_of = dict(
            zip(self.child[branch_rows].tolist(), self.parent[branch_rows].tolist(), strict=True)
        )
        roi_rows = np.flatnonzero(self.child < self._root)
        cluster_of = labels[self.child[roi_rows]]
        inside = cluster_of != NOISE
        pairs = np.stack([cluster_of[inside], self.parent[roi_rows][inside]], axis=1)
        pairs = np.unique(pairs, axis=0)
        starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=NOISE))
        branches = np.split(pairs[:, 1], starts[1:])
        ancestors = [_common_ancestor(part.tolist(), parent_of) for part in branches]
        return np.array(ancestors, dtype=np.int64)


def _common_ancestor(branches: Sequence[int], parent_of: Mapping[int, int]) -> int:
    """Return the lowest common ancestor of branches."""
    # The highest number is no ancestor of the others, so it is replaced by its parent.
    negated = [-branch for branch in branches]
    heapq.heapify(negated)
    while len(negated) > 1:
        branch = -heapq.heappop(negated)
        if -negated[0] != branch:
            heapq.heappush(negated, -parent_of[branch])
    return -negated[0]


# Number of neighbours of each ROI among which edges are sought.
_NEIGHBOURS = 15
# The tree for the search of neighbours is built for at most so many dimensions.
_MAX_DIMENSIONS = 30


class FastHdbscan(Hdbscan):
    """HDBSCAN by Kruskal's spanning tree of a graph of 15 nearest neighbours (`fast_hdbscan`).

    Groups that no edge of the graph connects part at density 0. Outlier scores and persistence
    are those of HDBSCAN.
    """

    unsupported_settings = ("metric", "alpha", "eps")

    def cluster(self, x: Floats, settings: ClusteringSettings, seed: int) -> Clustering:
        """Cluster vectors `(n, k)`; `seed` is not used.

        Raises:
            SettingsError: the package is not installed, the metric is not Euclidean, `alpha` or
                `eps` is set, or there are more than 30 dimensions.
        """
        # Verified first, since the first import compiles for a minute.
        _check(x.shape[1], settings)
        refuse_changed_settings(settings, "fast_hdbscan", ("eps",))
        try:
            from fast_hdbscan import HDBSCAN
        except ImportError:
            raise SettingsError(
                "clustering.method is 'fast_hdbscan', which is not installed; install it with pip "
                "install 'darksound[fast-hdbscan]'."
            ) from None
        n = len(x)
        min_samples = resolve_min_samples(settings, n)
        model = HDBSCAN(
            min_cluster_size=resolve_min_cluster_size(settings, n),
            min_samples=min_samples,
            cluster_selection_method=settings.cluster_selection_method,
            cluster_selection_epsilon=float(settings.cluster_selection_epsilon),
            allow_single_cluster=settings.allow_single_cluster,
            max_cluster_size=settings.max_cluster_size or np.inf,
            algorithm="kruskal",
            knn_k=min(n - 1, max(_NEIGHBOURS, 3 * min_samples)),
        )
        with (
            warnings.catch_warnings(),
            np.errstate(divide="ignore", invalid="ignore"),
            numba_threads(usable_threads()),
        ):
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


def _check(n_dimensions: int, settings: ClusteringSettings) -> None:
    if settings.metric != "euclidean":
        raise SettingsError(
            f"clustering.metric is {settings.metric!r}; fast_hdbscan has euclidean only. Set "
            "clustering.method to hdbscan for other metrics."
        )
    if settings.alpha != 1:
        raise SettingsError(
            f"clustering.alpha is {settings.alpha:g}; fast_hdbscan does not have it. Leave it at 1 "
            "or set clustering.method to hdbscan."
        )
    if n_dimensions > _MAX_DIMENSIONS:
        raise SettingsError(
            f"fast_hdbscan takes at most {_MAX_DIMENSIONS} dimensions, and there are "
            f"{n_dimensions}; lower reduction.n_components or reduction.repeats, or set "
            "clustering.method to hdbscan."
        )

"""HDBSCAN whose spanning tree is sought among nearest neighbours alone, on all cores."""

import heapq
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.clusterers.hdbscan import resolve_min_cluster_size, resolve_min_samples
from darksound.cluster.metrics import NOISE
from darksound.errors import SettingsError
from darksound.settings import ClusteringSettings

__all__ = ["CondensedTree", "fast_hdbscan"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CondensedTree:
    """Which ROIs and branches leave which branch as density rises (Campello et al. 2013).

    ROIs are numbered from 0, branches from the number of ROIs on, the root first, and a branch
    after the one that it leaves.

    Attributes:
        parent: `(m,)` the branch that is left.
        child: `(m,)` the ROI or branch that leaves it.
        density: `(m,)` at which it does, one over a distance; infinite for ROIs that coincide.
        size: `(m,)` ROIs of the child.
    """

    parent: Ints
    child: Ints
    density: Floats
    size: Ints

    @property
    def _root(self) -> int:
        return int(self.parent.min())

    def outlier_scores(self) -> Floats:
        """GLOSH (Campello et al. 2015, eq. 8) of each ROI `(n,)`, 0 to 1.

        How far below the highest density of its branch a ROI leaves it.
        """
        highest = np.zeros(self._branches)
        np.maximum.at(highest, self.parent - self._root, self.density)
        inner = self._inner()
        for row in inner[np.argsort(-self.child[inner], kind="stable")]:
            above = self.parent[row] - self._root
            highest[above] = max(highest[above], highest[self.child[row] - self._root])
        scores = np.zeros(self._root)
        rows = np.flatnonzero(self.child < self._root)
        peak, own = highest[self.parent[rows] - self._root], self.density[rows]
        rises = (peak > 0) & np.isfinite(own)
        with np.errstate(invalid="ignore"):
            share = np.where(np.isfinite(peak), (peak - own) / np.where(peak > 0, peak, 1), 1.0)
        scores[self.child[rows]] = np.where(rises, share, 0.0)
        return scores

    def persistence(self, labels: Ints) -> Floats:
        """How long each cluster lasts over densities, 0 to 1, `(k,)` for labels `(n,)` from 0.

        The excess of mass of a cluster's branch, for each of its ROIs, as a share of the highest
        density of all.
        """
        clusters = int(labels.max(initial=NOISE)) + 1
        highest = self.density.max(initial=0.0)
        if not clusters or not np.isfinite(highest) or highest == 0:
            return np.ones(clusters)
        born = np.zeros(self._branches)
        inner = self._inner()
        born[self.child[inner] - self._root] = self.density[inner]
        mass = np.bincount(
            self.parent - self._root,
            (self.density - born[self.parent - self._root]) * self.size,
            minlength=self._branches,
        )
        sizes = np.bincount(labels[labels != NOISE], minlength=clusters)
        found: Floats = mass[self._branches_of(labels) - self._root] / (sizes * highest)
        return found

    @property
    def _branches(self) -> int:
        return int(max(self.child.max(), self.parent.max())) - self._root + 1

    def _inner(self) -> Ints:
        """Rows of branches that leave branches."""
        return np.flatnonzero(self.child >= self._root)

    def _branches_of(self, labels: Ints) -> Ints:
        """The smallest branch that holds all of each cluster, `(k,)`."""
        inner = self._inner()
        above = dict(zip(self.child[inner].tolist(), self.parent[inner].tolist(), strict=True))
        rows = np.flatnonzero(self.child < self._root)
        cluster_of = labels[self.child[rows]]
        inside = cluster_of != NOISE
        left = np.stack([cluster_of[inside], self.parent[rows][inside]], axis=1)
        pairs = np.unique(left, axis=0)
        starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=NOISE))
        branches = np.split(pairs[:, 1], starts[1:])
        return np.array([_meeting(own.tolist(), above) for own in branches], dtype=np.int64)


def _meeting(branches: Sequence[int], above: Mapping[int, int]) -> int:
    """The branch where all of these come together."""
    # The one that came last is no ancestor of the others.
    last = [-branch for branch in branches]
    heapq.heapify(last)
    while len(last) > 1:
        branch = -heapq.heappop(last)
        if -last[0] != branch:
            heapq.heappush(last, -above[branch])
    return -last[0]


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

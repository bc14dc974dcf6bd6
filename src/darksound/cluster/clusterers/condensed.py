"""What a condensed tree of HDBSCAN tells of ROIs and clusters beside the labels."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE

__all__ = ["CondensedTree"]

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

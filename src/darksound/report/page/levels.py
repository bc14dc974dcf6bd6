"""Coarser and finer levels of the clusters, for the slider and the tree of the page."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from darksound.cluster.levels import cluster_merges
from darksound.cluster.metrics import NOISE
from darksound.cluster.normalise import normalise
from darksound.cluster.subtrees import find_subtree
from darksound.report.page.media import column
from darksound.report.result import MecResult

__all__ = ["PageLevels", "page_levels"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Parts of a cluster at the finest level; smaller clusters than this have fewer.
_MAX_PARTS = 8
_MIN_PART = 3
# ROIs of a cluster whose mean stands for a part.
_MAX_AVERAGED = 2000


@dataclass(frozen=True)
class PageLevels:
    """A tree of p leaves, which are the clusters or parts of them.

    Attributes:
        leaf: `(n,)` leaf of each ROI, -1 for noise.
        cluster: `(p,)` cluster of each leaf, by number.
        merges: `(p - 1, 3)` two nodes and a height, lowest first; nodes are leaves, then merges.
            After the first p - k merges the nodes are the k clusters.
    """

    leaf: Ints
    cluster: Ints
    merges: Floats

    def as_data(self) -> dict[str, Any]:
        """Return cluster of each leaf and merges, as the script of the page reads them."""
        return {
            "cluster": self.cluster.tolist(),
            "first": column(self.merges[:, 0], "i4"),
            "second": column(self.merges[:, 1], "i4"),
            "height": column(self.merges[:, 2], "f4"),
        }


def page_levels(result: MecResult) -> PageLevels:
    """Return the tree above and below the clusters of a result.

    Each cluster has up to eight parts, those of `find_subtree`. They are joined in reverse order,
    at the distance of their means; then clusters are joined as in the tree of the run.
    """
    labels = result.clusters["cluster"].to_numpy(np.int64)
    embeddings = np.asarray(result.embeddings)
    method = result.settings.reduction.normalise
    numbers = np.unique(labels[labels != NOISE])
    ranks = np.where(labels == NOISE, NOISE, np.searchsorted(numbers, labels))
    leaf = np.full(len(labels), NOISE)
    cluster: list[int] = []
    # Height and the two leaves of each join inside of a cluster.
    joins: list[tuple[float, int, int]] = []
    for number in numbers:
        members = np.flatnonzero(labels == number)
        most = min(_MAX_PARTS, len(members) // _MIN_PART)
        subtree = find_subtree(embeddings, members, most, tree=result.tree, method=method)
        first = len(cluster)
        leaf[members] = first + subtree.part
        cluster += [number] * subtree.n_parts
        joins += _joins(embeddings, members, subtree.part, subtree.parents, first, method)
    above = cluster_merges(result.tree, ranks, embeddings, method)
    return PageLevels(leaf, np.array(cluster, dtype=np.int64), _all_merges(joins, above, cluster))


def _joins(
    embeddings: npt.NDArray[np.floating],
    members: Ints,
    part: Ints,
    parents: Ints,
    first: int,
    method: str,
) -> list[tuple[float, int, int]]:
    """Return height and leaves of the joins of the parts of a cluster, in their order."""
    means = []
    for number in range(len(parents)):
        rows = members[part == number][:_MAX_AVERAGED]
        means.append(normalise(np.asarray(embeddings[rows], np.float32), method).mean(axis=0))
    joins, highest = [], 0.0
    for number in range(len(parents) - 1, 0, -1):
        parent = int(parents[number])
        highest = max(highest, float(np.linalg.norm(means[number] - means[parent])))
        joins.append((highest, first + parent, first + number))
    return joins


def _all_merges(joins: list[tuple[float, int, int]], above: Floats, cluster: list[int]) -> Floats:
    """Return the joins inside of clusters, lowest first, and then the merges of clusters."""
    leaves = len(cluster)
    node_of = list(range(leaves))
    merges: list[tuple[float, float, float]] = []
    # The sort is stable, and the heights within a cluster do not fall, so parts stay in order.
    for height, parent, child in sorted(joins, key=lambda join: join[0]):
        merges.append((node_of[parent], node_of[child], height))
        node_of[parent] = leaves + len(merges) - 1
    _, first = np.unique(cluster, return_index=True)
    nodes = [node_of[int(leaf)] for leaf in first]
    for a, b, height in above:
        merges.append((nodes[int(a)], nodes[int(b)], height))
        nodes.append(leaves + len(merges) - 1)
    return np.array(merges, dtype=np.float64).reshape(-1, 3)

"""Parts of a cluster: its branch of the tree, cut at the highest merges."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import linkage

from darksound.cluster.normalise import normalise

__all__ = ["Subtree", "find_subtree"]

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

# Members, at equal steps, that are linked where there is no tree of all ROIs.
_MAX_LINKED = 500
# A branch with less than this share of the members is no part of its own, but strays of one.
_MIN_SHARE = 0.05


@dataclass(frozen=True)
class Subtree:
    """Nested cuts of a cluster of m ROIs into 1, 2, ... p parts.

    Attributes:
        part: `(m,)` part of each member in the finest cut, 0 to p - 1.
        parents: `(p,)` part from which each part is split off, the larger of the two; -1 for
            part 0. Part j is there in the cuts into more than j parts.
    """

    part: Ints
    parents: Ints

    @property
    def n_parts(self) -> int:
        """Return the number of parts of the finest cut."""
        return len(self.parents)

    def cut(self, n_parts: int) -> Ints:
        """Return the part `(m,)` of each member in the cut into `n_parts` parts.

        If there are fewer parts, it is the finest cut.
        """
        part_of = np.arange(self.n_parts)
        for part in range(self.n_parts - 1, max(0, n_parts - 1), -1):
            part_of[part_of == part] = self.parents[part]
        return part_of[self.part]


def find_subtree(
    embeddings: npt.NDArray[np.floating],
    members: Ints,
    max_parts: int,
    *,
    tree: Floats | None = None,
    method: str = "l2",
) -> Subtree:
    """Return the nested parts of a cluster.

    The cluster is cut at the highest merge of its branch of the tree, then the part with the next
    highest one, and so on. Branches with less than 5 % of the members, or of one ROI, are no parts;
    their ROIs belong to the part with the nearest mean. Only a cluster without other branches is
    cut into smaller ones.

    Args:
        embeddings: `(n, dim)` of all ROIs.
        members: `(m,)` rows of the cluster.
        max_parts: largest number of parts.
        tree: merges of the run, see `Levels`. A tree of clusters says nothing of the ROIs of one,
            so they are merged by average linkage of their normalised embeddings: up to 500 of
            them, and the others belong to the part with the nearest mean.
        method: normalisation, a key of `NORMALISERS`.
    """
    m = len(members)
    if m < 2 or max_parts < 2:
        return Subtree(np.zeros(m, dtype=np.int64), np.full(1, -1))
    x = normalise(np.asarray(embeddings[members], dtype=np.float32), method)
    if tree is not None and len(tree) == len(embeddings) - 1:
        linked, branch = np.arange(m), _branch(tree, members)
    else:
        linked = np.linspace(0, m - 1, min(m, _MAX_LINKED)).astype(np.int64)
        branch = linkage(x[linked], "average")[:, :3]
    part, parents = _cut(branch, len(linked), max_parts)
    all_parts = np.full(m, -1)
    all_parts[linked] = part
    _join_strays(x, all_parts, len(parents))
    return Subtree(all_parts, parents)


def _branch(tree: Floats, members: Ints) -> Floats:
    """Return the merges `(m - 1, 3)` of the members in a tree of ROIs; other ROIs are left out."""
    n = len(tree) + 1
    # What each node of the tree is in the tree of the members; -1 without any below.
    node_of = np.full(n + len(tree), -1)
    node_of[members] = np.arange(len(members))
    merges: list[tuple[float, float, float]] = []
    for number, (a, b) in enumerate(tree[:, :2].astype(np.int64), start=n):
        left, right = node_of[a], node_of[b]
        if left < 0 or right < 0:
            node_of[number] = max(left, right)
            continue
        node_of[number] = len(members) + len(merges)
        merges.append((left, right, tree[number - n, 2]))
    return np.array(merges, dtype=np.float64).reshape(-1, 3)


def _cut(merges: Floats, m: int, max_parts: int) -> tuple[Ints, Ints]:
    """Return the part `(m,)` of each leaf, -1 for strays, and the parents `(p,)` of the parts."""
    children = merges[:, :2].astype(np.int64)
    sizes = np.ones(m + len(merges), dtype=np.int64)
    for number, (a, b) in enumerate(children, start=m):
        sizes[number] = sizes[a] + sizes[b]
    smallest = max(2, int(np.ceil(_MIN_SHARE * m)))
    root = m + len(merges) - 1
    while smallest > 1 and _division(root, children, sizes, m, smallest) is None:
        smallest //= 2
    nodes, parents = [root], [-1]
    while len(nodes) < max_parts:
        divisions = [_division(node, children, sizes, m, smallest) for node in nodes]
        heights = [-1.0 if d is None else float(merges[d - m, 2]) for d in divisions]
        parent = int(np.argmax(heights))
        division = divisions[parent]
        if division is None:
            break
        small, large = sorted(children[division - m].tolist(), key=lambda node: sizes[node])
        nodes[parent] = large
        nodes.append(small)
        parents.append(parent)
    part = np.full(sizes.size, -1)
    part[nodes] = np.arange(len(nodes))
    for node in range(root, m - 1, -1):
        if part[node] >= 0:
            part[children[node - m]] = part[node]
    return part[:m], np.array(parents)


def _division(node: int, children: Ints, sizes: Ints, m: int, smallest: int) -> int | None:
    """Return the highest node below `node` both of whose branches have `smallest` leaves."""
    while node >= m:
        small, large = sorted(children[node - m].tolist(), key=lambda child: sizes[child])
        if sizes[small] >= smallest:
            return node
        node = large
    return None


def _join_strays(x: Vectors, part: Ints, n_parts: int) -> None:
    """Give ROIs without a part the one with the nearest mean."""
    strays = np.flatnonzero(part < 0)
    if strays.size:
        means = np.stack([x[part == number].mean(axis=0) for number in range(n_parts)])
        squares = (means**2).sum(axis=1) - 2 * x[strays] @ means.T
        part[strays] = squares.argmin(axis=1)

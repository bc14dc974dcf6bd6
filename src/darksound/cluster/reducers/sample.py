"""Reduction of more ROIs than a reducer takes in good time: fitted on some, the rest placed.

As in landmark methods (de Silva and Tenenbaum 2004): a sample is reduced, and every other ROI is
put where its nearest neighbours of the sample are.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from darksound.cluster.reducers.base import Vectors, leading_axes, turned_onto

__all__ = ["AXES", "by_sample", "stratified_sample"]

Rows = npt.NDArray[np.int64]

#: Dimensions that neighbours are sought in.
AXES = 50
# Cells of space, each around a ROI drawn at random: more of them where there are more ROIs.
_CELLS = 512
# Cells around a ROI's own that its neighbours are sought in, and how many neighbours.
_SEARCHED, _NEIGHBOURS = 16, 5
# Rows that are handled at once.
_BLOCK = 4096


def by_sample(x: Vectors, size: int, seed: int, fit: Callable[[Vectors], Vectors]) -> Vectors:
    """Coordinates `(n, k)` of vectors `(n, d)` by a reducer that sees `size` of them.

    Vectors are first turned onto their leading axes. A ROI that was not drawn gets the mean
    coordinates of its nearest neighbours in the sample, the nearer the heavier
    (weights exp(-(d - d_1) / (mean d - d_1)), as UMAP's own, McInnes et al. 2018, sec. 3.1).

    Args:
        x: vectors, n above `size`.
        size: of the sample.
        seed: of the sample.
        fit: reduces vectors `(size, 50)`, or as many dimensions as there are.
    """
    flat = turned_onto(x, leading_axes(x, AXES))
    anchors = _anchors(flat, seed)
    cells = _cells(flat, anchors)
    sample = stratified_sample(cells, size, seed)
    coordinates = fit(flat[sample])
    out = np.empty((len(x), coordinates.shape[1]), dtype=np.float32)
    out[sample] = coordinates
    rest = np.setdiff1d(np.arange(len(x)), sample, assume_unique=True)
    out[rest] = _placed(flat, cells, anchors, sample, rest, coordinates)
    return out


def stratified_sample(cells: Rows, size: int, seed: int) -> Rows:
    """Rows of a sample, sorted: of each cell its share, and at least one.

    Args:
        cells: cell of each row, `(n,)`, from 0.
        size: wanted, below n; a few more where there are many cells of few rows.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(cells)
    wanted = counts * (size / len(cells))
    share = np.floor(wanted).astype(np.int64)
    left_over = np.argsort(share - wanted, kind="stable")[: size - share.sum()]
    share[left_over] += 1
    share = np.where(counts > 0, np.maximum(share, 1), 0)
    shuffled = rng.permutation(len(cells))
    by_cell = shuffled[np.argsort(cells[shuffled], kind="stable")]
    starts = np.cumsum(counts) - counts
    drawn = [by_cell[s : s + k] for s, k in zip(starts, share, strict=True)]
    return np.sort(np.concatenate(drawn))


def _anchors(flat: Vectors, seed: int) -> Vectors:
    rng = np.random.default_rng(seed)
    return flat[rng.choice(len(flat), min(_CELLS, len(flat)), replace=False)]


def _cells(flat: Vectors, anchors: Vectors) -> Rows:
    there = torch.from_numpy(anchors)
    blocks = (torch.from_numpy(flat[s : s + _BLOCK]) for s in range(0, len(flat), _BLOCK))
    nearest = [_squared_distances(block, there).argmin(1) for block in blocks]
    return torch.cat(nearest).numpy()


def _squared_distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a.square().sum(1, keepdim=True) - 2 * a @ b.T + b.square().sum(1)


def _placed(
    flat: Vectors, cells: Rows, anchors: Vectors, sample: Rows, rest: Rows, coordinates: Vectors
) -> Vectors:
    """Coordinates of `rest`, sought cell by cell."""
    out = np.empty((len(rest), coordinates.shape[1]), dtype=np.float32)
    there = torch.from_numpy(anchors)
    around = _squared_distances(there, there).topk(min(_SEARCHED, len(anchors)), largest=False)
    sampled_in = [np.flatnonzero(cells[sample] == cell) for cell in range(len(anchors))]
    order = np.argsort(cells[rest], kind="stable")
    bounds = np.searchsorted(cells[rest][order], np.arange(len(anchors) + 1))
    for cell, near in enumerate(around.indices.tolist()):
        candidates = np.concatenate([sampled_in[other] for other in near])
        for start in range(bounds[cell], bounds[cell + 1], _BLOCK):
            asked = order[start : min(start + _BLOCK, bounds[cell + 1])]
            out[asked] = _among(
                flat[rest[asked]], flat[sample[candidates]], coordinates[candidates]
            )
    return out


def _among(x: Vectors, sampled: Vectors, coordinates: Vectors) -> Vectors:
    squared = _squared_distances(torch.from_numpy(x), torch.from_numpy(sampled))
    near = squared.topk(min(_NEIGHBOURS, len(sampled)), largest=False)
    distance = near.values.clamp_min(0).sqrt()
    beyond = distance - distance[:, :1]
    weight = torch.exp(-beyond / beyond.mean(1, keepdim=True).clamp_min(1e-12))
    weight = weight / weight.sum(1, keepdim=True)
    found = torch.from_numpy(coordinates)[near.indices]
    placed: Vectors = (weight[:, :, None] * found).sum(1).numpy()
    return placed

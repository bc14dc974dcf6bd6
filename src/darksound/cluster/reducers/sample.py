"""Reduction of large sets: a reducer is fitted on a sample, the other ROIs are interpolated.

As in landmark methods (de Silva and Tenenbaum 2004), a ROI outside the sample gets the weighted
mean coordinates of its nearest neighbours in the sample.
"""

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from darksound.cluster.reducers.base import Vectors, principal_axes, project
from darksound.parallel.threads import map_in_order, single_threaded, usable_threads

__all__ = ["N_AXES", "reduce_by_sample", "sample_rows", "stratified_sample"]

Rows = npt.NDArray[np.int64]

#: Number of principal axes in which neighbours are sought.
N_AXES = 50
# Number of Voronoi cells, around random ROIs, by which the sample is stratified.
_CELLS = 512
# Nearest cells in which the neighbours of a ROI are sought, and the number of neighbours.
_SEARCHED_CELLS, _NEIGHBOURS = 16, 5
# Rows per block.
_BLOCK = 4096


@single_threaded()
def reduce_by_sample(
    x: Vectors, size: int, seed: int, fit: Callable[[Vectors], Vectors]
) -> Vectors:
    """Return coordinates `(n, k)` of vectors `(n, d)` by a reducer that is fitted on `size` rows.

    Vectors are first projected on 50 principal axes. The neighbours of a ROI outside the sample
    have the weights exp(-(d - d_1) / (mean d - d_1)), as in UMAP (McInnes et al. 2018, sec. 3.1),
    where d are their distances and d_1 is the smallest.

    Args:
        x: vectors, n above `size`.
        size: of the sample.
        seed: of the sample.
        fit: reduces vectors `(size, 50)`, or all d dimensions if there are fewer.
    """
    projected = project(x, principal_axes(x, N_AXES))
    anchors = _anchors(projected, seed)
    cells = _cells(projected, anchors)
    sample = stratified_sample(cells, size, seed)
    coordinates = fit(projected[sample])
    reduced = np.empty((len(x), coordinates.shape[1]), dtype=np.float32)
    reduced[sample] = coordinates
    is_sampled = np.zeros(len(x), dtype=bool)
    is_sampled[sample] = True
    index = _SampleIndex(anchors, cells[sample], projected[sample], coordinates)
    reduced[~is_sampled] = index.interpolate(projected[~is_sampled], cells[~is_sampled])
    return reduced


def stratified_sample(cells: Rows, size: int, seed: int) -> Rows:
    """Return the sorted rows of a sample with a proportional share of each cell, at least one row.

    Args:
        cells: cell of each row, `(n,)`, from 0.
        size: of the sample, below n; the sample is a little larger if many cells have few rows.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(cells)
    exact_share = counts * (size / len(cells))
    share = np.floor(exact_share).astype(np.int64)
    largest_remainders = np.argsort(share - exact_share, kind="stable")[: size - share.sum()]
    share[largest_remainders] += 1
    share = np.where(counts > 0, np.maximum(share, 1), 0)
    shuffled = rng.permutation(len(cells))
    by_cell = shuffled[np.argsort(cells[shuffled], kind="stable")]
    starts = np.cumsum(counts) - counts
    drawn = [by_cell[s : s + k] for s, k in zip(starts, share, strict=True)]
    return np.sort(np.concatenate(drawn))


def sample_rows(x: Vectors, size: int, seed: int) -> Rows:
    """Return the sorted rows of a sample of vectors `(n, d)`, stratified by Voronoi cells.

    Args:
        x: vectors.
        size: of the sample, below n; at most 512 rows are added.
        seed: of the centres of the cells, and of the draw.
    """
    return stratified_sample(_cells(x, _anchors(x, seed)), size, seed)


def _anchors(points: Vectors, seed: int) -> Vectors:
    """Return random points, the centres of cells."""
    rng = np.random.default_rng(seed)
    return points[rng.choice(len(points), min(_CELLS, len(points)), replace=False)]


def _cells(points: Vectors, anchors: Vectors) -> Rows:
    """Return the nearest anchor `(n,)` of each point."""
    centres = torch.from_numpy(anchors)

    def nearest(start: int) -> torch.Tensor:
        block = torch.from_numpy(points[start : start + _BLOCK])
        return _squared_distances(block, centres).argmin(1)

    starts = range(0, len(points), _BLOCK)
    return torch.cat(list(map_in_order(nearest, starts, usable_threads()))).numpy()


def _squared_distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a.square().sum(1, keepdim=True) - 2 * a @ b.T + b.square().sum(1)


class _SampleIndex:
    """The sample, searched for neighbours cell by cell.

    Args:
        anchors: `(c, d)` centres of the cells.
        cells: `(m,)` cell of each sampled row.
        points: `(m, d)` sampled vectors.
        coordinates: `(m, k)` their reduced coordinates.
    """

    def __init__(
        self, anchors: Vectors, cells: Rows, points: Vectors, coordinates: Vectors
    ) -> None:
        self._points, self._coordinates = points, coordinates
        centres = torch.from_numpy(anchors)
        distances = _squared_distances(centres, centres)
        nearest = distances.topk(min(_SEARCHED_CELLS, len(anchors)), largest=False)
        self._nearest_cells: list[list[int]] = nearest.indices.tolist()
        self._rows_in = [np.flatnonzero(cells == cell) for cell in range(len(anchors))]

    def interpolate(self, x: Vectors, cells: Rows) -> Vectors:
        """Return coordinates `(n, k)` of vectors `(n, d)` in cells `(n,)`."""
        reduced = np.empty((len(x), self._coordinates.shape[1]), dtype=np.float32)
        order = np.argsort(cells, kind="stable")
        bounds = np.searchsorted(cells[order], np.arange(len(self._rows_in) + 1))

        def fill(cell: int) -> None:
            nearest_cells = self._nearest_cells[cell]
            candidates = np.concatenate([self._rows_in[other] for other in nearest_cells])
            for start in range(bounds[cell], bounds[cell + 1], _BLOCK):
                rows = order[start : min(start + _BLOCK, bounds[cell + 1])]
                reduced[rows] = _weighted_mean(
                    x[rows], self._points[candidates], self._coordinates[candidates]
                )

        deque(map_in_order(fill, range(len(self._nearest_cells)), usable_threads()), maxlen=0)
        return reduced


def _weighted_mean(x: Vectors, sampled: Vectors, coordinates: Vectors) -> Vectors:
    """Return the mean coordinates `(n, k)` of the nearest sampled vectors, weighted by distance."""
    squared = _squared_distances(torch.from_numpy(x), torch.from_numpy(sampled))
    nearest = squared.topk(min(_NEIGHBOURS, len(sampled)), largest=False)
    distance = nearest.values.clamp_min(0).sqrt()
    excess = distance - distance[:, :1]
    weight = torch.exp(-excess / excess.mean(1, keepdim=True).clamp_min(1e-12))
    weight = weight / weight.sum(1, keepdim=True)
    neighbours = torch.from_numpy(coordinates)[nearest.indices]
    mean: Vectors = (weight[:, :, None] * neighbours).sum(1).numpy()
    return mean

"""Nearest ROIs by the cosine distance of centred embeddings, over all ROIs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.parallel.threads import map_in_order, single_threaded, usable_threads

__all__ = ["Neighbours", "centre_of", "find_neighbours", "neighbours_within"]

Floats = npt.NDArray[np.floating]
Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

# Rows of one product: they fit into a processor's cache, and norms and products read them there.
_BLOCK = 1024
# Rows, at most, and cosines, about, that are compared before the nearest of them are chosen.
_CHUNK_ROWS, _CHUNK_COSINES = 64 * _BLOCK, 2**22
# Up to this number of queries, one product each is faster than a product of matrices.
_FEW = 2
# Queries that are compared at once.
_BATCH = 1024
# Consecutive rows, and how many such stretches, that the centre of a large set is computed from.
_STRETCH, _N_STRETCHES = 128, 128
# Squared length of a centred vector below which it has no direction.
_AT_CENTRE = 1e-10


@dataclass(frozen=True)
class Neighbours:
    """The nearest ROIs of q vectors, the nearest first; equal distances by row.

    Attributes:
        rows: `(q, k)`.
        distances: `(q, k)` cosine distance of centred embeddings: 0 for the same direction from
            the mean of all embeddings, 1 for unrelated ones, 2 for opposite ones.
    """

    rows: Ints
    distances: Vectors


def centre_of(embeddings: Floats) -> Vectors:
    """Return the mean `(dim,)` of the embeddings `(n, dim)` at unit length.

    What all embeddings of a set have in common hides their differences. Of more than 16,384 ROIs,
    it is the mean of 128 stretches of 128 of them, at equal distances.
    """
    n = len(embeddings)
    if n <= _STRETCH * _N_STRETCHES:
        starts, length = np.zeros(1, np.int64), n
    else:
        starts, length = np.linspace(0, n - _STRETCH, _N_STRETCHES).astype(np.int64), _STRETCH
    parts = [
        _unit(np.asarray(embeddings[start : start + length], dtype=np.float32)).sum(axis=0)
        for start in starts
    ]
    mean: Vectors = np.sum(parts, axis=0) / np.float32(max(1, length * len(starts)))
    return mean


@single_threaded()
def find_neighbours(
    embeddings: Floats, queries: Floats, k: int, *, centre: Vectors | None = None
) -> Neighbours:
    """Return the `k` nearest of the embeddings `(n, dim)` of each query `(q, dim)`.

    Every embedding is compared: a million of 512 dimensions are read in less time than an index of
    them would need to load, and no neighbour is missed.

    Args:
        embeddings: of the ROIs, also memory-mapped.
        queries: vectors of the same learner.
        k: number of neighbours, at most n of them.
        centre: `centre_of(embeddings)`, if it is known.
    """
    k = min(k, len(embeddings))
    queries = _unit(np.asarray(queries, dtype=np.float32))
    rows, distances = np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k), np.float32)
    if not k:
        return Neighbours(rows, distances)
    centre = centre_of(embeddings) if centre is None else centre
    for start in range(0, len(queries), _BATCH):
        batch = slice(start, start + _BATCH)
        rows[batch], cosines = _nearest(embeddings, queries[batch], k, centre)
        distances[batch] = np.clip(1 - cosines, 0, 2)
    return Neighbours(rows, distances)


def _nearest(embeddings: Floats, queries: Vectors, k: int, centre: Vectors) -> tuple[Ints, Vectors]:
    """Return rows and cosines `(q, k)` of the nearest embeddings of unit vectors `(q, dim)`."""
    towards = _unit(queries - centre)
    columns = np.vstack([towards, centre])
    shift, square = (towards @ centre)[:, None], np.float32(centre @ centre)

    def cosines_of(start: int, stop: int) -> Vectors:
        """Return the cosines `(q, stop - start)` of consecutive embeddings, read once."""
        x = np.asarray(embeddings[start:stop], dtype=np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", x, x))
        if len(queries) <= _FEW:
            products = np.stack([x @ column for column in columns])
        else:
            products = columns @ x.T
        products /= np.where(length > 0, length, 1)
        # With unit vectors u, the cosine is (u - centre) . towards / |u - centre|.
        spread = np.maximum((length > 0) - 2 * products[-1] + square, 0)
        cosines: Vectors = (products[:-1] - shift) / np.sqrt(np.maximum(spread, _AT_CENTRE))
        cosines[:, spread <= _AT_CENTRE] = 0
        return cosines.astype(np.float32)

    def nearest_in(start: int) -> tuple[Ints, Vectors]:
        stop = min(start + chunk, len(embeddings))
        starts = range(start, stop, _BLOCK)
        parts = [cosines_of(first, min(first + _BLOCK, stop)) for first in starts]
        cosines = np.concatenate(parts, axis=1)
        found = np.argpartition(-cosines, min(k, stop - start) - 1, axis=1)[:, :k]
        return found + start, np.take_along_axis(cosines, found, axis=1)

    chunk = max(_BLOCK, min(_CHUNK_ROWS, _CHUNK_COSINES // len(queries) // _BLOCK * _BLOCK))
    starts = range(0, len(embeddings), chunk)
    found = list(map_in_order(nearest_in, starts, usable_threads()))
    rows = np.concatenate([part[0] for part in found], axis=1)
    cosines = np.concatenate([part[1] for part in found], axis=1)
    order = np.lexsort((rows, -cosines), axis=1)[:, :k]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(cosines, order, axis=1)


def neighbours_within(embeddings: Floats, rows: Ints, k: int) -> Neighbours:
    """Return the `k` nearest others of each of these rows `(m,)` among the same rows.

    Args:
        embeddings: `(n, dim)` of all ROIs, whose centre is used.
        rows: rows to compare.
        k: number of neighbours, at most m - 1 of them.

    Returns:
        Neighbours `(m, k)`; they are rows of `embeddings`.
    """
    x = np.asarray(embeddings[rows], dtype=np.float32)
    found = find_neighbours(x, x, k + 1, centre=centre_of(embeddings))
    # The ROI itself is the first, unless others are at distance 0 too.
    itself = found.rows == np.arange(len(rows))[:, None]
    itself[~itself.any(axis=1), -1:] = True
    shape = (len(rows), max(0, found.rows.shape[1] - 1))
    others = found.rows[~itself].reshape(shape)
    return Neighbours(rows[others], found.distances[~itself].reshape(shape))


def _unit(x: Vectors) -> Vectors:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    unit: Vectors = (x / np.where(length > 0, length, 1)).astype(np.float32, copy=False)
    return unit

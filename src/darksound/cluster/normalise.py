"""Normalisation of embeddings, and removal of what recordings add to them."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE
from darksound.cluster.reducers.base import principal_axes, project

__all__ = ["NORMALISERS", "is_constant", "normalise", "subtract_recording_offsets"]

Vectors = npt.NDArray[np.float32]

#: Distances below this share of the vectors' length are float32 rounding.
_ROUNDING = 1e-6
# Principal axes that are kept of centred embeddings, and the length up to which one is zero.
_N_AXES, _AT_CENTRE = 128, 1e-5
# Rows per block, so that a million vectors need no second copy.
_BLOCK = 65_536


def normalise(embeddings: Vectors, method: str) -> Vectors:
    """Return embeddings `(n, dim)` normalised by a method of `NORMALISERS`."""
    return NORMALISERS[method](np.asarray(embeddings, dtype=np.float32))


def _to_unit_length(x: Vectors) -> Vectors:
    scaled = np.empty_like(x, dtype=np.float32)
    for rows in _blocks(len(x)):
        length = np.sqrt(np.sum(x[rows] ** 2, axis=1, keepdims=True))
        # A zero vector has no direction and stays zero.
        scaled[rows] = x[rows] / np.where(length > 0, length, 1)
    return scaled


def _to_unit_variance(x: Vectors) -> Vectors:
    mean = x.mean(axis=0, dtype=np.float64)
    squares = sum(((x[rows] - mean) ** 2).sum(axis=0) for rows in _blocks(len(x)))
    deviation = np.sqrt(squares / max(1, len(x)))
    scale = np.where(deviation > 0, deviation, 1)
    scaled = np.empty_like(x, dtype=np.float32)
    for rows in _blocks(len(x)):
        scaled[rows] = (x[rows] - mean) / scale
    return scaled


def _to_unit_range(x: Vectors) -> Vectors:
    if not len(x):
        return x
    lowest = x.min(axis=0)
    width = x.max(axis=0).astype(np.float64) - lowest
    # A dimension that is constant becomes 0, as in scikit-learn's MinMaxScaler.
    scale = np.where(width > 0, width, 1)
    scaled = np.empty_like(x, dtype=np.float32)
    for rows in _blocks(len(x)):
        scaled[rows] = (x[rows] - lowest) / scale
    return scaled


def _centred(x: Vectors) -> Vectors:
    """Subtract the mean of the vectors, project on 128 principal axes, scale to unit length.

    What all embeddings of a set have in common, such as the site or the recorder, hides their
    differences; the axes of least variance are mostly noise.
    """
    unit = _to_unit_length(x)
    if not len(unit):
        return unit
    centre = unit.mean(axis=0, dtype=np.float64)
    axes = principal_axes(unit, _N_AXES, centre)
    centred = project(unit, axes) - (centre @ axes).astype(np.float32)
    # A vector at the centre has no direction; its rounding must not become one.
    centred[np.linalg.norm(centred, axis=1) < _AT_CENTRE] = 0
    return _to_unit_length(centred)


def _unchanged(x: Vectors) -> Vectors:
    return x


#: Normalisation methods by their names in `reduction.normalise`. `auto` is that of figures of merit
#: and maps; `resolve_methods` replaces it before clustering.
NORMALISERS: dict[str, Callable[[Vectors], Vectors]] = {
    "auto": _to_unit_length,
    "l2": _to_unit_length,
    "centred": _centred,
    "standard": _to_unit_variance,
    "min_max": _to_unit_range,
    "none": _unchanged,
}


def is_constant(x: npt.NDArray[np.floating]) -> bool:
    """Return whether all rows `(n, d)` are equal, up to the rounding of float32."""
    if not len(x):
        return False
    tolerance = _ROUNDING * max(float(x.max()), -float(x.min()))
    return all(bool((np.abs(x[rows] - x[:1]) <= tolerance).all()) for rows in _blocks(len(x)))


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))


# The offset of a recording with this many ROIs in mixed clusters is shrunk to one half.
_SHRINKAGE = 5


def subtract_recording_offsets(
    embeddings: Vectors,
    clusters: npt.NDArray[np.int64],
    recordings: npt.NDArray[np.object_],
) -> Vectors:
    """Return embeddings without the offsets that recordings add, estimated within clusters.

    The offset of a recording is the mean difference of its ROIs from the centres of their
    clusters, shrunk towards zero if it has few ROIs. Only clusters with ROIs of several recordings
    count: in a cluster of a single recording, call type and background cannot be separated, and
    nothing is subtracted.

    Args:
        embeddings: `(n, dim)`.
        clusters: `(n,)` cluster of each ROI, -1 for noise.
        recordings: `(n,)` names.

    Returns:
        `(n, dim)`, each vector as long as before.
    """
    _, recording = np.unique(recordings.astype(str), return_inverse=True)
    rows = np.flatnonzero(_in_mixed_clusters(clusters, recording))
    if not rows.size:
        return embeddings
    differences = embeddings[rows] - _centres(embeddings[rows], clusters[rows], recording[rows])
    counts = np.bincount(recording[rows], minlength=recording.max() + 1)
    offsets = np.zeros((counts.size, embeddings.shape[1]))
    np.add.at(offsets, recording[rows], differences)
    offsets /= (counts + _SHRINKAGE)[:, None]
    without_offsets = embeddings - offsets[recording]
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    new_length = np.linalg.norm(without_offsets, axis=1, keepdims=True)
    rescaled = without_offsets * length / np.where(new_length > 0, new_length, 1)
    result: Vectors = rescaled.astype(np.float32)
    return result


def _in_mixed_clusters(
    clusters: npt.NDArray[np.int64], recording: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which ROIs `(n,)` are in a cluster of several recordings."""
    pairs = np.unique(np.stack([clusters, recording]), axis=1)
    numbers, n_recordings = np.unique(pairs[0], return_counts=True)
    return np.isin(clusters, numbers[(n_recordings > 1) & (numbers != NOISE)])


def _centres(
    embeddings: Vectors, clusters: npt.NDArray[np.int64], recording: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the centre of each ROI's cluster `(m, dim)`: the mean of its recordings' means."""
    pairs, pair = np.unique(np.stack([clusters, recording]), axis=1, return_inverse=True)
    pair_means = _means(embeddings.astype(np.float64), pair.ravel())
    _, number = np.unique(pairs[0], return_inverse=True)
    cluster_means = _means(pair_means, number)
    centres: npt.NDArray[np.float64] = cluster_means[number[pair.ravel()]]
    return centres


def _means(x: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the mean `(k, dim)` of the rows of each group."""
    sums = np.zeros((groups.max() + 1, x.shape[1]))
    np.add.at(sums, groups, x)
    means: npt.NDArray[np.float64] = sums / np.bincount(groups)[:, None]
    return means

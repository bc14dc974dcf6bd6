"""What the ROIs of a recording share beside their sounds: its place, its weather, its recorder."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE

__all__ = ["NORMALISERS", "all_alike", "normalise", "without_background"]

Vectors = npt.NDArray[np.float32]

#: Distances below this share of the vectors' length are float32 rounding.
_ROUNDING = 1e-6
# Rows that are handled at once, so that no second copy of a million vectors is needed.
_BLOCK = 65_536


def normalise(embeddings: Vectors, how: str) -> Vectors:
    """Embeddings `(n, dim)` made comparable: `l2`, `standard` or `none` (see `NORMALISERS`)."""
    return NORMALISERS[how](np.asarray(embeddings, dtype=np.float32))


def _unit_length(x: Vectors) -> Vectors:
    scaled = np.empty_like(x, dtype=np.float32)
    for rows in _blocks(len(x)):
        length = np.sqrt(np.sum(x[rows] ** 2, axis=1, keepdims=True))
        # A vector of zeros has no direction; it stays where it is.
        scaled[rows] = x[rows] / np.where(length > 0, length, 1)
    return scaled


def _unit_variance(x: Vectors) -> Vectors:
    mean = x.mean(axis=0, dtype=np.float64)
    squares = sum(((x[rows] - mean) ** 2).sum(axis=0) for rows in _blocks(len(x)))
    deviation = np.sqrt(squares / max(1, len(x)))
    scale = np.where(deviation > 0, deviation, 1)
    scaled = np.empty_like(x, dtype=np.float32)
    for rows in _blocks(len(x)):
        scaled[rows] = (x[rows] - mean) / scale
    return scaled


def _nothing(x: Vectors) -> Vectors:
    return x


#: Ways to normalise by their names in the settings.
NORMALISERS: Mapping[str, Callable[[Vectors], Vectors]] = MappingProxyType(
    {"l2": _unit_length, "standard": _unit_variance, "none": _nothing}
)


def all_alike(x: npt.NDArray[np.floating]) -> bool:
    """Whether all rows `(n, d)` are one and the same, up to the rounding of float32."""
    if not len(x):
        return False
    tolerance = _ROUNDING * max(float(x.max()), -float(x.min()))
    return all(bool((np.abs(x[rows] - x[:1]) <= tolerance).all()) for rows in _blocks(len(x)))


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))


# A recording with this many ROIs in mixed clusters is believed to one half.
_HALF_BELIEVED = 5


def without_background(
    embeddings: Vectors,
    clusters: npt.NDArray[np.int64],
    recordings: npt.NDArray[np.object_],
) -> Vectors:
    """Embeddings less what their recordings add to them, as far as clusters tell the two apart.

    A recording's share is the mean of what its ROIs differ from the centres of their clusters by,
    drawn to zero where they are few. Only clusters with ROIs of several recordings count: in one
    of a single recording, the sound and its background cannot be told apart, and nothing is
    taken away.

    Args:
        embeddings: `(n, dim)`.
        clusters: `(n,)` of each ROI, -1 for noise.
        recordings: `(n,)` names.

    Returns:
        `(n, dim)`, each vector as long as before.
    """
    _, recording = np.unique(recordings.astype(str), return_inverse=True)
    counted = np.flatnonzero(_in_mixed(clusters, recording))
    if not counted.size:
        return embeddings
    differs = embeddings[counted] - _centres(embeddings, clusters, recording, counted)
    n = np.bincount(recording[counted], minlength=recording.max() + 1)
    shares = np.zeros((n.size, embeddings.shape[1]))
    np.add.at(shares, recording[counted], differs)
    shares /= (n + _HALF_BELIEVED)[:, None]
    bare = embeddings - shares[recording]
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    now = np.linalg.norm(bare, axis=1, keepdims=True)
    found: Vectors = (bare * length / np.where(now > 0, now, 1)).astype(np.float32)
    return found


def _in_mixed(
    clusters: npt.NDArray[np.int64], recording: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which ROIs `(n,)` are in a cluster of several recordings."""
    pairs = np.unique(np.stack([clusters, recording]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    return np.isin(clusters, names[(counts > 1) & (names != NOISE)])


def _centres(
    embeddings: Vectors,
    clusters: npt.NDArray[np.int64],
    recording: npt.NDArray[np.int64],
    counted: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Centre of each counted ROI's cluster `(m, dim)`: the mean of its recordings' means."""
    pairs, pair = np.unique(
        np.stack([clusters[counted], recording[counted]]), axis=1, return_inverse=True
    )
    of_pair = _means(embeddings[counted].astype(np.float64), pair.ravel())
    _, name = np.unique(pairs[0], return_inverse=True)
    of_cluster = _means(of_pair, name)
    centres: npt.NDArray[np.float64] = of_cluster[name[pair.ravel()]]
    return centres


def _means(x: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    sums = np.zeros((groups.max() + 1, x.shape[1]))
    np.add.at(sums, groups, x)
    means: npt.NDArray[np.float64] = sums / np.bincount(groups)[:, None]
    return means

"""What the ROIs of a recording share beside their sounds: its place, its weather, its recorder."""

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE

__all__ = ["without_background"]

Vectors = npt.NDArray[np.float32]

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

"""How stable clusters are under resampling of recordings (Hennig 2007).

The embeddings are those of the whole set; only the clustering is repeated.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.cluster.clusterers.base import ClusterSubset
from darksound.cluster.metrics import NOISE
from darksound.progress import Progress, silent

__all__ = ["Resamples", "jaccard_with_best", "resample_clusters", "resampling_units"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Share of the recordings in a resample. Half of them, as in the bootstrap, loses rare call types.
_SHARE = 0.8
# Fewest units that are resampled; recordings are cut into parts if there are fewer.
_MIN_UNITS = 20
# Stream of the seed.
_STREAM = 404


@dataclass(frozen=True)
class Resamples:
    """Clusterings of resamples of the recordings.

    Attributes:
        n_clusters: `(r,)` number of clusters in each resample.
        jaccard: `(r, k)` Jaccard coefficient of each cluster of the whole set, without the ROIs
            that are not in the resample, and the cluster most like it; NaN if none of its ROIs is.
    """

    n_clusters: Ints
    jaccard: Floats

    @property
    def stability(self) -> Floats:
        """Return the mean Jaccard coefficient `(k,)` of each cluster."""
        present = ~np.isnan(self.jaccard)
        sums = np.where(present, self.jaccard, 0.0).sum(axis=0)
        means: Floats = sums / np.maximum(present.sum(axis=0), 1)
        return means


def resampling_units(recordings: npt.NDArray[np.object_], start_s: Floats) -> Ints:
    """Return the unit `(n,)` of each ROI, numbered from 0, that is in a resample as a whole.

    Units are recordings. Of fewer than 20 recordings, each is cut into parts of about as many
    successive ROIs, so that there are 20 units, or one for each ROI.

    Args:
        recordings: `(n,)` names.
        start_s: `(n,)` start of each ROI.
    """
    names, unit = np.unique(recordings.astype(str), return_inverse=True)
    if len(names) >= _MIN_UNITS:
        return unit.astype(np.int64)
    order = np.lexsort((start_s, unit))
    size = max(1, len(unit) // _MIN_UNITS)
    # Position of each ROI within its recording.
    position = np.empty(len(unit), dtype=np.int64)
    sorted_units = unit[order]
    position[order] = np.arange(len(unit)) - np.searchsorted(sorted_units, sorted_units)
    parts = np.stack([unit, position // size], axis=1)
    return np.unique(parts, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def resample_clusters(
    labels: Ints,
    cluster_subset: ClusterSubset,
    units: Ints,
    *,
    n_resamples: int,
    seed: int,
    progress: Progress = silent,
) -> Resamples:
    """Cluster resamples of 80 % of the units, drawn without replacement.

    Args:
        labels: `(n,)` clusters of the whole set, -1 for noise.
        cluster_subset: clusters a subset of the ROIs.
        units: `(n,)` unit of each ROI, from 0.
        n_resamples: number of resamples.
        seed: of the resamples.
        progress: called with the number of resamples, in the stage `resampling`.
    """
    n_units = int(units.max(initial=-1)) + 1
    n_kept = max(1, round(_SHARE * n_units))
    k = int(labels.max(initial=NOISE)) + 1
    n_clusters = np.zeros(n_resamples, dtype=np.int64)
    jaccard = np.full((n_resamples, k), np.nan)
    progress("resampling", 0, n_resamples)
    for number in range(n_resamples):
        rng = np.random.default_rng([seed, _STREAM, number])
        is_kept = np.zeros(n_units, dtype=bool)
        is_kept[rng.permutation(n_units)[:n_kept]] = True
        rows = np.flatnonzero(is_kept[units])
        found = cluster_subset(rows)
        n_clusters[number] = int(found.max(initial=NOISE)) + 1
        jaccard[number] = jaccard_with_best(labels[rows], found, k)
        progress("resampling", number + 1, n_resamples)
    return Resamples(n_clusters, jaccard)


def jaccard_with_best(labels: Ints, others: Ints, k: int) -> Floats:
    """Return the Jaccard coefficient `(k,)` of each cluster and the other cluster most like it.

    It is the number of ROIs in both, divided by that of ROIs in any of them; NaN for clusters
    without ROIs.

    Args:
        labels: `(n,)` one of k clusters of each ROI, -1 for noise.
        others: `(n,)` clusters of the other clustering.
        k: number of clusters.
    """
    n_others = int(others.max(initial=NOISE)) + 1
    sizes = np.bincount(labels[labels != NOISE], minlength=k)
    if not n_others:
        return np.where(sizes > 0, 0.0, np.nan)
    other_sizes = np.bincount(others[others != NOISE], minlength=n_others)
    inside = (labels != NOISE) & (others != NOISE)
    shared = np.zeros((k, n_others))
    np.add.at(shared, (labels[inside], others[inside]), 1)
    # Clusters without ROIs share none with any.
    best = (shared / np.maximum(sizes[:, None] + other_sizes - shared, 1)).max(axis=1)
    return np.where(sizes > 0, best, np.nan)

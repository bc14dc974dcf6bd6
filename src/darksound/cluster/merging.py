"""Merging of clusters that the learner confuses."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from darksound.cluster.clusterers.base import Clustering, number_by_size
from darksound.cluster.metrics import NOISE
from darksound.cluster.pseudo_labels import most_probable_members
from darksound.device import resolve_device
from darksound.meta.episodes import recording_names
from darksound.meta.features import compute_features
from darksound.meta.learners.base import Learner
from darksound.settings import ComputeSettings
from darksound.store.contract import Store

__all__ = ["confusion", "merge_confused"]

Ints = npt.NDArray[np.int64]

# Largest number of members of a cluster that are compared.
_MAX_MEMBERS = 40


def merge_confused(
    images: Store,
    learner: Learner,
    clustering: Clustering,
    compute: ComputeSettings,
    *,
    threshold: float,
) -> Clustering:
    """Return the clustering with clusters merged whose members the learner confuses.

    Two clusters are merged if the learner assigns at least the share `threshold` of the members of
    both to the other cluster; a chain of such pairs becomes one cluster. A merged cluster has the
    highest persistence of its parts. Fewer than three clusters are not merged.
    """
    k = clustering.n_clusters
    if k < 3:
        return clustering
    counts = confusion(images, learner, clustering, compute)
    n_members = counts.sum(1)
    share = (counts + counts.T) / (n_members[:, None] + n_members[None, :])
    _, component = connected_components(csr_array(share >= threshold), directed=False)
    names, number = np.unique(component, return_inverse=True)
    labels = clustering.labels.copy()
    labels[labels != NOISE] = number[labels[labels != NOISE]]
    persistence = np.zeros(names.size)
    np.maximum.at(persistence, number, clustering.persistence)
    return number_by_size(replace(clustering, labels=labels, persistence=persistence))


def confusion(
    images: Store, learner: Learner, clustering: Clustering, compute: ComputeSettings
) -> npt.NDArray[np.float64]:
    """Return the confusion matrix `(k, k)`: members of each cluster assigned to each cluster.

    The members of every cluster are split in two halves, of different recordings if it has
    several. The learner predicts the clusters of each half with the other half as support.
    """
    halves = _halves(clustering, recording_names(images.rois))
    device, _ = resolve_device(compute)
    features = [compute_features(images, learner, compute, rows=rows) for rows in halves]
    labels = [clustering.labels[rows] for rows in halves]
    k = clustering.n_clusters
    counts = np.zeros((k, k))
    with torch.inference_mode():
        for support, query in ((0, 1), (1, 0)):
            support_labels = torch.from_numpy(labels[support]).to(device)
            state = learner.adapt(features[support].to(device), support_labels, k)
            scores = learner.score(state, features[query].to(device))
            np.add.at(counts, (labels[query], scores.argmax(1).cpu().numpy()), 1)
    return counts


def _halves(clustering: Clustering, recordings: npt.NDArray[np.object_]) -> tuple[Ints, Ints]:
    """Return the rows of two disjoint halves of the most probable members of each cluster."""
    rows = most_probable_members(clustering, _MAX_MEMBERS)
    halves: tuple[list[Ints], list[Ints]] = ([], [])
    for members in np.split(rows, np.flatnonzero(np.diff(clustering.labels[rows])) + 1):
        order = members[np.argsort(recordings[members].astype(str), kind="stable")]
        ends = np.flatnonzero(recordings[order][1:] != recordings[order][:-1]) + 1
        if ends.size:
            middle = int(ends[np.argmin(np.abs(ends - order.size / 2))])
            parts = order[:middle], order[middle:]
        else:
            parts = order[::2], order[1::2]
        for half, part in zip(halves, parts, strict=True):
            half.append(part)
    return np.concatenate(halves[0]), np.concatenate(halves[1])

"""Clusters that the learner cannot tell apart, made one."""

import numpy as np
import numpy.typing as npt
import torch

from darksound.cluster.clusterers.base import Clustering, in_order
from darksound.cluster.metrics import NOISE
from darksound.cluster.pseudo_labels import strongest_members
from darksound.meta.device import resolve_device
from darksound.meta.features import compute_features
from darksound.meta.learners import Learner
from darksound.meta.splits import recording_names
from darksound.settings import Settings
from darksound.store.contract import Store

__all__ = ["confusion", "merge_confused"]

Ints = npt.NDArray[np.int64]

# Members of a cluster that are compared, at most.
_MEMBERS = 40


def merge_confused(
    learner: Learner, images: Store, clustering: Clustering, settings: Settings
) -> Clustering:
    """The clustering with clusters joined whose members the learner takes for one another.

    Two clusters are joined where, of the members of both, at least `mec.merge` are taken for
    the other one; a chain of such pairs becomes one cluster. A joined cluster persists as long
    as the part of it that persists longest.
    """
    k = clustering.n_clusters
    if k < 3:
        return clustering
    counts = confusion(learner, images, clustering, settings)
    members = counts.sum(1)
    share = (counts + counts.T) / (members[:, None] + members[None, :])
    group = _connected(share >= settings.mec.merge)
    names, number = np.unique(group, return_inverse=True)
    labels = clustering.labels.copy()
    labels[labels != NOISE] = number[labels[labels != NOISE]]
    persistence = np.zeros(names.size)
    np.maximum.at(persistence, number, clustering.persistence)
    joined = Clustering(labels, clustering.probability, clustering.outlier_score, persistence)
    return in_order(joined)


def confusion(
    learner: Learner, images: Store, clustering: Clustering, settings: Settings
) -> npt.NDArray[np.float64]:
    """How many members of each cluster the learner takes for each `(k, k)`.

    The members of every cluster are parted in two halves, of different recordings where they
    have several; each half is judged by a learner that knows the other halves.
    """
    halves = _halves(clustering, recording_names(images.rois))
    device, _ = resolve_device(settings.compute)
    features = [compute_features(learner, images, rows, settings) for rows in halves]
    labels = [clustering.labels[rows] for rows in halves]
    k = clustering.n_clusters
    counts = np.zeros((k, k))
    with torch.inference_mode():
        for known, judged in ((0, 1), (1, 0)):
            names = torch.from_numpy(labels[known]).to(device)
            state = learner.adapt(features[known].to(device), names, k)
            scores = learner.score(state, features[judged].to(device))
            np.add.at(counts, (labels[judged], scores.argmax(1).cpu().numpy()), 1)
    return counts


def _halves(clustering: Clustering, recordings: npt.NDArray[np.object_]) -> tuple[Ints, Ints]:
    """Rows of two halves of the strongest members of each cluster, none in both."""
    rows = strongest_members(clustering, _MEMBERS)
    halves: tuple[list[Ints], list[Ints]] = ([], [])
    for members in np.split(rows, np.flatnonzero(np.diff(clustering.labels[rows])) + 1):
        order = members[np.argsort(recordings[members].astype(str), kind="stable")]
        ends = np.flatnonzero(recordings[order][1:] != recordings[order][:-1]) + 1
        if ends.size:
            cut = int(ends[np.argmin(np.abs(ends - order.size / 2))])
            parts = order[:cut], order[cut:]
        else:
            parts = order[::2], order[1::2]
        for half, part in zip(halves, parts, strict=True):
            half.append(part)
    return np.concatenate(halves[0]), np.concatenate(halves[1])


def _connected(linked: npt.NDArray[np.bool_]) -> Ints:
    """A number for each of `(k, k)` linked things, the same for those that a chain connects."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    _, group = connected_components(csr_array(linked), directed=False)
    numbers: Ints = group.astype(np.int64)
    return numbers

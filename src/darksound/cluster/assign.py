"""Noise ROIs assigned by the learner: its few-shot scores against each cluster's core members."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.metrics import NOISE
from darksound.cluster.pseudo_labels import strongest_members
from darksound.meta.device import resolve_device
from darksound.meta.features import compute_features
from darksound.meta.learners import Learner, State
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.store.contract import Store

__all__ = ["Assignment", "assign_noise", "support_size"]

#: Core members a cluster is shown by, and all clusters together, at most.
_SUPPORT_PER_CLUSTER = 20
_SUPPORT = 1000
#: Pairs of query and class scored at once; Relation makes a pair of feature maps of each.
_PAIRS = 2048


@dataclass(frozen=True)
class Assignment:
    """What the learner says of noise ROIs.

    Attributes:
        rows: `(m,)` the noise ROIs, ascending; none where fewer than two clusters were found.
        cluster: `(m,)` the likeliest cluster, -1 where the learner is not sure enough.
        probability: `(m,)` the learner's probability of the likeliest cluster, rejected or not.
    """

    rows: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]


def support_size(sizes: npt.NDArray[np.int64], n_shot: int) -> int:
    """Core members that each cluster is shown by, from the sizes `(k,)` of all.

    As many as the smallest has, or `n_shot` if that is more, since Matching leans to classes
    with more support. At most 20, and fewer beyond 50 clusters, since Matching compares every
    query with every support item as often as there are of them.
    """
    at_most = min(_SUPPORT_PER_CLUSTER, _SUPPORT // max(1, sizes.size))
    return max(1, min(at_most, max(int(sizes.min()), n_shot)))


def assign_noise(
    learner: Learner,
    images: Store,
    clustering: Clustering,
    settings: Settings,
    progress: Progress = silent,
) -> Assignment:
    """Score every noise ROI against all clusters at once.

    The learner adapts to the most probable members of each cluster in one state, whatever the
    `n_way` it was trained with. A ROI whose best probability lies below `mec.min_assigned_probability` is
    assigned to no cluster. With fewer than two clusters there is no choice to make, and no row.

    Raises:
        CheckpointError: the images are of another front end than the learner's.
    """
    noise = np.flatnonzero(clustering.labels == NOISE)
    if clustering.n_clusters < 2 or not noise.size:
        return Assignment(noise[:0], noise[:0], np.zeros(0))
    learner.eval()
    state = _adapted(learner, images, clustering, settings)
    likeliest, probability = np.empty(noise.size, dtype=np.int64), np.empty(noise.size)
    step = settings.compute.batch_size
    progress("assigning noise", 0, noise.size)
    for start in range(0, noise.size, step):
        part = slice(start, min(start + step, noise.size))
        query = compute_features(learner, images, noise[part], settings)
        likeliest[part], probability[part] = _best(learner, state, query, clustering.n_clusters)
        progress("assigning noise", part.stop, noise.size)
    sure = probability >= settings.mec.min_assigned_probability
    return Assignment(noise, np.where(sure, likeliest, NOISE), probability)


@torch.inference_mode()
def _adapted(learner: Learner, images: Store, clustering: Clustering, settings: Settings) -> State:
    device, _ = resolve_device(settings.compute)
    sizes = np.bincount(clustering.labels[clustering.labels != NOISE])
    rows = strongest_members(clustering, support_size(sizes, settings.episodes.n_shot))
    support = compute_features(learner, images, rows, settings).to(device)
    labels = torch.from_numpy(clustering.labels[rows]).to(device)
    return learner.adapt(support, labels, clustering.n_clusters)


@torch.inference_mode()
def _best(
    learner: Learner, state: State, query: Tensor, n_clusters: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Likeliest cluster `(q,)` of each query and its probability `(q,)`."""
    at_once = max(1, _PAIRS // n_clusters)
    tables = [
        learner.probabilities(learner.score(state, part.to(state[0].device))).double().cpu()
        for part in torch.split(query, at_once)
    ]
    best = torch.cat(tables).max(dim=1)
    return best.indices.numpy(), best.values.numpy()

"""Assignment of noise ROIs by the learner's few-shot scores."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.metrics import NOISE
from darksound.cluster.pseudo_labels import most_probable_members
from darksound.device import resolve_device
from darksound.meta.features import compute_features
from darksound.meta.learners.base import Learner, State
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.store.contract import Store

__all__ = ["Assignment", "assign_noise", "support_size"]

#: Largest number of support ROIs of a cluster, and of all clusters together.
_MAX_SUPPORT_PER_CLUSTER = 20
_MAX_SUPPORT = 1000
#: Pairs of query and class that are scored at once; Relation makes feature maps of each pair.
_MAX_PAIRS = 2048


@dataclass(frozen=True)
class Assignment:
    """The learner's predictions for noise ROIs.

    Attributes:
        rows: `(m,)` the noise ROIs, ascending; none if there are fewer than two clusters.
        cluster: `(m,)` the most probable cluster, -1 if its probability is too low.
        probability: `(m,)` of the most probable cluster.
    """

    rows: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]


def support_size(sizes: npt.NDArray[np.int64], n_shot: int) -> int:
    """Return the number of support ROIs of each cluster, from the sizes `(k,)` of the clusters.

    It is the size of the smallest cluster, or `n_shot` if that is more, because Matching prefers
    classes with more support. It is at most 20, and less above 50 clusters, because the time of
    Matching grows with the square of the support.
    """
    largest = min(_MAX_SUPPORT_PER_CLUSTER, _MAX_SUPPORT // max(1, sizes.size))
    return max(1, min(largest, max(int(sizes.min()), n_shot)))


def assign_noise(
    images: Store,
    learner: Learner,
    clustering: Clustering,
    settings: Settings,
    progress: Progress = silent,
) -> Assignment:
    """Assign every noise ROI to its most probable cluster.

    The support set has the most probable members of all clusters, whatever the `n_way` that the
    learner was trained with. A ROI whose highest probability is below
    `mec.min_assigned_probability` gets cluster -1. Below two clusters nothing is assigned.

    Raises:
        CheckpointError: the images were made with another front end than the learner's.
    """
    noise = np.flatnonzero(clustering.labels == NOISE)
    if clustering.n_clusters < 2 or not noise.size:
        return Assignment(noise[:0], noise[:0], np.zeros(0))
    learner.eval()
    state = _adapt(images, learner, clustering, settings)
    cluster, probability = np.empty(noise.size, dtype=np.int64), np.empty(noise.size)
    step = settings.compute.batch_size
    progress("assigning noise", 0, noise.size)
    for start in range(0, noise.size, step):
        part = slice(start, min(start + step, noise.size))
        query = compute_features(images, learner, settings.compute, rows=noise[part])
        cluster[part], probability[part] = _predict(learner, state, query, clustering.n_clusters)
        progress("assigning noise", part.stop, noise.size)
    is_assigned = probability >= settings.mec.min_assigned_probability
    return Assignment(noise, np.where(is_assigned, cluster, NOISE), probability)


@torch.inference_mode()
def _adapt(images: Store, learner: Learner, clustering: Clustering, settings: Settings) -> State:
    """Return the learner's state for a support set of all clusters."""
    device, _ = resolve_device(settings.compute)
    sizes = np.bincount(clustering.labels[clustering.labels != NOISE])
    rows = most_probable_members(clustering, support_size(sizes, settings.episodes.n_shot))
    support = compute_features(images, learner, settings.compute, rows=rows).to(device)
    labels = torch.from_numpy(clustering.labels[rows]).to(device)
    return learner.adapt(support, labels, clustering.n_clusters)


@torch.inference_mode()
def _predict(
    learner: Learner, state: State, query: Tensor, n_clusters: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the most probable cluster `(q,)` of each query and its probability `(q,)`."""
    part_rows = max(1, _MAX_PAIRS // n_clusters)
    tables = [
        learner.probabilities(learner.score(state, part.to(state[0].device))).double().cpu()
        for part in torch.split(query, part_rows)
    ]
    highest = torch.cat(tables).max(dim=1)
    return highest.indices.numpy(), highest.values.numpy()

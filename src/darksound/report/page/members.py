"""Medoid, typical and borderline ROIs of clusters, and the order of clips."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE
from darksound.cluster.normalise import normalise
from darksound.report.result import MecResult

__all__ = [
    "NOISE_SHOWN",
    "ClusterMembers",
    "clip_order",
    "cluster_members",
    "nearest_clusters",
    "outlying_noise",
]

#: Number of noise ROIs on the noise card.
NOISE_SHOWN = 12

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClusterMembers:
    """The ROIs of a cluster, as rows of the ROI table.

    Attributes:
        medoid: the ROI with the smallest sum of squared distances to the others.
        typical: ROIs with the highest probability after the medoid, the highest first.
        borderline: ROIs with the lowest probability, the lowest first; not those in `typical`.
        order: all ROIs: the medoid, then by descending probability.
        centre: `(dim,)` mean of the normalised embeddings.
    """

    medoid: int
    typical: Rows
    borderline: Rows
    order: Rows
    centre: npt.NDArray[np.float32]


def cluster_members(result: MecResult) -> Mapping[int, ClusterMembers]:
    """Return the members of each cluster by its number, ascending.

    ROIs of equal probability are ordered by their distance to the centre of the cluster.
    """
    settings = result.settings
    space = normalise(np.asarray(result.embeddings), settings.reduction.normalise)
    labels = result.clusters["cluster"].to_numpy(np.int64)
    probability = result.clusters["probability"].to_numpy(np.float64)
    by_cluster = np.argsort(labels, kind="stable")
    numbers, starts = np.unique(labels[by_cluster], return_index=True)
    members = {}
    for number, rows in zip(numbers.tolist(), np.split(by_cluster, starts[1:]), strict=True):
        if number == NOISE:
            continue
        centre = space[rows].mean(axis=0)
        distance = np.linalg.norm(space[rows] - centre, axis=1)
        # The sum of squared distances to all members is smallest at the member nearest the mean.
        medoid = rows[int(np.argmin(distance))]
        ranked = rows[np.lexsort((distance, -probability[rows]))]
        order = np.concatenate([[medoid], ranked[ranked != medoid]])
        typical = order[1 : 1 + settings.report.typical_clips]
        others = order[1 + len(typical) :]
        borderline = others[::-1][: settings.report.borderline_clips]
        members[number] = ClusterMembers(int(medoid), typical, borderline, order, centre)
    return members


def nearest_clusters(
    members: Mapping[int, ClusterMembers], count: int
) -> Mapping[int, list[tuple[int, float]]]:
    """Return the nearest clusters of each cluster, with the distances of their centres."""
    numbers = list(members)
    if not numbers:
        return {}
    centres = np.stack([members[number].centre for number in numbers])
    squares = np.sum(centres.astype(np.float64) ** 2, axis=1)
    gram = centres.astype(np.float64) @ centres.T.astype(np.float64)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * gram, 0))
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, : min(count, len(numbers) - 1)]
    return {
        number: [(numbers[j], float(distances[i, j])) for j in order[i]]
        for i, number in enumerate(numbers)
    }


def outlying_noise(result: MecResult) -> Rows:
    """Return the rows of noise ROIs, the highest outlier score first."""
    noise = np.flatnonzero(result.clusters["cluster"] == NOISE)
    scores = result.clusters["outlier_score"].to_numpy(np.float64)[noise]
    return noise[np.argsort(-scores, kind="stable")]


def clip_order(
    result: MecResult, members: Mapping[int, ClusterMembers], planned: Rows | None = None
) -> Rows:
    """Return the rows of all ROIs `(n,)` in the order in which they get clips and thumbnails.

    First the medoids, then the other ROIs on the cards, then `planned` ones, then all others: in
    turn one of each cluster, by descending probability, and one of the noise, by descending outlier
    score.
    """
    n = len(result)
    rank, tier, group = np.zeros(n, np.int64), np.full(n, 3), np.full(n, NOISE)

    def assign(rows: Rows, level: int) -> None:
        rank[rows], tier[rows] = np.arange(len(rows)), level

    for number, cluster in members.items():
        group[cluster.order] = number
        on_card = np.concatenate([cluster.typical, cluster.borderline])
        assign(cluster.order[~np.isin(cluster.order, [cluster.medoid, *on_card])], 3)
        assign(on_card, 1)
        tier[cluster.medoid] = 0
    noise = outlying_noise(result)
    assign(noise[NOISE_SHOWN:], 3)
    assign(noise[:NOISE_SHOWN], 1)
    if planned is not None:
        tier[planned] = np.minimum(tier[planned], 2)
    return np.lexsort((group, rank, tier)).astype(np.int64)

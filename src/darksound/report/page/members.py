"""Which ROIs of a cluster stand for it, and in which order all ROIs are shown."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darksound.cluster.metrics import NOISE
from darksound.cluster.normalise import normalise
from darksound.run.reading import RunResult

__all__ = [
    "NOISE_SHOWN",
    "Members",
    "cluster_members",
    "nearest_clusters",
    "outlying_noise",
    "showing_order",
]

#: Noise ROIs that the page names.
NOISE_SHOWN = 12

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Members:
    """The ROIs of a cluster; all are rows of the ROI table.

    Attributes:
        medoid: the one with the least summed squared distance to the others.
        typical: the surest ones beside the medoid, the surest first.
        borderline: the least sure ones, the least sure first; none that is typical.
        order: all of them, from the medoid to the least sure.
        centre: `(dim,)` mean of their normalised embeddings.
    """

    medoid: int
    typical: Rows
    borderline: Rows
    order: Rows
    centre: npt.NDArray[np.float32]


def cluster_members(result: RunResult) -> Mapping[int, Members]:
    """The members of each cluster, by its number, ascending.

    How sure a ROI is: its probability, and among equals its distance to the cluster's centre.
    """
    settings = result.settings
    space = normalise(np.asarray(result.embeddings), settings.reduction.normalise)
    labels = result.clusters["cluster"].to_numpy(np.int64)
    probability = result.clusters["probability"].to_numpy(np.float64)
    by_cluster = np.argsort(labels, kind="stable")
    numbers, starts = np.unique(labels[by_cluster], return_index=True)
    found = {}
    for number, rows in zip(numbers.tolist(), np.split(by_cluster, starts[1:]), strict=True):
        if number == NOISE:
            continue
        centre = space[rows].mean(axis=0)
        distance = np.linalg.norm(space[rows] - centre, axis=1)
        # The sum of squared distances to all members is least where that to their mean is.
        medoid = rows[int(np.argmin(distance))]
        surest = rows[np.lexsort((distance, -probability[rows]))]
        order = np.concatenate([[medoid], surest[surest != medoid]])
        typical = order[1 : 1 + settings.report.typical]
        rest = order[1 + len(typical) :]
        borderline = rest[::-1][: settings.report.borderline]
        found[number] = Members(int(medoid), typical, borderline, order, centre)
    return found


def nearest_clusters(
    members: Mapping[int, Members], count: int
) -> Mapping[int, list[tuple[int, float]]]:
    """The nearest clusters of each, nearest first, with the distances between their centres."""
    numbers = list(members)
    if not numbers:
        return {}
    centres = np.stack([members[number].centre for number in numbers])
    squares = np.sum(centres.astype(np.float64) ** 2, axis=1)
    gram = centres.astype(np.float64) @ centres.T.astype(np.float64)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * gram, 0))
    np.fill_diagonal(apart, np.inf)
    order = np.argsort(apart, axis=1, kind="stable")[:, : min(count, len(numbers) - 1)]
    return {
        number: [(numbers[j], float(apart[i, j])) for j in order[i]]
        for i, number in enumerate(numbers)
    }


def outlying_noise(result: RunResult) -> Rows:
    """The noise ROIs, those least like their surroundings first."""
    noise = np.flatnonzero(result.clusters["cluster"] == NOISE)
    scores = result.clusters["outlier_score"].to_numpy(np.float64)[noise]
    return noise[np.argsort(-scores, kind="stable")]


def showing_order(result: RunResult, members: Mapping[int, Members]) -> Rows:
    """All ROIs, `(n,)`, in the order in which they get sound and pictures.

    First the medoids, then what else is on the cards, then the others: by turns one of each
    cluster, the surest first, and one of the noise, the most outlying first.
    """
    n = len(result)
    rank, tier, group = np.zeros(n, np.int64), np.full(n, 2), np.full(n, NOISE)

    def queue(rows: Rows, level: int) -> None:
        rank[rows], tier[rows] = np.arange(len(rows)), level

    for number, own in members.items():
        group[own.order] = number
        shown = np.concatenate([own.typical, own.borderline])
        queue(own.order[~np.isin(own.order, [own.medoid, *shown])], 2)
        queue(shown, 1)
        tier[own.medoid] = 0
    noise = outlying_noise(result)
    queue(noise[NOISE_SHOWN:], 2)
    queue(noise[:NOISE_SHOWN], 1)
    return np.lexsort((group, rank, tier)).astype(np.int64)

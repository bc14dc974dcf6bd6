"""Agreement of clusters with labels or with other clusters, and coverage.

Label metrics are always given twice: over the clustered ROIs only, and over all ROIs with every
noise ROI as a cluster of its own, so that leaving out hard ROIs never looks like progress.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln

__all__ = [
    "NOISE",
    "Agreement",
    "Scores",
    "accuracy",
    "adjusted_mutual_information",
    "adjusted_rand",
    "agreement",
    "coverage",
    "label_scores",
    "mutual_information",
    "noise_as_singletons",
    "normalised_mutual_information",
]

#: The cluster number of ROIs that belong to no cluster.
NOISE = -1

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """Agreement of two partitions; all NaN if there are no ROIs.

    Attributes:
        acc: accuracy under the best one-to-one matching, 0 to 1.
        nmi: normalised mutual information, arithmetic mean (the V-measure), 0 to 1.
        ami: adjusted mutual information, 0 expected by chance, at most 1.
        ari: adjusted Rand index, 0 expected by chance, at most 1.
    """

    acc: float
    nmi: float
    ami: float
    ari: float


@dataclass(frozen=True)
class Scores:
    """Agreement of clusters with labels, with the coverage.

    Attributes:
        clustered: over labelled ROIs that are in a cluster.
        everything: over all labelled ROIs, every noise ROI being a cluster of its own.
        coverage: share of the labelled ROIs that are in a cluster.
        n_labelled: number of ROIs with a label.
        n_unlabelled: number of ROIs without a label, which are left out.
    """

    clustered: Agreement
    everything: Agreement
    coverage: float
    n_labelled: int
    n_unlabelled: int

    def as_row(self) -> dict[str, float]:
        """Return `acc, nmi, ami, ari` over clustered ROIs, then with the suffix `_all` over all."""
        over_all = {f"{name}_all": value for name, value in asdict(self.everything).items()}
        return {**asdict(self.clustered), **over_all}


def coverage(clusters: Labels) -> float:
    """Return the share of ROIs `(n,)` that are in a cluster, NaN without ROIs."""
    return float(np.mean(clusters != NOISE)) if clusters.size else float("nan")


def noise_as_singletons(clusters: Labels) -> Labels:
    """Return the partition `(n,)` in which every noise ROI is a cluster of its own."""
    partition = clusters.astype(np.int64, copy=True)
    noise = np.flatnonzero(clusters == NOISE)
    partition[noise] = max(int(clusters.max(initial=NOISE)), NOISE) + 1 + np.arange(noise.size)
    return partition


def label_scores(clusters: Labels, labels: Sequence[object] | npt.NDArray[np.object_]) -> Scores:
    """Return the agreement of clusters `(n,)` with labels `(n,)`, None for ROIs without a label.

    If all ROIs are noise, the metrics over clustered ROIs are NaN, and those over all ROIs are
    those of a partition into single ROIs: NMI above 0, AMI and ARI 0. One cluster with several
    labels gives NMI, AMI and ARI 0; one cluster and one label give 1.
    """
    labelled = np.array([label is not None and label == label for label in labels], dtype=bool)
    names = np.asarray([str(label) for label in labels], dtype=object)[labelled]
    classes = np.unique(names.astype(str), return_inverse=True)[1].astype(np.int64)
    predicted = np.asarray(clusters, dtype=np.int64)[labelled]
    inside = predicted != NOISE
    return Scores(
        clustered=agreement(classes[inside], predicted[inside]),
        everything=agreement(classes, noise_as_singletons(predicted)),
        coverage=coverage(predicted),
        n_labelled=int(labelled.sum()),
        n_unlabelled=int((~labelled).sum()),
    )


def agreement(first: Labels, second: Labels) -> Agreement:
    """Return all metrics of two partitions `(n,)` of the same ROIs."""
    table = _Contingency.of(first, second)
    return Agreement(_accuracy(table), _nmi(table), _ami(table), _ari(table))


def accuracy(first: Labels, second: Labels) -> float:
    """Return the accuracy under the best one-to-one matching of clusters (Kuhn 1955)."""
    return _accuracy(_Contingency.of(first, second))


def normalised_mutual_information(first: Labels, second: Labels) -> float:
    """Return the mutual information divided by the mean of both entropies.

    It equals the V-measure with beta 1 (Rosenberg and Hirschberg 2007). Two partitions into one
    cluster each agree fully: 1.
    """
    return _nmi(_Contingency.of(first, second))


def adjusted_mutual_information(first: Labels, second: Labels) -> float:
    """Return the mutual information adjusted for chance (Vinh et al. 2010, eq. 24a).

    The normaliser is the arithmetic mean of both entropies. The expected value is summed over the
    distinct sizes of clusters, so that partitions with many clusters of one ROI take no more time
    than others. Identical partitions give 1.
    """
    return _ami(_Contingency.of(first, second))


def adjusted_rand(first: Labels, second: Labels) -> float:
    """Return the Rand index adjusted for chance (Hubert and Arabie 1985); 1 if identical."""
    return _ari(_Contingency.of(first, second))


def mutual_information(first: Labels, second: Labels) -> float:
    """Return the mutual information of two partitions `(n,)` in nats."""
    return _Contingency.of(first, second).mutual_information


@dataclass(frozen=True)
class _Contingency:
    """The contingency table of two partitions.

    Attributes:
        rows: `(c,)` row of each non-empty cell.
        columns: `(c,)` its column.
        counts: `(c,)` its number of ROIs.
        first: sizes of the clusters of the first partition, the sums of rows.
        second: sizes of the clusters of the second partition, the sums of columns.
        n: number of ROIs.
    """

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    n: int

    @classmethod
    def of(cls, first: Labels, second: Labels) -> "_Contingency":
        row = np.unique(first, return_inverse=True)[1].reshape(-1).astype(np.int64)
        column = np.unique(second, return_inverse=True)[1].reshape(-1).astype(np.int64)
        width = int(column.max(initial=0)) + 1
        cells, counts = np.unique(row * width + column, return_counts=True)
        return cls(
            rows=cells // width,
            columns=cells % width,
            counts=counts.astype(np.int64),
            first=np.bincount(row),
            second=np.bincount(column),
            n=int(row.size),
        )

    @property
    def identical(self) -> bool:
        """Return whether both partitions are the same."""
        return bool(self.counts.size == self.first.size == self.second.size)

    @property
    def mutual_information(self) -> float:
        """Return the mutual information in nats."""
        share = self.counts / self.n
        product = self.first[self.rows] * (self.second[self.columns] / self.n)
        return float(max(0.0, np.sum(share * np.log(self.counts / product))))

    @property
    def entropies(self) -> tuple[float, float]:
        """Return the entropies of both partitions in nats."""

        def entropy(sizes: npt.NDArray[np.int64]) -> float:
            share = sizes / self.n
            return float(-np.sum(share * np.log(share)))

        return entropy(self.first), entropy(self.second)


def _accuracy(table: _Contingency) -> float:
    if not table.n:
        return float("nan")
    # Only one of the clusters of one ROI in the same class can be matched to it, so the others
    # can be left out of the matching.
    single = table.second[table.columns] == 1
    _, first_of_class = np.unique(table.rows[single], return_index=True)
    cells = np.concatenate([np.flatnonzero(~single), np.flatnonzero(single)[first_of_class]])
    column = np.unique(table.columns[cells], return_inverse=True)[1]
    shared = np.zeros((table.first.size, int(column.max()) + 1), dtype=np.int64)
    shared[table.rows[cells], column] = table.counts[cells]
    matched = linear_sum_assignment(shared, maximize=True)
    return float(shared[matched].sum() / table.n)


def _nmi(table: _Contingency) -> float:
    if not table.n:
        return float("nan")
    if table.identical:
        return 1.0
    mean = sum(table.entropies) / 2
    return min(1.0, table.mutual_information / mean)


def _ami(table: _Contingency) -> float:
    if not table.n:
        return float("nan")
    if table.identical:
        return 1.0
    expected = _expected_mutual_information(table)
    above_chance = table.mutual_information - expected
    largest = sum(table.entropies) / 2 - expected
    # If all ROIs are singletons, both differences are rounding errors.
    if abs(largest) < 1e-12 or abs(above_chance) < 1e-12:
        return 0.0
    return float(above_chance / largest)


def _expected_mutual_information(table: _Contingency) -> float:
    n = table.n
    total = 0.0
    second_sizes, second_times = np.unique(table.second, return_counts=True)
    for a, times_a in zip(*np.unique(table.first, return_counts=True), strict=True):
        for b, times_b in zip(second_sizes, second_times, strict=True):
            shared = np.arange(max(1, a + b - n), min(a, b) + 1, dtype=np.float64)
            log_chance = (
                gammaln(a + 1)
                + gammaln(b + 1)
                + gammaln(n - a + 1)
                + gammaln(n - b + 1)
                - gammaln(n + 1)
                - gammaln(shared + 1)
                - gammaln(a - shared + 1)
                - gammaln(b - shared + 1)
                - gammaln(n - a - b + shared + 1)
            )
            gain = shared / n * np.log(n * shared / (float(a) * float(b)))
            total += float(times_a * times_b * np.sum(gain * np.exp(log_chance)))
    return total


def _ari(table: _Contingency) -> float:
    if not table.n:
        return float("nan")
    if table.identical:
        return 1.0

    def pairs(sizes: npt.NDArray[np.int64]) -> float:
        return float(np.sum(sizes * (sizes - 1.0)) / 2)

    together, first, second = pairs(table.counts), pairs(table.first), pairs(table.second)
    expected = first * second / (table.n * (table.n - 1) / 2)
    largest = (first + second) / 2 - expected
    return (together - expected) / largest if largest else 0.0

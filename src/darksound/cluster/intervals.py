"""The number of call types with an interval, and the stability of each cluster."""

from dataclasses import dataclass
from math import ceil, floor, isnan
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.clusterers.base import (
    Clustering,
    ClusterSubset,
    SharesDistances,
    cluster_subsets,
)
from darksound.cluster.estimators import (
    FitPredict,
    FitTransform,
    record_estimators,
    resolve_clusterer,
)
from darksound.cluster.metrics import NOISE
from darksound.cluster.notes import OnNote, ignore_note, log_note
from darksound.cluster.pseudo_labels import NO_CONSTRAINTS, ReviewedGroups, apply_constraints
from darksound.cluster.reducers.base import Vectors
from darksound.cluster.reducers.sample import stratified_sample
from darksound.cluster.stability import Resamples, resample_clusters
from darksound.cluster.structure import clusterer_seed, reduce, reducer_seed, resolve_methods
from darksound.errors import SettingsError
from darksound.parallel.threads import single_threaded
from darksound.progress import Progress, silent
from darksound.settings import Settings

__all__ = [
    "MIN_STABILITY",
    "ClusterStability",
    "TypeCount",
    "cluster_stability",
    "type_count",
    "with_type_count",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Mean Jaccard coefficient from which a cluster is stable (Hennig 2007).
MIN_STABILITY = 0.75

# The interval of the number of call types: with k clusters of mean stability m, from A k m^B to
# C k m^D, and never without k. benchmarks/intervals.py fits the numbers on synthetic worlds of 5 to
# 60 species, and measures on others how often the interval holds their number.
_LOW, _LOW_POWER = 0.96, 2.4
_HIGH, _HIGH_POWER = 1.38, 1.2
# Mean stability below which no synthetic world was.
_MIN_MEAN = 0.3

_COLUMNS = ("n_types", "n_types_low", "n_types_high", "n_stable")


@dataclass(frozen=True)
class TypeCount:
    """The number of call types.

    Attributes:
        n: number of clusters.
        low, high: 95 % interval of the number of call types.
        n_stable: number of clusters whose stability is at least 0.75.
    """

    n: int
    low: int
    high: int
    n_stable: int

    @property
    def sentence(self) -> str:
        """Return the numbers as text: `27 call types, 23 to 31; 21 stable`."""
        noun = "call type" if self.n == 1 else "call types"
        return f"{self.n} {noun}, {self.low} to {self.high}; {self.n_stable} stable"

    @classmethod
    def from_row(cls, row: "pd.Series[Any]") -> Self | None:
        """Return the numbers in a row of `iterations.csv`; None without them."""
        values = [float(row.get(name, float("nan"))) for name in _COLUMNS]
        return None if any(map(isnan, values)) else cls(*map(int, values))


@dataclass(frozen=True)
class ClusterStability:
    """The stability of a clustering under resampling of recordings.

    Attributes:
        per_cluster: `(k,)` mean Jaccard coefficient of each cluster, 0 to 1.
        types: the number of call types.
    """

    per_cluster: Floats
    types: TypeCount


def type_count(stability: Floats) -> TypeCount:
    """Return the number of call types, from the stability `(k,)` of each of k clusters, k above 0.

    The interval is from 0.96 k m^2.4 to the larger of k and 1.38 k m^1.2, where m is the mean
    stability. If clusters are found again in each resample, the number may be a little too low,
    since similar types are in one cluster. The less stable they are, the more of them are parts of
    the same types.
    """
    k = len(stability)
    mean = max(float(stability.mean()), _MIN_MEAN)
    low = floor(_LOW * k * mean**_LOW_POWER)
    high = ceil(max(float(k), _HIGH * k * mean**_HIGH_POWER))
    return TypeCount(k, max(low, 1), high, int((stability >= MIN_STABILITY).sum()))


def with_type_count(iterations: pd.DataFrame, types: TypeCount | None) -> pd.DataFrame:
    """Return the table of iterations with the number of call types in the kept one.

    Args:
        iterations: columns of `iterations.csv`.
        types: of the kept iteration; None leaves the table as it is.
    """
    if types is None:
        return iterations
    table = iterations.copy()
    values = (types.n, types.low, types.high, types.n_stable)
    at = table.columns.get_loc("n_clusters")
    assert isinstance(at, int)  # column names are unique
    for offset, (name, value) in enumerate(zip(_COLUMNS, values, strict=True), start=1):
        table.insert(at + offset, name, pd.Series(value, table.index).where(table["kept"]))
    return table


# Clusterers that share no distances are repeated on at most so many ROIs, a stratified sample.
_MAX_SAMPLE = 5000


def cluster_stability(
    embeddings: Vectors,
    clustering: Clustering,
    units: Ints,
    settings: Settings,
    *,
    constraints: ReviewedGroups = NO_CONSTRAINTS,
    reducer: FitTransform | None = None,
    clusterer: FitPredict | None = None,
    note: OnNote = log_note,
    progress: Progress = silent,
) -> ClusterStability | None:
    """Return the stability of clusters when recordings are resampled, and the number of call types.

    Embeddings, their reduction, and for `linkage` the distances are those of the whole set;
    `mec.resamples` times 80 % of the units are clustered again, as `find_clusters` did. Micro-
    clusters of large sets are shared as well. Of other clusterers with more than 5,000 ROIs a
    stratified sample is resampled. The merges of `mec.merge_threshold` are not repeated.

    Args:
        embeddings: `(n, dim)` that were clustered.
        clustering: of the n ROIs.
        units: `(n,)` number of the unit of each ROI, see `resampling_units`.
        settings: reduction, clustering, number of resamples and seed.
        constraints: `(n,)` that were applied to the clustering.
        reducer: an object with `fit_transform`, in place of `reduction.method`.
        clusterer: an object with `fit_predict`, in place of `clustering.method`.
        note: called with a sentence if a resample cannot be clustered.
        progress: called with the number of resamples.

    Returns:
        None with `mec.resamples` 0, fewer than two clusters, or if a resample cannot be clustered.
    """
    if not settings.mec.resamples or clustering.n_clusters < 2:
        return None
    try:
        resamples = _resample(
            embeddings,
            clustering,
            units,
            settings,
            constraints=constraints,
            estimators=(reducer, clusterer),
            progress=progress,
        )
    except SettingsError as error:
        note(f"The stability of clusters is not known, since a resample was not clustered: {error}")
        return None
    return ClusterStability(resamples.stability, type_count(resamples.stability))


def _resample(
    embeddings: Vectors,
    clustering: Clustering,
    units: Ints,
    settings: Settings,
    *,
    constraints: ReviewedGroups,
    estimators: tuple[FitTransform | None, FitPredict | None],
    progress: Progress,
) -> Resamples:
    """Return the clusterings of resamples.

    Raises:
        SettingsError: a resample cannot be clustered.
    """
    reducer, clusterer = estimators
    resolved = resolve_methods(record_estimators(settings, reducer, clusterer))
    method = resolve_clusterer(resolved.clustering, clusterer)
    labels = clustering.labels
    if not isinstance(method, SharesDistances) and len(labels) > _MAX_SAMPLE:
        rows = stratified_sample(labels - NOISE, _MAX_SAMPLE, settings.seed)
        embeddings, labels, units = embeddings[rows], labels[rows], units[rows]
        constraints = constraints[rows] if constraints.size else constraints
    seed = reducer_seed(settings.seed)
    x = reduce(embeddings, resolved.reduction, seed, note=ignore_note, reducer=reducer)
    with single_threaded():
        cluster_rows = cluster_subsets(
            method,
            x.astype(np.float64),
            resolved.clustering,
            clusterer_seed(settings.seed),
            clustering.n_clusters,
        )
        return resample_clusters(
            labels,
            _constrained(cluster_rows, constraints),
            units,
            n_resamples=settings.mec.resamples,
            seed=settings.seed,
            progress=progress,
        )


def _constrained(cluster_rows: ClusterSubset, constraints: ReviewedGroups) -> ClusterSubset:
    """Return a function that applies the constraints of a review to the clusters of subsets."""
    if not constraints.size:
        return cluster_rows

    def cluster(rows: Ints) -> Ints:
        labels = cluster_rows(rows)
        zeros = np.zeros(len(rows))
        k = int(labels.max(initial=NOISE)) + 1
        found = Clustering(labels, zeros, zeros, np.zeros(k))
        return apply_constraints(found, constraints[rows]).labels

    return cluster

"""Metrics of an iteration of MEC, and the choice of the iteration to keep, without labels."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.metrics import (
    NOISE,
    Agreement,
    Scores,
    adjusted_mutual_information,
    label_scores,
    noise_as_singletons,
)
from darksound.cluster.normalise import normalise
from darksound.cluster.notes import Stages, Stopwatch
from darksound.cluster.reducers.sample import stratified_sample
from darksound.cluster.validity import cluster_validity
from darksound.settings import Settings

__all__ = ["CRITERIA", "Iteration", "describe", "is_better", "iteration_table", "validity_rows"]

# Stream of the seed.
_STREAM = 402


@dataclass(frozen=True)
class Iteration:
    """Metrics of one iteration.

    Attributes:
        iteration: 0 for the initial learner, then the number of fine-tunings so far.
        n_clusters: number of clusters, without noise.
        coverage: share of ROIs in a cluster.
        dbcv: density-based cluster validity of normalised embeddings, see `describe`.
        weighted_entropy: entropy of the clusters in bits, weighted by the validity of each.
        ami_previous: AMI over all ROIs with the previous iteration; NaN for the first.
        persistence: mean persistence of the clusters.
        scores: agreement with labels, None without labels.
        seconds: wall time of the iteration.
        stages: wall time of its stages.
        n_components: dimensions after reduction, if several were compared by DBCV.
        n_superclusters: number of superclusters; None where they were not computed.
    """

    iteration: int
    n_clusters: int
    coverage: float
    dbcv: float
    weighted_entropy: float
    ami_previous: float
    persistence: float
    scores: Scores | None
    seconds: float
    stages: Stages = field(default_factory=Stages)
    n_components: int | None = None
    n_superclusters: int | None = None

    def as_row(self) -> dict[str, float]:
        """Return the row of `iterations.csv`, without `kept`; label metrics only with labels."""
        plain = asdict(self)
        seconds, stages = plain.pop("seconds"), plain.pop("stages")
        plain.pop("scores")
        if self.n_components is None:
            plain.pop("n_components")
        above = plain.pop("n_superclusters")
        if above is not None:
            first = {name: plain.pop(name) for name in ("iteration", "n_clusters")}
            plain = {**first, "n_superclusters": above, **plain}
        scores = self.scores.as_row() if self.scores else {}
        return {**plain, **scores, **stages, "seconds": seconds}

    def as_json(self) -> dict[str, Any]:
        """Return plain values for `from_json`; NaN stays NaN."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Iteration":
        """Return the iteration that `as_json` converted."""
        scores = values["scores"]
        if scores is not None:
            agreements = {key: Agreement(**scores[key]) for key in ("clustered", "everything")}
            scores = Scores(**{**scores, **agreements})
        # Runs that began before stages were timed have none.
        stages = Stages(**values.get("stages", {}))
        return cls(**{**values, "scores": scores, "stages": stages})


def describe(
    embeddings: npt.NDArray[np.float32],
    clustering: Clustering,
    settings: Settings,
    *,
    iteration: int = 0,
    previous: Clustering | None = None,
    labels: npt.NDArray[np.object_] | None = None,
    watch: Stopwatch | None = None,
) -> Iteration:
    """Return the metrics of a clustering.

    DBCV and weighted entropy are computed in normalised embeddings, not in the space that was
    clustered: UMAP separates any two groups, so there the validity is near 1 for good and bad
    embeddings alike, and does not show which iteration is better. Above
    `mec.max_validity_samples` ROIs they are computed from a stratified sample.

    Args:
        embeddings: `(n, dim)` in which the validity is computed.
        clustering: of the n ROIs.
        settings: normalisation, size of the sample and seed.
        iteration: its number.
        previous: the clustering of the previous iteration.
        labels: `(n,)` of the ROIs, None for ROIs without a label.
        watch: measures the validity; its time so far is the time of the iteration.
    """
    watch = watch or Stopwatch()
    with watch.timing("validity_s"):
        normalised = normalise(embeddings, settings.reduction.normalise)
        rows = validity_rows(clustering.labels, settings)
        validity = cluster_validity(normalised[rows], clustering.labels[rows])
    ami_previous = float("nan")
    if previous is not None:
        ami_previous = adjusted_mutual_information(
            noise_as_singletons(previous.labels), noise_as_singletons(clustering.labels)
        )
    return Iteration(
        iteration=iteration,
        n_clusters=clustering.n_clusters,
        coverage=clustering.coverage,
        dbcv=validity.dbcv,
        weighted_entropy=validity.weighted_entropy,
        ami_previous=ami_previous,
        persistence=clustering.mean_persistence,
        scores=None if labels is None else label_scores(clustering.labels, labels),
        seconds=watch.seconds,
        stages=watch.stages,
    )


def validity_rows(
    clusters: npt.NDArray[np.int64], settings: Settings
) -> npt.NDArray[np.int64] | slice:
    """Return the rows that DBCV is computed on, of clusters `(n,)`.

    They are all rows up to `mec.max_validity_samples`, else a sample stratified by cluster, noise
    included.
    """
    if len(clusters) <= settings.mec.max_validity_samples:
        return slice(None)
    seed = int(np.random.SeedSequence([settings.seed, _STREAM]).generate_state(1)[0])
    return stratified_sample(clusters - NOISE, settings.mec.max_validity_samples, seed)


def iteration_table(iterations: Iterable[Iteration], kept: int) -> pd.DataFrame:
    """Return one row per iteration: its metrics, `seconds`, and whether it is the `kept` one."""
    table = pd.DataFrame([iteration.as_row() for iteration in iterations])
    table["kept"] = table["iteration"] == kept
    return table


#: Criteria, highest for the iteration to keep, by their names in the settings; NaN if undefined.
CRITERIA: dict[str, Callable[[Iteration], float]] = {
    "weighted_entropy": lambda iteration: iteration.weighted_entropy,
    "dbcv": lambda iteration: iteration.dbcv,
    "coverage": lambda iteration: iteration.coverage,
    "persistence": lambda iteration: iteration.persistence,
    "last": lambda iteration: float(iteration.iteration),
}
# Criteria for which the number of clusters does not matter.
_UNCONDITIONAL = frozenset({"last"})

# A first clustering with very few clusters may gain this many.
_MAX_GAIN = 8


def is_better(
    candidate: Iteration,
    best: Iteration,
    first: Iteration,
    criterion: str,
    min_gain: float = 0.0,
) -> bool:
    """Return whether a later iteration is to be kept instead of the best one so far.

    An iteration without a plausible number of clusters is only kept if no other has one, unless
    the criterion is `last`: fewer than two clusters, fewer than half as many as at `first` (the
    learner merged them), or more than twice as many and more than eight more (it split them). On a
    tie the earlier iteration is kept. The first iteration is only replaced by one whose criterion
    is higher by the share `min_gain`, since fine-tuning raises it a little even where clusters are
    no better.
    """
    candidate_plausible, best_plausible = (
        _is_plausible(candidate, first),
        _is_plausible(best, first),
    )
    if candidate_plausible != best_plausible and criterion not in _UNCONDITIONAL:
        return candidate_plausible
    score, best_score = CRITERIA[criterion](candidate), CRITERIA[criterion](best)
    if best is first and criterion not in _UNCONDITIONAL:
        best_score += min_gain * abs(best_score)
    return score > best_score or (isnan(best_score) and not isnan(score))


def _is_plausible(iteration: Iteration, first: Iteration) -> bool:
    fewest = max(2.0, first.n_clusters / 2)
    most = max(2 * first.n_clusters, first.n_clusters + _MAX_GAIN)
    return fewest <= iteration.n_clusters <= most

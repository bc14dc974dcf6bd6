"""Which iteration to keep, chosen without labels."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import isnan
from types import MappingProxyType
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
    noise_apart,
)
from darksound.cluster.normalise import normalise
from darksound.cluster.notes import Stages, Stopwatch
from darksound.cluster.reducers.sample import stratified_sample
from darksound.cluster.validity import judge
from darksound.settings import Settings

__all__ = ["CRITERIA", "Iteration", "better", "describe", "iteration_table"]

_PURPOSE = 402


@dataclass(frozen=True)
class Iteration:
    """The figures of one iteration.

    Attributes:
        iteration: 0 for the learner as given, then the number of fine-tunings so far.
        n_clusters: clusters, noise being none.
        coverage: share of ROIs in a cluster.
        dbcv: density-based validity in the space of normalised embeddings, see `describe`.
        information: bits that a ROI's cluster tells of it, weighted by validity.
        ami_previous: AMI over all ROIs with the iteration before; NaN for the first.
        persistence: mean persistence of the clusters.
        scores: agreement with labels, where there are labels.
        seconds: wall time of all of it.
        stages: what of it went into each stage.
    """

    iteration: int
    n_clusters: int
    coverage: float
    dbcv: float
    information: float
    ami_previous: float
    persistence: float
    scores: Scores | None
    seconds: float
    stages: Stages = field(default_factory=Stages)

    def as_row(self) -> dict[str, float]:
        """Its row of the table, without `kept`; label metrics only where there are labels."""
        plain = asdict(self)
        seconds, stages = plain.pop("seconds"), plain.pop("stages")
        plain.pop("scores")
        scores = self.scores.as_row() if self.scores else {}
        return {**plain, **scores, **stages, "seconds": seconds}

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` takes back; NaN stays NaN."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Iteration":
        """What `as_json` gave."""
        scores = values["scores"]
        if scores is not None:
            both = {key: Agreement(**scores[key]) for key in ("clustered", "everything")}
            scores = Scores(**{**scores, **both})
        # Runs begun before stages were timed have none.
        stages = Stages(**values.get("stages", {}))
        return cls(**{**values, "scores": scores, "stages": stages})


def describe(
    iteration: int,
    embeddings: npt.NDArray[np.float32],
    clustering: Clustering,
    previous: Clustering | None,
    labels: npt.NDArray[np.object_] | None,
    settings: Settings,
    watch: Stopwatch,
) -> Iteration:
    """The figures of a clustering, judged in embeddings `(n, dim)`; `watch` tells its seconds.

    Validity is taken in normalised embeddings, and not in the space that was clustered: UMAP
    pulls any two groups apart, so that there the index is near 1 with good and bad embeddings
    alike and says nothing about which iteration is the better one. Above `mec.max_validity_samples`
    ROIs it is that of a sample.
    """
    with watch.timing("validity_s"):
        space = normalise(embeddings, settings.reduction.normalise)
        rows = _judged(clustering.labels, settings)
        validity = judge(space[rows], clustering.labels[rows])
    agrees = float("nan")
    if previous is not None:
        agrees = adjusted_mutual_information(
            noise_apart(previous.labels), noise_apart(clustering.labels)
        )
    return Iteration(
        iteration=iteration,
        n_clusters=clustering.n_clusters,
        coverage=clustering.coverage,
        dbcv=validity.dbcv,
        information=validity.information,
        ami_previous=agrees,
        persistence=clustering.mean_persistence,
        scores=None if labels is None else label_scores(clustering.labels, labels),
        seconds=watch.seconds,
        stages=watch.stages,
    )


def _judged(clusters: npt.NDArray[np.int64], settings: Settings) -> npt.NDArray[np.int64] | slice:
    """Rows that clusters `(n,)` are judged by: all, or each cluster's and the noise's share."""
    if len(clusters) <= settings.mec.max_validity_samples:
        return slice(None)
    seed = int(np.random.SeedSequence([settings.seed, _PURPOSE]).generate_state(1)[0])
    return stratified_sample(clusters - NOISE, settings.mec.max_validity_samples, seed)


def iteration_table(iterations: Iterable[Iteration], kept: int) -> pd.DataFrame:
    """One row an iteration: its figures, `seconds`, and whether it was `kept`."""
    table = pd.DataFrame([iteration.as_row() for iteration in iterations])
    table["kept"] = table["iteration"] == kept
    return table


#: What is highest for the iteration to keep, by its name in the settings; NaN where undefined.
CRITERIA: Mapping[str, Callable[[Iteration], float]] = MappingProxyType(
    {
        "information": lambda iteration: iteration.information,
        "dbcv": lambda iteration: iteration.dbcv,
        "coverage": lambda iteration: iteration.coverage,
        "persistence": lambda iteration: iteration.persistence,
        "last": lambda iteration: float(iteration.iteration),
    }
)

# A first clustering that found next to nothing may still come to something.
_MORE = 8


def better(candidate: Iteration, best: Iteration, first: Iteration, criterion: str) -> bool:
    """Whether a later iteration is to be kept instead of the best one so far.

    Whatever the criterion, an iteration that has not kept its structure is only kept where no
    other has: one with fewer than two clusters, which sorts nothing, with fewer than half as many
    as the learner found at `first`, which learnt to confuse them, or with more than twice as many
    (and eight more), which learnt to tear them. On a tie the earlier iteration stays.
    """
    stands, stood = _has_structure(candidate, first), _has_structure(best, first)
    if stands != stood:
        return stands
    ours, theirs = CRITERIA[criterion](candidate), CRITERIA[criterion](best)
    return ours > theirs or (isnan(theirs) and not isnan(ours))


def _has_structure(iteration: Iteration, first: Iteration) -> bool:
    fewest = max(2.0, first.n_clusters / 2)
    most = max(2 * first.n_clusters, first.n_clusters + _MORE)
    return fewest <= iteration.n_clusters <= most

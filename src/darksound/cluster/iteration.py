"""One iteration of the loop: what was found, and the figures that describe it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.cluster.clusterers.base import Clustering
from darksound.cluster.metrics import (
    Agreement,
    Scores,
    adjusted_mutual_information,
    label_scores,
    noise_apart,
)
from darksound.cluster.normalise import normalise
from darksound.cluster.validity import judge
from darksound.settings import Settings

__all__ = ["Iteration", "describe", "iteration_table"]


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
        seconds: wall time, fine-tuning included.
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

    def as_row(self) -> dict[str, float]:
        """Its row of the table, without `kept`; label metrics only where there are labels."""
        plain = asdict(self)
        seconds = plain.pop("seconds")
        plain.pop("scores")
        return {**plain, **(self.scores.as_row() if self.scores else {}), "seconds": seconds}

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
        return cls(**{**values, "scores": scores})


def describe(
    iteration: int,
    embeddings: npt.NDArray[np.float32],
    clustering: Clustering,
    previous: Clustering | None,
    labels: npt.NDArray[np.object_] | None,
    settings: Settings,
    seconds: float,
) -> Iteration:
    """The figures of a clustering, judged in embeddings `(n, dim)`.

    Validity is taken in normalised embeddings, and not in the space that was clustered: UMAP
    pulls any two groups apart, so that there the index is near 1 with good and bad embeddings
    alike and says nothing about which iteration is the better one.
    """
    space = normalise(embeddings, settings.reduction.normalise)
    validity = judge(space, clustering.labels)
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
        seconds=seconds,
    )


def iteration_table(iterations: Iterable[Iteration], kept: int) -> pd.DataFrame:
    """One row an iteration: its figures, `seconds`, and whether it was `kept`."""
    table = pd.DataFrame([iteration.as_row() for iteration in iterations])
    table["kept"] = table["iteration"] == kept
    return table

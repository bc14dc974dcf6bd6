"""How well found units agree with annotated ones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.optimize

__all__ = ["Agreement", "agreement", "overlap_in_time"]

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Found against annotated units.

    Attributes:
        found: number of units that were found.
        annotated: number of units that were annotated.
        matched: number of pairs of one of each.
    """

    found: int
    annotated: int
    matched: int

    @property
    def precision(self) -> float:
        """Share of the found units that were annotated."""
        return self.matched / max(self.found, 1)

    @property
    def recall(self) -> float:
        """Share of the annotated units that were found."""
        return self.matched / max(self.annotated, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.matched / max(self.found + self.annotated, 1)


def overlap_in_time(a: Times, b: Times) -> Times:
    """Intersection over union in time of every unit of `a` with every unit of `b`.

    Args:
        a: starts and ends in seconds, `(n, 2)`.
        b: starts and ends in seconds, `(m, 2)`.

    Returns:
        `(n, m)`, in [0, 1].
    """
    shared = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    shared = np.maximum(shared, 0)
    both = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None, :] - shared
    overlap: Times = shared / both
    return overlap


def agreement(found: Times, annotated: Times, overlap: float = 0.3) -> Agreement:
    """Pairs of found and annotated units, as many as can be made of units that overlap enough.

    Args:
        found: starts and ends in seconds, `(n, 2)`.
        annotated: starts and ends in seconds, `(m, 2)`.
        overlap: intersection over union in time from which a pair counts.
    """
    enough = overlap_in_time(found, annotated) >= overlap
    rows, columns = scipy.optimize.linear_sum_assignment(enough, maximize=True)
    return Agreement(len(found), len(annotated), int(enough[rows, columns].sum()))

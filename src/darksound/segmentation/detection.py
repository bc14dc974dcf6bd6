"""Scores of detected ROIs against annotated ones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.optimize

__all__ = ["DetectionScores", "score_detections", "time_iou"]

#: Starts and ends in seconds, `(n, 2)`.
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DetectionScores:
    """Numbers of detected, annotated and matched ROIs.

    Attributes:
        n_detected: number of detected ROIs.
        n_annotated: number of annotated ROIs.
        n_matched: number of pairs of a detected and an annotated ROI.
    """

    n_detected: int
    n_annotated: int
    n_matched: int

    @property
    def precision(self) -> float:
        """Return the share of the detected ROIs that are annotated."""
        return self.n_matched / max(self.n_detected, 1)

    @property
    def recall(self) -> float:
        """Return the share of the annotated ROIs that are detected."""
        return self.n_matched / max(self.n_annotated, 1)

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall."""
        return 2 * self.n_matched / max(self.n_detected + self.n_annotated, 1)


def time_iou(a: Times, b: Times) -> npt.NDArray[np.float64]:
    """Return the intersection over union in time of every ROI of `a` with every ROI of `b`.

    Args:
        a: starts and ends in seconds, `(n, 2)`.
        b: starts and ends in seconds, `(m, 2)`.

    Returns:
        `(n, m)`, in [0, 1].
    """
    shared = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    shared = np.maximum(shared, 0)
    union = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None, :] - shared
    iou: npt.NDArray[np.float64] = shared / union
    return iou


def score_detections(detected: Times, annotated: Times, min_iou: float = 0.3) -> DetectionScores:
    """Match detected and annotated ROIs one to one, in as many pairs as possible.

    Args:
        detected: starts and ends in seconds, `(n, 2)`.
        annotated: starts and ends in seconds, `(m, 2)`.
        min_iou: smallest intersection over union in time of a pair.
    """
    matches = time_iou(detected, annotated) >= min_iou
    rows, columns = scipy.optimize.linear_sum_assignment(matches, maximize=True)
    return DetectionScores(len(detected), len(annotated), int(matches[rows, columns].sum()))

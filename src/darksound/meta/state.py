"""How far a training is: all that is needed to go on as if it had never stopped."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from darksound.meta.learners import Learner

__all__ = ["EpochReport", "TrainState"]


@dataclass(frozen=True)
class EpochReport:
    """One epoch in figures.

    Attributes:
        epoch: from 1.
        train_loss: mean over the epoch's steps.
        train_accuracy: mean over the epoch's steps, on augmented images.
        validation_loss: mean over the validation episodes; NaN without validation.
        validation_accuracy: mean over the validation episodes; NaN without validation.
        learning_rate: that the epoch was trained with.
        images_per_s: trained images a second.
        seconds: of training and validation together.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    images_per_s: float
    seconds: float

    @property
    def score(self) -> tuple[float, float]:
        """What epochs are compared by: the accuracy, then the loss; of validation if there is."""
        if math.isnan(self.validation_accuracy):
            return -self.train_loss, 0.0
        return self.validation_accuracy, -self.validation_loss


@dataclass
class TrainState:
    """A training after some epoch.

    Attributes:
        learner: as it is now.
        epoch: epochs done.
        head: weights of what is trained beside the learner; empty in the episodic regime.
        optimizer: the optimiser's state dict.
        learning_rate: that the next epoch uses.
        stale: epochs since the best one, or since the rate last fell.
        best: a copy of the weights to keep.
        start: figures of the learner as it was given, as epoch 0; None without validation.
        reports: one an epoch.
    """

    learner: Learner
    epoch: int = 0
    head: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    learning_rate: float = math.nan
    stale: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    start: EpochReport | None = None
    reports: list[EpochReport] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The best trained epoch, which the schedule goes by; 0 before the first. Of equals, the
        earliest.
        """
        best = max(self.reports, key=lambda report: report.score, default=None)
        return 0 if best is None else best.epoch

    @property
    def kept(self) -> EpochReport | None:
        """The epoch whose weights are kept: the best, or the start where none is better."""
        every = [*filter(None, [self.start]), *self.reports]
        return max(every, key=lambda report: report.score, default=None)

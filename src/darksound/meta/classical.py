"""The classical regime: softmax over all training classes, on the backbone that learners share."""

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.errors import SettingsError
from darksound.meta.device import autocast, to_device
from darksound.meta.episodes import EpisodeSampler
from darksound.meta.learners.base import Learner
from darksound.meta.randomness import Purpose, numpy_generator, seeded_torch
from darksound.meta.steps import Batches, Step, share_right
from darksound.settings import Settings

if TYPE_CHECKING:
    from darksound.store.contract import Store

__all__ = ["ClassicalRegime"]


class _WithHead(nn.Module):
    """A learner and the linear layer that tells the training classes apart."""

    def __init__(self, learner: Learner, n_classes: int, seed: int) -> None:
        super().__init__()
        self.learner = learner
        with seeded_torch(seed, Purpose.HEAD, n_classes):
            self.head = nn.Linear(learner.embedding_dim, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        vectors = self.learner.embed(images)
        logits: Tensor = self.head(vectors * (self.learner.backbone.logit_scale or 1.0))
        return logits


class ClassicalRegime:
    """Each step is a batch in which every class is equally likely; cross-entropy.

    Args:
        learner: trained in place; one that is nothing but its backbone.
        images: what the sampler's rows are rows of.
        sampler: says which classes and rows there are.
        settings: for training, augmentation, compute and the seed.

    Raises:
        SettingsError: the learner has parts of its own, which this regime would leave untrained.
    """

    def __init__(
        self, learner: Learner, images: "Store", sampler: EpisodeSampler, settings: Settings
    ) -> None:
        if learner.parameters_beside_backbone:
            raise SettingsError(
                f"training.regime 'classical' trains the backbone alone, and learner.method "
                f"{learner.method!r} has parts of its own; use 'prototypical', then train "
                f"{learner.method!r} episodically with that checkpoint as backbone.weights."
            )
        self._batches = Batches(images, settings)
        self._settings = settings
        self._rows = sampler.rows_by_class
        self._module = to_device(
            _WithHead(learner, len(self._rows), settings.seed), self._batches.device
        )

    @property
    def module(self) -> nn.Module:
        """The learner and the linear layer on top of it."""
        return self._module

    def step(self, *counters: int) -> Step:
        """Loss and accuracy of one batch."""
        seed, device = self._settings.seed, self._batches.device
        rng = numpy_generator(seed, Purpose.EPISODE, *counters)
        drawn = rng.integers(0, len(self._rows), self._settings.training.batch_size)
        rows = np.array([rng.choice(self._rows[k]) for k in drawn])
        images = self._batches(rows, *counters)
        with (
            seeded_torch(seed, Purpose.DROPOUT, *counters, device=device),
            autocast(device, self._batches.dtype),
        ):
            scores = self._module(images)
        labels = torch.from_numpy(drawn).to(device)
        return Step(
            F.cross_entropy(scores.float(), labels), share_right(scores, labels), len(images)
        )

"""Training regimes: the loss of one step, on an episode or on a batch of all classes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.device import resolve_device, upload
from darksound.errors import SettingsError
from darksound.meta.augmentation import AUGMENTERS
from darksound.meta.device import autocast, in_fast_format, to_device
from darksound.meta.device_rows import DeviceRows
from darksound.meta.episodes import Episode, EpisodeSampler
from darksound.meta.learners.base import Learner
from darksound.meta.randomness import Purpose, numpy_generator, seeded_torch, torch_generator
from darksound.settings import Settings
from darksound.store.contract import Store

__all__ = [
    "REGIMES",
    "ClassicalRegime",
    "EpisodicRegime",
    "Regime",
    "StepResult",
    "TrainingBatches",
]


@dataclass(frozen=True)
class StepResult:
    """The result of one training step.

    Attributes:
        loss: scalar on the device, before the backward pass.
        accuracy: share of labelled ROIs with the correct class, a scalar on the device.
        n_images: number of images that passed the network.
    """

    loss: Tensor
    accuracy: Tensor
    n_images: int


class Regime(Protocol):
    """A way of training: the module that is optimised, and the loss of each step.

    The random numbers of a step depend on the seed and `counters` alone, so that training can
    stop and resume after any step.
    """

    @property
    def module(self) -> nn.Module:
        """Return the module that is optimised."""

    def step(self, *counters: int) -> StepResult:
        """Return the loss of one step, in training mode."""


class TrainingBatches:
    """Augmented batches on the device.

    Args:
        images: images or vectors, with altered versions of the sound if there are any.
        settings: `augmentation`, `front_end.channels`, `compute` and `seed` are used.
    """

    def __init__(self, images: Store, settings: Settings) -> None:
        self._images = images
        self._settings = settings
        self.device, self.dtype = resolve_device(settings.compute)
        self._rows = DeviceRows(images, self.device)

    def augmented(self, rows: npt.NDArray[np.int64], *counters: int) -> Tensor:
        """Return images `(b, 3, h, w)`, or vectors, of these rows, augmented.

        The counters select the random numbers.
        """
        if not self._settings.augmentation.enabled:
            return self.unaltered(rows)
        seed = self._settings.seed
        rng = numpy_generator(seed, Purpose.AUGMENT, *counters)
        versions = rng.integers(0, self._images.n_versions, len(rows))
        generator = torch_generator(seed, Purpose.AUGMENT, *counters)
        augment = AUGMENTERS[self._images.kind]
        return in_fast_format(augment(self._rows.batch(rows, versions), self._settings, generator))

    def unaltered(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Return images, or vectors, of these rows without augmentation."""
        return in_fast_format(self._rows.batch(rows))


class EpisodicRegime:
    """Each step is one episode; support and query pass the backbone as one batch.

    Args:
        learner: trained in place.
        images: rows of the sampler are rows of this store.
        sampler: draws the episodes.
        settings: `augmentation`, `front_end.channels`, `compute` and `seed` are used.
        augment_support: augment support and queries; otherwise queries alone.
    """

    def __init__(
        self,
        learner: Learner,
        images: Store,
        sampler: EpisodeSampler,
        settings: Settings,
        *,
        augment_support: bool = True,
    ) -> None:
        self._batches = TrainingBatches(images, settings)
        self._augment_support = augment_support
        self._sampler = sampler
        self._seed = settings.seed
        self._learner = to_device(learner, self._batches.device)

    @property
    def module(self) -> nn.Module:
        """Return the learner."""
        return self._learner

    def step(self, *counters: int) -> StepResult:
        """Return loss and accuracy of the queries of one episode."""
        learner, device = self._learner, self._batches.device
        episode = self._sampler.sample(numpy_generator(self._seed, Purpose.EPISODE, *counters))
        images = self._images_of(episode, *counters)
        with seeded_torch(self._seed, Purpose.DROPOUT, *counters, device=device):
            with autocast(device, self._batches.dtype):
                features = learner.features(images)
            features, n_support = features.float(), len(episode.support)
            support, query = features[:n_support], features[n_support:]
            support_labels = upload(torch.from_numpy(episode.support_labels), device)
            query_labels = upload(torch.from_numpy(episode.query_labels), device)
            state = learner.adapt(support, support_labels, episode.n_way)
            scores = learner.score(state, query)
        loss = learner.loss(scores, query_labels)
        return StepResult(loss, _accuracy(scores, query_labels), len(images))

    def _images_of(self, episode: Episode, *counters: int) -> Tensor:
        if self._augment_support:
            return self._batches.augmented(episode.rows, *counters)
        queries = self._batches.augmented(episode.query, *counters)
        return torch.cat([self._batches.unaltered(episode.support), queries])


class _Classifier(nn.Module):
    """A learner and a linear classifier of the training classes."""

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
    """Each step is a batch with equally likely classes; cross-entropy over all classes.

    Args:
        learner: trained in place; it must have no parameters beside its backbone's.
        images: rows of the sampler are rows of this store.
        sampler: defines classes and rows.
        settings: `training.batch_size`, `augmentation`, `front_end.channels`, `compute` and
            `seed` are used.

    Raises:
        SettingsError: the learner has other parameters, which this regime would not train.
    """

    def __init__(
        self, learner: Learner, images: Store, sampler: EpisodeSampler, settings: Settings
    ) -> None:
        if learner.parameters_beside_backbone:
            raise SettingsError(
                f"training.regime 'classical' trains the backbone alone, and learner.method "
                f"{learner.method!r} has other parameters; use 'prototypical', then train "
                f"{learner.method!r} episodically with that checkpoint as backbone.weights."
            )
        self._batches = TrainingBatches(images, settings)
        self._batch_size, self._seed = settings.training.batch_size, settings.seed
        self._rows_by_class = sampler.rows_by_class
        classifier = _Classifier(learner, len(self._rows_by_class), settings.seed)
        self._module = to_device(classifier, self._batches.device)

    @property
    def module(self) -> nn.Module:
        """Return the learner and the linear classifier on top of it."""
        return self._module

    def step(self, *counters: int) -> StepResult:
        """Return loss and accuracy of one batch."""
        device = self._batches.device
        rng = numpy_generator(self._seed, Purpose.EPISODE, *counters)
        classes = rng.integers(0, len(self._rows_by_class), self._batch_size)
        rows = np.array([rng.choice(self._rows_by_class[k]) for k in classes])
        images = self._batches.augmented(rows, *counters)
        with (
            seeded_torch(self._seed, Purpose.DROPOUT, *counters, device=device),
            autocast(device, self._batches.dtype),
        ):
            scores = self._module(images)
        labels = upload(torch.from_numpy(classes), device)
        loss = F.cross_entropy(scores.float(), labels)
        return StepResult(loss, _accuracy(scores, labels), len(images))


def _accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the share of rows of `(n, n_classes)` whose highest score is that of their label."""
    return (scores.argmax(1) == labels).float().mean()


#: Training regimes by `training.regime`.
REGIMES: dict[str, Callable[[Learner, Store, EpisodeSampler, Settings], Regime]] = {
    "episodic": EpisodicRegime,
    "classical": ClassicalRegime,
}

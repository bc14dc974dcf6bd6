"""Training steps: what regimes share, and the episodic one."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from darksound.meta.augmentation import AUGMENTERS
from darksound.meta.backbones.base import Backbone
from darksound.meta.device import autocast, images_to, resolve_device, staged, to_device
from darksound.meta.episodes import Episode, EpisodeSampler
from darksound.meta.learners.base import Learner
from darksound.meta.randomness import Purpose, numpy_generator, seeded_torch, torch_generator
from darksound.progress import Progress
from darksound.settings import ComputeSettings, Settings

if TYPE_CHECKING:
    from darksound.store.contract import Store

__all__ = [
    "Batches",
    "Descent",
    "EpisodicRegime",
    "Pass",
    "Regime",
    "Step",
    "make_optimizer",
    "run_pass",
    "share_right",
]

# Where the scale begins: enough for gradients of a few millionths, and seldom too much.
_FIRST_SCALE = 2.0**14


class Descent:
    """Takes steps down the gradients of losses.

    In float16 small gradients would vanish, so losses are scaled up before they are
    differentiated, and gradients down again (Micikevicius et al. 2018, arXiv 1710.03740, section
    3.2); a step whose gradients are not finite is left out, and the scale halved.

    Args:
        optimizer: what steps.
        compute: device and precision of the networks.

    Raises:
        SettingsError: the device asked for is not there.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, compute: ComputeSettings) -> None:
        device, dtype = resolve_device(compute)
        self._optimizer = optimizer
        self._scaler = torch.amp.GradScaler(
            device.type, init_scale=_FIRST_SCALE, enabled=dtype is torch.float16
        )

    def __call__(self, loss: Tensor) -> None:
        """One step."""
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._scaler.step(self._optimizer)
        self._scaler.update()


_OPTIMIZERS: dict[str, type[torch.optim.Adam] | type[torch.optim.AdamW]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
# Steps that the figures shown while training are a mean of.
_SHOWN = 20


class Regime(Protocol):
    """A way of training: what is optimised, and the loss of each step.

    A step's randomness depends on the seed and `counters` alone, so that training may stop and go
    on anywhere.
    """

    @property
    def module(self) -> nn.Module:
        """All that is optimised."""

    def step(self, *counters: int) -> "Step":
        """One step, as far as its loss, in training mode."""


@dataclass(frozen=True)
class Step:
    """What one step came to.

    Attributes:
        loss: scalar, to be differentiated.
        accuracy: share of its labelled ROIs that were told right.
        images: how many passed the network.
    """

    loss: Tensor
    accuracy: float
    images: int


class Batches:
    """Training images: altered sound, altered images, on the device.

    Args:
        images: where they come from.
        settings: for augmentation, compute and the seed.
    """

    def __init__(self, images: "Store", settings: Settings) -> None:
        self._images = images
        self._settings = settings
        self.device, self.dtype = resolve_device(settings.compute)

    def __call__(self, rows: npt.NDArray[np.int64], *counters: int) -> Tensor:
        """Images `(b, 3, h, w)`, or vectors, of these rows; the counters choose how they are
        altered."""
        seed, augmentation = self._settings.seed, self._settings.augmentation
        if not augmentation.enabled:
            return self.plain(rows)
        rng = numpy_generator(seed, Purpose.AUGMENT, *counters)
        versions = rng.integers(0, self._images.n_versions, len(rows))
        generator = torch_generator(seed, Purpose.AUGMENT, *counters)
        batch = AUGMENTERS[self._images.kind](
            self._images.batch(rows, versions), self._settings, generator
        )
        return images_to(staged(batch, self.device), self.device)

    def plain(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Images, or vectors, of these rows as they are."""
        return images_to(staged(self._images.batch(rows), self.device), self.device)


class EpisodicRegime:
    """Each step is one episode; support and query pass the backbone together.

    Args:
        learner: trained in place.
        images: what the sampler's rows are rows of.
        sampler: draws the episodes.
        settings: for augmentation, compute and the seed.
        support_as_it_is: alter queries alone.
    """

    def __init__(
        self,
        learner: Learner,
        images: "Store",
        sampler: EpisodeSampler,
        settings: Settings,
        support_as_it_is: bool = False,
    ) -> None:
        self._batches = Batches(images, settings)
        self._support_as_it_is = support_as_it_is
        self._sampler = sampler
        self._seed = settings.seed
        self._learner = to_device(learner, self._batches.device)

    @property
    def module(self) -> nn.Module:
        """The learner."""
        return self._learner

    def step(self, *counters: int) -> Step:
        """Loss and accuracy of the queries of one episode."""
        learner, device = self._learner, self._batches.device
        episode = self._sampler.sample(numpy_generator(self._seed, Purpose.EPISODE, *counters))
        images = self._drawn(episode, *counters)
        with seeded_torch(self._seed, Purpose.DROPOUT, *counters, device=device):
            with autocast(device, self._batches.dtype):
                features = learner.features(images)
            features, n_support = features.float(), len(episode.support)
            support, query = features[:n_support], features[n_support:]
            known = torch.from_numpy(episode.support_labels).to(device)
            labels = torch.from_numpy(episode.query_labels).to(device)
            scores = learner.score(learner.adapt(support, known, episode.n_way), query)
        return Step(learner.loss(scores, labels), share_right(scores, labels), len(images))

    def _drawn(self, episode: Episode, *counters: int) -> Tensor:
        if not self._support_as_it_is:
            return self._batches(episode.rows, *counters)
        queries = self._batches(episode.query, *counters)
        return torch.cat([self._batches.plain(episode.support), queries])


def share_right(scores: Tensor, labels: Tensor) -> float:
    """Share of rows of `(q, classes)` whose highest score is their label's."""
    return float((scores.argmax(1) == labels).float().mean())


@dataclass(frozen=True)
class Pass:
    """Means over the steps of one pass.

    Attributes:
        loss: mean loss.
        accuracy: mean accuracy.
        images: how many passed the network.
        seconds: time it took.
    """

    loss: float
    accuracy: float
    images: int
    seconds: float


def make_optimizer(
    module: nn.Module, settings: Settings, learning_rate: float
) -> torch.optim.Optimizer:
    """The optimiser that the settings name, over all parameters that want gradients.

    Heads on vectors have a rate and a weight decay of their own. Each group keeps, as `factor`,
    by how much its rate differs from the one given here.
    """
    training = settings.training
    on_vectors = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, Backbone) and part.logit_scale
        for parameter in part.parameters()
    }
    groups: list[dict[str, Any]] = []
    for of_head, factor, decay in (
        (False, 1.0, training.weight_decay),
        (True, training.head_lr_multiplier, training.head_weight_decay),
    ):
        wanted = [
            p for p in module.parameters() if p.requires_grad and (id(p) in on_vectors) == of_head
        ]
        if wanted:
            rate = learning_rate * factor
            groups.append({"params": wanted, "lr": rate, "weight_decay": decay, "factor": factor})
    return _OPTIMIZERS[training.optimizer](groups, lr=learning_rate)


def run_pass(
    regime: Regime,
    descend: Descent,
    steps: int,
    counters: tuple[int, ...],
    progress: Progress,
    stage: str,
) -> Pass:
    """Take `steps` optimisation steps in training mode; the module is left in evaluation mode."""
    regime.module.train()
    begun = time.perf_counter()
    losses, accuracies, images = np.zeros(steps), np.zeros(steps), 0
    progress(stage, 0, steps)
    for i in range(steps):
        step = regime.step(*counters, i)
        descend(step.loss)
        losses[i], accuracies[i] = step.loss.item(), step.accuracy
        images += step.images
        seen = slice(max(0, i + 1 - _SHOWN), i + 1)
        shown = {"loss": float(losses[seen].mean()), "accuracy": float(accuracies[seen].mean())}
        progress(stage, i + 1, steps, shown)
    regime.module.eval()
    return Pass(float(losses.mean()), float(accuracies.mean()), images, time.perf_counter() - begun)

"""Pretraining: a backbone is trained to separate synthetic species in varying acoustics."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.device import download_in_order, resolve_device
from darksound.meta.backbones.base import Backbone
from darksound.meta.backbones.build import build_backbone, resolve_weights
from darksound.meta.backbones.residual import INITIAL_SQUARED_DISTANCE, PooledBackbone
from darksound.meta.device import autocast, in_fast_format, to_device
from darksound.meta.optimization import OptimizerStep
from darksound.meta.pretraining.batches import PairBatches
from darksound.meta.pretraining.embedding_map import check_sample_size, fit_embedding_map
from darksound.meta.randomness import Purpose, seeded_torch
from darksound.meta.weights import NO_WEIGHTS, load_backbone_weights
from darksound.parallel.threads import map_in_order, single_threaded
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.synthesis.song_library import SongLibrary
from darksound.text import text_path

__all__ = [
    "LOSSES",
    "PretrainReport",
    "Pretrainer",
    "contrastive",
    "prototypical",
]

logger = logging.getLogger(__name__)


def contrastive(embeddings: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return NT-Xent (Chen et al. 2020, arXiv 2002.05709, eq. 1) of two recordings a species.

    Args:
        embeddings: `(2, n, dim)`; `[0, i]` and `[1, i]` are recordings of species i.
        temperature: divides the cosines.

    Returns:
        Mean loss, and the share of recordings whose nearest other recording is of their species.
    """
    vectors = F.normalize(embeddings.flatten(0, 1).float(), dim=1)
    cosines = vectors @ vectors.T / temperature
    cosines.fill_diagonal_(-torch.inf)
    n = len(embeddings[0])
    partner = torch.arange(2 * n, device=cosines.device).roll(n)
    accuracy = (cosines.argmax(1) == partner).float().mean()
    return F.cross_entropy(cosines, partner), accuracy


def prototypical(embeddings: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the loss of one-shot prototypes on squared distances (Snell et al. 2017, eq. 2).

    Arguments and results are those of `contrastive`; `temperature` divides the distances.
    """
    support, query = embeddings.float()
    scores = -torch.cdist(query, support).square() / temperature
    species = torch.arange(len(support), device=scores.device)
    return F.cross_entropy(scores, species), (scores.argmax(1) == species).float().mean()


#: Losses by `pretraining.loss`: `(2, n, dim)` and a temperature to loss and accuracy.
LOSSES: dict[str, Callable[[Tensor, float], tuple[Tensor, Tensor]]] = {
    "contrastive": contrastive,
    "prototypical": prototypical,
}


@dataclass(frozen=True)
class PretrainReport:
    """The figures of some steps.

    Attributes:
        step: number of steps done.
        loss: mean loss since the report before.
        accuracy: mean accuracy since the report before.
        learning_rate: learning rate of the next step.
        images_per_s: images a second.
    """

    step: int
    loss: float
    accuracy: float
    learning_rate: float
    images_per_s: float


class Pretrainer:
    """A backbone in pretraining, with its optimiser and the number of steps done.

    Args:
        libraries: songs without acoustics, one library a ROI length.
        settings: `pretraining`, `backbone`, `front_end`, `compute` and `seed` are used.

    Raises:
        SettingsError: the embedding cannot be fitted to so few samples or features.
    """

    def __init__(self, libraries: list[SongLibrary], settings: Settings) -> None:
        self.settings = settings
        self.n_steps_done = 0
        self._device, self._dtype = resolve_device(settings.compute)
        self.backbone: Backbone = to_device(_initial_backbone(settings), self._device)
        self._check_sample_size()
        self._batches = PairBatches(libraries, settings)
        pretraining = settings.pretraining
        with seeded_torch(settings.seed, Purpose.HEAD):
            head = _projection_head(self.backbone.dim, pretraining.projection_dim)
        self._network = to_device(nn.Sequential(self.backbone, head), self._device)
        self._optimizer = torch.optim.AdamW(
            _parameter_groups(self._network, pretraining.weight_decay),
            lr=pretraining.learning_rate,
            betas=(0.9, 0.99),
        )
        self._optimizer_step = OptimizerStep(self._optimizer, settings.compute)

    def _check_sample_size(self) -> None:
        """Check before training whether the embedding can be fitted after it."""
        pretraining, front_end = self.settings.pretraining, self.settings.front_end
        backbone = self.backbone
        if pretraining.embedding_fit_batches and isinstance(backbone, PooledBackbone):
            blank = torch.zeros(1, 3, front_end.n_bands, front_end.n_frames, device=self._device)
            with torch.inference_mode():
                n_features = backbone.eval().pooled_features(blank).shape[1]
            n_samples = 2 * pretraining.batch_species * pretraining.embedding_fit_batches
            check_sample_size(backbone.dim, n_samples, n_features)

    @single_threaded()
    def run(
        self,
        *,
        progress: Progress = silent,
        report_every: int = 200,
        on_report: Callable[[PretrainReport], None] | None = None,
    ) -> None:
        """Train until the last step of the settings.

        Args:
            progress: called with the number of steps done.
            report_every: number of steps between two reports.
            on_report: called with each report, and after the last step.
        """
        pretraining = self.settings.pretraining
        sums, n_steps, start = self._no_figures(), 0, time.perf_counter()
        steps = range(self.n_steps_done, pretraining.steps)
        for images in map_in_order(self._batches, steps, ahead=1):
            loss, accuracy = self._step(images)
            self.n_steps_done += 1
            n_steps += 1
            sums += torch.stack([loss, accuracy])
            progress("pretraining", self.n_steps_done, pretraining.steps)
            is_last = self.n_steps_done == pretraining.steps
            if on_report is not None and (self.n_steps_done % report_every == 0 or is_last):
                seconds = time.perf_counter() - start
                mean_loss, mean_accuracy = (sums / n_steps).tolist()
                images_per_s = n_steps * 2 * pretraining.batch_species / seconds
                on_report(
                    PretrainReport(
                        self.n_steps_done,
                        mean_loss,
                        mean_accuracy,
                        self._learning_rate(),
                        images_per_s,
                    )
                )
                sums, n_steps, start = self._no_figures(), 0, time.perf_counter()

    def _no_figures(self) -> Tensor:
        """Return sums of loss and accuracy over no steps.

        They are on the device, so that the CPU need not wait for each step of a GPU.
        """
        return torch.zeros(2, device=self._device)

    @single_threaded()
    def fit_embedding(self, progress: Progress = silent) -> None:
        """Replace the trained map from pooled features to embeddings by a fitted one.

        This does nothing if `pretraining.embedding_fit_batches` is 0, or if the backbone has no
        such map.

        Raises:
            SettingsError: `backbone.embedding_dim` is larger than the number of samples, or than
                that of features that vary.
        """
        pretraining, backbone = self.settings.pretraining, self.backbone
        n_batches = pretraining.embedding_fit_batches
        if not n_batches or not isinstance(backbone, PooledBackbone):
            return
        backbone.eval()
        pairs = []
        steps = range(pretraining.steps, pretraining.steps + n_batches)
        batches = map_in_order(self._batches, steps, ahead=1)
        all_features = download_in_order(map(self._pooled_features, batches))
        for number, features in enumerate(all_features):
            pairs.append(features.numpy())
            progress("features", number + 1, n_batches)
        logger.info(
            "Fitting the embedding to %d images of %d features. With 10,000 of each this takes "
            "about three minutes on two cores.",
            2 * sum(pair.shape[1] for pair in pairs),
            pairs[0].shape[2],
        )
        backbone.set_embedding_map(
            fit_embedding_map(
                pairs,
                backbone.dim,
                shrinkage=pretraining.shrinkage,
                squared_distance=INITIAL_SQUARED_DISTANCE,
            )
        )

    def _pooled_features(self, images: Tensor) -> Tensor:
        """Return the pooled features `(2, n, n_features)` of images `(2, n, 3, h, w)`."""
        backbone = self.backbone
        assert isinstance(backbone, PooledBackbone)
        with torch.inference_mode(), autocast(self._device, self._dtype):
            features = backbone.pooled_features(in_fast_format(images.flatten(0, 1)))
        return torch.unflatten(features.float(), 0, images.shape[:2])

    def _step(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss and accuracy, on the device, of one step on images `(2, n, 3, h, w)`."""
        pretraining = self.settings.pretraining
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self._network.train()
        with autocast(self._device, self._dtype):
            flat = in_fast_format(images.flatten(0, 1))
            embeddings = self._network(flat).unflatten(0, images.shape[:2])
        loss, accuracy = LOSSES[pretraining.loss](embeddings, pretraining.temperature)
        self._optimizer_step(loss)
        return loss.detach(), accuracy

    def _learning_rate(self) -> float:
        """Return the rate of a one-cycle schedule (Smith and Topin 2018, arXiv 1708.07120).

        It rises linearly over a tenth of the steps, and falls to 0 as a cosine.
        """
        pretraining = self.settings.pretraining
        n_rising = max(1, pretraining.steps // 10)
        if self.n_steps_done < n_rising:
            return pretraining.learning_rate * (self.n_steps_done + 1) / n_rising
        share = (self.n_steps_done - n_rising) / max(1, pretraining.steps - n_rising)
        return pretraining.learning_rate * (0.5 + 0.5 * math.cos(math.pi * min(share, 1.0)))

    def state_dict(self) -> dict[str, Any]:
        """Return the state that `load_state_dict` takes."""
        return {
            "step": self.n_steps_done,
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state; the final weights equal those without the interruption."""
        self.n_steps_done = state["step"]
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])


def _initial_backbone(settings: Settings) -> Backbone:
    """Return the backbone with random weights, or with those of the file in `backbone.weights`.

    The file may lack the final linear map, which is fitted after training.
    """
    backbone = build_backbone(settings.replace(backbone={"weights": NO_WEIGHTS}))
    weights = resolve_weights(settings.backbone)
    if weights != NO_WEIGHTS:
        load_backbone_weights(backbone, text_path(weights), backbone.fitted_keys)
    return backbone


def _projection_head(dim: int, projection_dim: int) -> nn.Module:
    """Return a head that is discarded after training (Chen et al. 2020, section 4.2).

    Without it, the embedding loses what does not help to separate the synthetic species.
    """
    if not projection_dim:
        return nn.Identity()
    return nn.Sequential(
        nn.ReLU(),
        nn.Linear(dim, dim, bias=False),
        nn.BatchNorm1d(dim),
        nn.ReLU(),
        nn.Linear(dim, projection_dim),
    )


def _parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return groups with weight decay for matrices, and none for batch norm and biases."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]

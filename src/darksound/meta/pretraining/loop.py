"""Pretraining: a backbone learns to tell synthetic species apart, whatever the recording."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.errors import SettingsError
from darksound.meta.backbones.base import Backbone
from darksound.meta.backbones.build import build_backbone
from darksound.meta.backbones.small import FIRST_DISTANCE, AffineMap, Summarising
from darksound.meta.device import autocast, resolve_device, to_device
from darksound.meta.pretraining.batches import Batches
from darksound.meta.randomness import Purpose, seeded_torch
from darksound.meta.steps import Descent
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.synthesis.song_library import SongLibrary

__all__ = [
    "LOSSES",
    "Pretrainer",
    "Report",
    "contrastive",
    "fit_map",
    "prototypical",
    "require_enough",
]


def contrastive(embeddings: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """NT-Xent (Chen et al. 2020, arXiv 2002.05709, eq. 1) of two recordings a species.

    Args:
        embeddings: `(2, n, dim)`, `[0, i]` and `[1, i]` being recordings of species i.
        temperature: of the cosines.

    Returns:
        Mean loss, and the share of recordings whose nearest other one is of its own species.
    """
    both = F.normalize(embeddings.flatten(0, 1).float(), dim=1)
    cosines = both @ both.T / temperature
    cosines.fill_diagonal_(-torch.inf)
    n = len(embeddings[0])
    partner = torch.arange(2 * n).roll(n)
    right = (cosines.argmax(1) == partner).float().mean()
    return F.cross_entropy(cosines, partner), right


def prototypical(embeddings: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """One-shot prototypes on squared Euclidean distances (Snell et al. 2017, eq. 2).

    Arguments and results as `contrastive`; `temperature` divides the distances.
    """
    support, query = embeddings.float()
    scores = -torch.cdist(query, support).square() / temperature
    own = torch.arange(len(support))
    return F.cross_entropy(scores, own), (scores.argmax(1) == own).float().mean()


#: Each takes `(2, n, dim)` and a temperature, and gives loss and accuracy.
LOSSES: Mapping[str, Callable[[Tensor, float], tuple[Tensor, Tensor]]] = MappingProxyType(
    {"contrastive": contrastive, "prototypical": prototypical}
)


Matrix = npt.NDArray[np.float64]
# Numbers of a summary that vary less than this share of the median one are dead.
_DEAD = 1e-3


def fit_map(
    pairs: Iterable[npt.NDArray[np.float32]], dim: int, shrinkage: float, distance: float
) -> AffineMap:
    """The map from summaries to embeddings.

    Args:
        pairs: arrays `(2, n, size)`; `[0, i]` and `[1, i]` are recordings of one species.
        dim: length of the embeddings.
        shrinkage: 0 whitens wholly, 1 leaves summaries of unit variance as they are.
        distance: mean squared distance between two embeddings.

    Raises:
        SettingsError: `dim` is more than the summaries' numbers that vary, or than the summaries.
    """
    drawn = np.concatenate(list(pairs), axis=1).astype(np.float64)
    flat = drawn.reshape(-1, drawn.shape[-1])
    mean, deviation = flat.mean(axis=0), flat.std(axis=0)
    alive = deviation > _DEAD * np.median(deviation)
    require_enough(dim, len(flat), int(alive.sum()))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=alive)
    matrix = scale[:, None] * _within_whitening((drawn[0] - drawn[1]) * scale, shrinkage)
    matrix = matrix @ _principal_axes((flat - mean) @ matrix, dim)
    spread = ((flat - mean) @ matrix).std(axis=0)
    size = float(np.sqrt(distance / (2 * np.square(spread).sum())))
    return AffineMap(mean, size * matrix, size * spread)


def require_enough(dim: int, count: int, size: int) -> None:
    """See that embeddings of length `dim` can be fitted to `count` summaries of `size` numbers.

    Raises:
        SettingsError: they cannot.
    """
    if dim > min(count, size):
        raise SettingsError(
            f"backbone.embedding_dim is {dim}, and the {count} summaries that the embedding is fitted to "
            f"have {size} numbers that vary; set a smaller backbone.embedding_dim, raise "
            f"pretraining.embedding_fit_batches, or set it to 0 to keep the embedding that is trained."
        )


def _within_whitening(differences: Matrix, shrinkage: float) -> Matrix:
    """The inverse square root of the shrunk covariance within species, symmetric."""
    # A difference of two draws has twice the covariance of one.
    within = differences.T @ differences / (2 * len(differences))
    sphere = np.eye(len(within)) * np.trace(within) / len(within)
    values, vectors = np.linalg.eigh((1 - shrinkage) * within + shrinkage * sphere)
    floor = values[-1] * len(values) * np.finfo(np.float64).eps
    whitening: Matrix = (vectors / np.sqrt(np.maximum(values, floor))) @ vectors.T
    return whitening


def _principal_axes(centred: Matrix, dim: int) -> Matrix:
    """Axes `(size, dim)` of most variance."""
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes: Matrix = vectors[:, ::-1][:, :dim]
    return axes


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What came of some steps: means of loss and of the share that was told right."""

    step: int
    loss: float
    accuracy: float
    learning_rate: float
    images_per_s: float


class Pretrainer:
    """A backbone, its optimiser, and how far they are.

    Args:
        libraries: of dry songs, one a ROI length.
        settings: `pretraining`, `backbone`, `front_end`, `compute` and the seed.

    Raises:
        SettingsError: the embedding cannot be fitted to as few, or as short, summaries.
    """

    def __init__(self, libraries: list[SongLibrary], settings: Settings) -> None:
        self.settings = settings
        self.step = 0
        self._batches = Batches(libraries, settings)
        self._device, self._dtype = resolve_device(settings.compute)
        self.backbone: Backbone = to_device(build_backbone(settings), self._device)
        own = settings.pretraining
        self._require_enough()
        with seeded_torch(settings.seed, Purpose.HEAD):
            head = _head(self.backbone.dim, own.projection_dim) if own.projection_dim else nn.Identity()
        self._whole = to_device(nn.Sequential(self.backbone, head), self._device)
        self._optimizer = torch.optim.AdamW(
            _decayed(self._whole, own.weight_decay), lr=own.learning_rate, betas=(0.9, 0.99)
        )
        self._descend = Descent(self._optimizer, settings.compute)

    def _require_enough(self) -> None:
        """Find out before training whether the embedding can be fitted after it."""
        own, front, backbone = self.settings.pretraining, self.settings.front_end, self.backbone
        if own.embedding_fit_batches and isinstance(backbone, Summarising):
            blank = torch.zeros(1, 3, front.n_bands, front.n_frames, device=self._device)
            with torch.inference_mode():
                size = backbone.eval().summary(blank).shape[1]
            require_enough(backbone.dim, 2 * own.batch_species * own.embedding_fit_batches, size)

    def run(
        self,
        progress: Progress = silent,
        every: int = 200,
        on_report: Callable[[Report], None] | None = None,
    ) -> None:
        """Go on to the last step of the settings, reporting every so many steps."""
        own = self.settings.pretraining
        sums, seen, start = torch.zeros(2), 0, time.perf_counter()
        while self.step < own.steps:
            loss, right = self._one()
            self.step += 1
            seen += 1
            sums += torch.stack([loss, right])
            progress("pretraining", self.step, own.steps)
            if on_report is not None and (self.step % every == 0 or self.step == own.steps):
                elapsed = time.perf_counter() - start
                mean = (sums / seen).tolist()
                speed = seen * 2 * own.batch_species / elapsed
                on_report(Report(self.step, mean[0], mean[1], self._rate(), speed))
                sums, seen, start = torch.zeros(2), 0, time.perf_counter()

    def settle(self, progress: Progress = silent) -> None:
        """Give the trained backbone the embedding that it keeps, where it sums images up.

        Raises:
            SettingsError: fewer summaries, or fewer numbers in one that vary, than `backbone.embedding_dim`.
        """
        own, backbone = self.settings.pretraining, self.backbone
        if not own.embedding_fit_batches or not isinstance(backbone, Summarising):
            return
        backbone.eval()
        pairs = []
        for number in range(own.embedding_fit_batches):
            images = self._batches(own.steps + number).to(self._device)
            with torch.inference_mode(), autocast(self._device, self._dtype):
                flat = images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
                drawn = backbone.summary(flat).float().cpu().numpy()
            pairs.append(drawn.reshape(2, -1, drawn.shape[-1]))
            progress("fitting the embedding", number + 1, own.embedding_fit_batches)
        backbone.take_map(fit_map(pairs, backbone.dim, own.shrinkage, FIRST_DISTANCE))

    def _one(self) -> tuple[torch.Tensor, torch.Tensor]:
        own = self.settings.pretraining
        images = self._batches(self.step).to(self._device)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate()
        self._whole.train()
        with autocast(self._device, self._dtype):
            embeddings = self._whole(
                images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            )
        loss, right = LOSSES[own.loss](embeddings.unflatten(0, images.shape[:2]), own.temperature)
        self._descend(loss)
        return loss.detach().cpu(), right.cpu()

    def _rate(self) -> float:
        """One cycle (Smith and Topin 2018, arXiv 1708.07120): up over a tenth, down to nothing."""
        own = self.settings.pretraining
        rise = max(1, own.steps // 10)
        if self.step < rise:
            return own.learning_rate * (self.step + 1) / rise
        share = (self.step - rise) / max(1, own.steps - rise)
        return own.learning_rate * (0.5 + 0.5 * math.cos(math.pi * min(share, 1.0)))

    def state(self) -> dict[str, Any]:
        """All that going on needs, as `restore` takes it."""
        return {
            "step": self.step,
            "network": self._whole.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, to the same weights as without the stop."""
        self.step = state["step"]
        self._whole.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])


def _head(dim: int, out: int) -> nn.Module:
    """What takes the loss's wishes upon itself, so that embeddings stay general (SimCLR, sec. 4.2).

    Without it the layer that the loss sees forgets all that does not tell the synthetic species
    apart.
    """
    return nn.Sequential(
        nn.ReLU(),
        nn.Linear(dim, dim, bias=False),
        nn.BatchNorm1d(dim),
        nn.ReLU(),
        nn.Linear(dim, out),
    )


def _decayed(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; scales and shifts of batch norm do not."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]

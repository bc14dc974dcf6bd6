"""The small residual CNN: made for 96 x 192 images, trained from scratch in minutes on a laptop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.meta.backbones.base import Backbone, BackboneFamily, fold, foldable_pairs
from darksound.meta.weights import BUNDLED, NO_WEIGHTS, bundled_size
from darksound.settings import BackboneSettings, Settings

__all__ = ["FAMILY", "FIRST_DISTANCE", "AffineMap", "SmallCNN", "Summarising"]


@dataclass(frozen=True)
class AffineMap:
    """`(x - mean) @ matrix`, from summaries `(n, size)` to embeddings `(n, dim)`.

    Attributes:
        mean: of the summaries, `(size,)`.
        matrix: `(size, dim)`.
        spread: standard deviation of each number of the embedding, `(dim,)`.
    """

    mean: npt.NDArray[np.float64]
    matrix: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


@runtime_checkable
class Summarising(Protocol):
    """A backbone whose embedding is a layer over a summary of its maps."""

    dim: int

    def summary(self, images: Tensor) -> Tensor:
        """Summaries `(b, size)` of images `(b, 3, h, w)`."""
        ...

    def take_map(self, fitted: AffineMap) -> None:
        """Embed by this map from now on."""
        ...


#: Mean squared distance between two embeddings of an untrained network: a softmax over such
#: distances is neither flat nor saturated.
FIRST_DISTANCE = 16.0
# Ranges of frequency that are pooled apart.
_RANGES = 6
# Mean, maximum, and mean weighted by loudness.
_POOLS = 3
# The channel that weighs, in the default front end what exceeds the stationary floor; and the least
# mean weight, so that silence divides by no nothing.
_LOUDNESS, _FAINT = 1, 1e-3


class _Block(nn.Module):
    """Two 3x3 convolutions with batch norm, the first halving the size, and a shortcut."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        z = self.norm3(self.shortcut(F.avg_pool2d(x, 2, ceil_mode=True)))
        return F.relu(self.norm2(self.conv2(y)) + z, inplace=True)


def _pooled(maps: Tensor, loud: Tensor) -> Tensor:
    """`(b, 18 * c)` of maps `(b, c, h, w)` and the loudness `(b, 1, H, W)` of their images."""
    size = (_RANGES, 1)
    weight = F.adaptive_max_pool2d(loud, maps.shape[2:])
    weighted = F.adaptive_avg_pool2d(maps * weight, size)
    weighted = weighted / weight.mean((2, 3), keepdim=True).clamp_min(_FAINT)
    pools = (F.adaptive_avg_pool2d(maps, size), F.adaptive_max_pool2d(maps, size), weighted)
    return torch.cat([pool.flatten(1) for pool in pools], 1)


class SmallCNN(Backbone):
    """5x5 stem, three residual blocks, a summary of the last two, a linear layer and batch norm.

    Every stage halves height and width, so a 96 x 192 image gives maps of 12 x 24 and 6 x 12. The
    summary is their mean and maximum over time alone, in six ranges of frequency, since how high a
    bird sings is half of what it sings, and a second mean that listens where sound stands out of
    its background, since the silence around a song says nothing of it.

    Args:
        channels: of the stem and the three blocks.
        dim: length of the embedding.
    """

    def __init__(self, channels: Sequence[int] = (24, 48, 96, 192), dim: int = 512) -> None:
        super().__init__()
        self.dim = dim
        self.map_channels = channels[-1]
        self.stem = nn.Conv2d(3, channels[0], 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels[0])
        steps = pairwise(channels)
        self.blocks = nn.Sequential(*(_Block(c_in, c_out) for c_in, c_out in steps))
        self.linear = nn.Linear(_POOLS * _RANGES * sum(channels[-2:]), dim, bias=False)
        self.norm = nn.BatchNorm1d(dim)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Batch norm gives each dimension unit variance: E||a - b||^2 = 2 * dim * weight^2.
        nn.init.constant_(self.norm.weight, math.sqrt(FIRST_DISTANCE / (2 * self.dim)))

    def fold_batch_norm(self) -> None:
        """Fold every batch norm that follows a convolution into it."""
        fold(self, [("stem", "stem_norm")])
        for block in self.blocks:
            fold(block, foldable_pairs(block))

    def feature_map(self, images: Tensor) -> Tensor:
        """Maps `(b, map_channels, h / 16, w / 16)`."""
        return self._last_two(images)[1]

    def summary(self, images: Tensor) -> Tensor:
        """What the linear layer is given, `(b, 18 * (channels[2] + channels[3]))`."""
        loud = images[:, _LOUDNESS : _LOUDNESS + 1]
        return torch.cat([_pooled(one, loud) for one in self._last_two(images)], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Vectors `(b, dim)`."""
        vectors: Tensor = self.norm(self.linear(self.summary(images)))
        return vectors

    @torch.no_grad()
    def take_map(self, fitted: AffineMap) -> None:
        """Embed by this map from now on; the numbers may go on being trained from there."""
        # Batch norm holds mean and spread, so that its training mode embeds the same.
        spread = torch.from_numpy(fitted.spread)
        self.linear.weight.copy_(torch.from_numpy(fitted.matrix).T / spread[:, None])
        state = {
            "weight": spread,
            "bias": torch.zeros_like(spread),
            "running_mean": self.linear.weight.double() @ torch.from_numpy(fitted.mean),
            "running_var": torch.full_like(spread, 1 - self.norm.eps),
        }
        self.norm.load_state_dict(state, strict=False)

    def _last_two(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.stem_norm(self.stem(self.prepare(images))), inplace=True)
        middle = self.blocks[:-1](x)
        return middle, self.blocks[-1](middle)


def _build(settings: Settings, weights: str) -> Backbone:
    return SmallCNN(settings.backbone.channels, settings.backbone.embedding_dim)


def _default_weights(settings: BackboneSettings) -> str:
    size = settings.model_dump(mode="json", include={"channels", "embedding_dim"})
    return BUNDLED if size == bundled_size() else NO_WEIGHTS


FAMILY = BackboneFamily(_build, _default_weights, BUNDLED)

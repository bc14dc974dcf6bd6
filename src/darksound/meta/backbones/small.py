"""The small residual CNN for 112 x 192 images, which trains from scratch on a laptop in minutes."""

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
from darksound.meta.pieces import run_in_pieces
from darksound.meta.weights import BUNDLED, NO_WEIGHTS, bundled_size
from darksound.settings import BackboneSettings, Settings

__all__ = ["FAMILY", "INITIAL_SQUARED_DISTANCE", "AffineMap", "EmbeddingMapBackbone", "SmallCNN"]


@dataclass(frozen=True)
class AffineMap:
    """The map `(x - mean) @ matrix` from features `(n, n_features)` to embeddings `(n, dim)`.

    Attributes:
        mean: mean of the features, `(n_features,)`.
        matrix: `(n_features, dim)`.
        spread: standard deviation of each dimension of the embeddings, `(dim,)`.
    """

    mean: npt.NDArray[np.float64]
    matrix: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


@runtime_checkable
class EmbeddingMapBackbone(Protocol):
    """A backbone whose embedding is an affine map of pooled features."""

    dim: int

    def pooled_features(self, images: Tensor) -> Tensor:
        """Return features `(b, n_features)` of images `(b, 3, h, w)`."""
        ...

    def set_embedding_map(self, embedding_map: AffineMap) -> None:
        """Replace the map from pooled features to embeddings."""
        ...


#: Mean squared distance of two embeddings of an untrained network: a softmax over such distances
#: is neither flat nor saturated.
INITIAL_SQUARED_DISTANCE = 16.0
# Number of frequency ranges that are pooled separately.
_N_RANGES = 6
# Number of poolings: mean, maximum, and mean weighted by loudness.
_N_POOLS = 3
# The channel with the weights; in the default front end it is the level above the background.
_LOUDNESS_CHANNEL = 1
# Smallest mean weight, so that silence does not cause a division by zero.
_MIN_WEIGHT = 1e-3


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


def _pool(maps: Tensor, loudness: Tensor) -> Tensor:
    """Return features `(b, 18 * c)` of maps `(b, c, h, w)` and loudness `(b, 1, H, W)`."""
    size = (_N_RANGES, 1)
    weight = F.adaptive_max_pool2d(loudness, maps.shape[2:])
    weighted = F.adaptive_avg_pool2d(maps * weight, size)
    weighted = weighted / weight.mean((2, 3), keepdim=True).clamp_min(_MIN_WEIGHT)
    pools = (F.adaptive_avg_pool2d(maps, size), F.adaptive_max_pool2d(maps, size), weighted)
    return torch.cat([pool.flatten(1) for pool in pools], 1)


class SmallCNN(Backbone):
    """A 5x5 stem, three residual blocks, pooling of the last two, a linear layer and batch norm.

    Each stage halves height and width, so the maps of a 112 x 192 image are 14 x 24 and 7 x 12.
    They are pooled over time in six frequency ranges, as the frequency of a song identifies it.
    Pooling is by mean, maximum, and a mean weighted by the level above the background, which
    ignores the silence around a song.

    Args:
        channels: number of channels of the stem and of the three blocks.
        dim: length of the embedding.
    """

    fitted_keys = ("linear.weight",)

    def __init__(self, channels: Sequence[int] = (24, 48, 96, 192), dim: int = 512) -> None:
        super().__init__()
        self.dim = dim
        self.map_channels = channels[-1]
        self.stem = nn.Conv2d(3, channels[0], 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels[0])
        self.blocks = nn.Sequential(*(_Block(c_in, c_out) for c_in, c_out in pairwise(channels)))
        self.linear = nn.Linear(_N_POOLS * _N_RANGES * sum(channels[-2:]), dim, bias=False)
        self.norm = nn.BatchNorm1d(dim)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Batch norm makes the variance of each dimension 1: E||a - b||^2 = 2 * dim * weight^2.
        weight = math.sqrt(INITIAL_SQUARED_DISTANCE / (2 * self.dim))
        nn.init.constant_(self.norm.weight, weight)

    def fold_batch_norm(self) -> None:
        """Fold every batch norm that follows a convolution into it."""
        fold(self, [("stem", "stem_norm")])
        for block in self.blocks:
            fold(block, foldable_pairs(block))

    def feature_map(self, images: Tensor) -> Tensor:
        """Return maps `(b, map_channels, h / 16, w / 16)`."""
        return run_in_pieces(self, lambda network, part: network._last_two_maps(part)[1], images)

    def pooled_features(self, images: Tensor) -> Tensor:
        """Return the input of the linear layer, `(b, 18 * (channels[2] + channels[3]))`."""
        return run_in_pieces(self, SmallCNN._pooled_features, images)

    def _pooled_features(self, images: Tensor) -> Tensor:
        loudness = images[:, _LOUDNESS_CHANNEL : _LOUDNESS_CHANNEL + 1]
        return torch.cat([_pool(maps, loudness) for maps in self._last_two_maps(images)], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return vectors `(b, dim)` of images `(b, 3, h, w)` in [0, 1]."""
        vectors: Tensor = self.norm(self.linear(self.pooled_features(images)))
        return vectors

    @torch.no_grad()
    def set_embedding_map(self, embedding_map: AffineMap) -> None:
        """Replace the map from pooled features to embeddings. It can be trained further."""
        # Batch norm takes over mean and spread, so that the output in training mode is the same.
        spread = torch.from_numpy(embedding_map.spread)
        self.linear.weight.copy_(torch.from_numpy(embedding_map.matrix).T / spread[:, None])
        state = {
            "weight": spread,
            "bias": torch.zeros_like(spread),
            "running_mean": self.linear.weight.double() @ torch.from_numpy(embedding_map.mean),
            "running_var": torch.full_like(spread, 1 - self.norm.eps),
        }
        self.norm.load_state_dict(state, strict=False)

    def _last_two_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.stem_norm(self.stem(self.prepare(images))), inplace=True)
        middle = self.blocks[:-1](x)
        return middle, self.blocks[-1](middle)


def _build(settings: Settings, weights: str) -> Backbone:
    return SmallCNN(settings.backbone.channels, settings.backbone.embedding_dim)


def _default_weights(settings: BackboneSettings) -> str:
    size = settings.model_dump(mode="json", include={"channels", "embedding_dim"})
    return BUNDLED if size == bundled_size() else NO_WEIGHTS


FAMILY = BackboneFamily(_build, _default_weights, (BUNDLED,))

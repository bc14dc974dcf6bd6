"""Residual networks for 112 x 192 images, and embeddings as affine maps of their pooled maps."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.meta.backbones.base import Backbone, fold
from darksound.meta.pieces import run_in_pieces

__all__ = ["INITIAL_SQUARED_DISTANCE", "AffineMap", "PooledBackbone", "Trunk"]


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

    folded = (("conv1", "norm1"), ("conv2", "norm2"), ("shortcut", "norm3"))

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


class _IdentityBlock(nn.Module):
    """Two 3x3 convolutions with batch norm that keep the size, beside the identity.

    The last batch norm begins at zero, so that the block begins as the identity (Goyal et al.
    2017, arXiv 1706.02677, section 5.1).
    """

    folded = (("conv1", "norm1"), ("conv2", "norm2"))

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)) + x, inplace=True)


def _stage(c_in: int, c_out: int, n_blocks: int) -> nn.Module:
    first = _Block(c_in, c_out)
    if n_blocks == 1:
        return first
    return nn.Sequential(first, *(_IdentityBlock(c_out) for _ in range(n_blocks - 1)))


def _pool(maps: Tensor, weight: Tensor) -> Tensor:
    """Return features `(b, 18 * c)` of maps `(b, c, h, w)` and the weight `(b, 1, h, w)`."""
    size = (_N_RANGES, 1)
    weighted = F.adaptive_avg_pool2d(maps * weight, size)
    weighted = weighted / weight.mean((2, 3), keepdim=True).clamp_min(_MIN_WEIGHT)
    pools = (F.adaptive_avg_pool2d(maps, size), F.adaptive_max_pool2d(maps, size), weighted)
    return torch.cat([pool.flatten(1) for pool in pools], 1)


class Trunk(nn.Module):
    """A 5x5 stem and three stages of residual blocks, without a layer after them.

    Stem and stages halve height and width, so the maps of the last two stages are 14 x 24 and
    7 x 12 for a 112 x 192 image.

    Args:
        channels: number of channels of the stem and of the three stages.
        n_blocks: number of residual blocks of each stage.
    """

    folded = (("stem", "stem_norm"),)

    def __init__(self, channels: Sequence[int], n_blocks: Sequence[int] = (1, 1, 1)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels[0], 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels[0])
        sizes = zip(pairwise(channels), n_blocks, strict=True)
        self.blocks = nn.Sequential(*(_stage(c_in, c_out, n) for (c_in, c_out), n in sizes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def last_two_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of the last two stages, `(b, c, h / 8, w / 8)` and half that size."""
        x = F.relu(self.stem_norm(self.stem(images)), inplace=True)
        middle = self.blocks[:-1](x)
        return middle, self.blocks[-1](middle)

    def fold_trunk(self) -> None:
        """Fold every batch norm, each of which follows a convolution, into it."""
        for module in list(self.modules()):
            if isinstance(module, Trunk | _Block | _IdentityBlock):
                fold(module, module.folded)


class PooledBackbone(Backbone):
    """A backbone whose embedding is a linear layer and batch norm on the pooled maps of trunks.

    The maps of the last two stages are pooled over time in six frequency ranges, as the frequency
    of a song identifies it. Pooling is by mean, maximum, and a mean weighted by the level above
    the background, which ignores the silence around a song.
    """

    fitted_keys = ("linear.weight",)
    linear: nn.Linear
    norm: nn.BatchNorm1d

    def trunks(self) -> Iterator[Trunk]:
        """Yield the residual networks whose maps are pooled."""
        raise NotImplementedError

    def add_embedding(self, sizes: Sequence[Sequence[int]], dim: int) -> None:
        """Add the layers after the trunks.

        Args:
            sizes: number of channels of the stem and the stages, of each trunk.
            dim: length of the embedding.
        """
        self.dim = dim
        self.map_channels = sum(channels[-1] for channels in sizes)
        n_maps = sum(sum(channels[-2:]) for channels in sizes)
        self.linear = nn.Linear(_N_POOLS * _N_RANGES * n_maps, dim, bias=False)
        self.norm = nn.BatchNorm1d(dim)
        # Batch norm makes the variance of each dimension 1: E||a - b||^2 = 2 * dim * weight^2.
        nn.init.constant_(self.norm.weight, math.sqrt(INITIAL_SQUARED_DISTANCE / (2 * dim)))

    def fold_batch_norm(self) -> None:
        """Fold every batch norm that follows a convolution into it."""
        for trunk in self.trunks():
            trunk.fold_trunk()

    def feature_map(self, images: Tensor) -> Tensor:
        """Return maps `(b, map_channels, h / 16, w / 16)`."""
        return run_in_pieces(self, PooledBackbone._last_maps, images)

    def pooled_features(self, images: Tensor) -> Tensor:
        """Return the input of the linear layer, 18 numbers for each of the maps that are pooled."""
        return run_in_pieces(self, PooledBackbone._pooled_features, images)

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

    def _last_maps(self, images: Tensor) -> Tensor:
        return torch.cat([trunk.last_two_maps(images)[1] for trunk in self.trunks()], 1)

    def _pooled_features(self, images: Tensor) -> Tensor:
        loudness = images[:, _LOUDNESS_CHANNEL : _LOUDNESS_CHANNEL + 1].contiguous()
        # Trunks have maps of the same sizes, so a weight is computed once.
        weights: dict[torch.Size, Tensor] = {}
        features = []
        for maps in (maps for trunk in self.trunks() for maps in trunk.last_two_maps(images)):
            size = maps.shape[2:]
            if size not in weights:
                weights[size] = F.adaptive_max_pool2d(loudness, size)
            features.append(_pool(maps, weights[size]))
        return torch.cat(features, 1)

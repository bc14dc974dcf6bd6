"""The small residual CNN: made for 96 x 192 images, trained from scratch in minutes on a laptop."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.meta.backbones.base import Backbone

__all__ = ["SmallCNN"]

# Mean squared distance between two embeddings of an untrained network: a softmax over such
# distances is neither flat nor saturated.
_FIRST_DISTANCE = 16.0
# Ranges of frequency that are pooled apart.
_RANGES = 6


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


class SmallCNN(Backbone):
    """5x5 stem, three residual blocks, pooling over time, a linear layer and batch norm.

    Every stage halves height and width, so a 96 x 192 image gives a map of 6 x 12. Mean and
    maximum are taken over time alone, in six ranges of frequency: how high a bird sings is half
    of what it sings.

    Args:
        channels: of the stem and the three blocks.
        dim: length of the embedding.
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 64, 128), dim: int = 256) -> None:
        super().__init__()
        self.dim = dim
        self.map_channels = channels[-1]
        self.stem = nn.Conv2d(3, channels[0], 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels[0])
        steps = pairwise(channels)
        self.blocks = nn.Sequential(*(_Block(c_in, c_out) for c_in, c_out in steps))
        self.linear = nn.Linear(2 * _RANGES * channels[-1], dim, bias=False)
        self.norm = nn.BatchNorm1d(dim)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Batch norm gives each dimension unit variance: E||a - b||^2 = 2 * dim * weight^2.
        nn.init.constant_(self.norm.weight, math.sqrt(_FIRST_DISTANCE / (2 * self.dim)))

    def feature_map(self, images: Tensor) -> Tensor:
        """Maps `(b, map_channels, h / 16, w / 16)`."""
        x = F.relu(self.stem_norm(self.stem(self.prepare(images))), inplace=True)
        maps: Tensor = self.blocks(x)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Vectors `(b, dim)`."""
        maps = self.feature_map(images)
        over_time = torch.cat(
            [
                F.adaptive_avg_pool2d(maps, (_RANGES, 1)),
                F.adaptive_max_pool2d(maps, (_RANGES, 1)),
            ],
            dim=1,
        )
        vectors: Tensor = self.norm(self.linear(over_time.flatten(1)))
        return vectors

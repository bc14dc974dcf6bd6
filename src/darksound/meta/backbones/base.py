"""What every backbone is: a network from images to vectors and to maps."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Backbone", "pooled"]


class Backbone(nn.Module):
    """A network that turns images in [0, 1] into vectors, or into feature maps.

    Attributes:
        dim: length of a vector.
        map_channels: channels of a feature map; 0 where the network has no maps.
        sharpness: 0; or where vectors have unit length, the factor that makes scores of cosines.
    """

    dim: int
    map_channels: int
    sharpness: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether there is nothing that it must learn of the data before it is first used."""
        return True

    def settle(self, vectors: Iterable[Tensor]) -> None:
        """Learn what must be known of the data, from all rows of a store, batch by batch."""

    def fold(self) -> None:
        """Become faster and the same in evaluation, in place, and of no use for training."""

    def prepare(self, images: Tensor) -> Tensor:
        """Bring images `(b, 3, h, w)` in [0, 1] to the size and scale the network was made for."""
        return images

    def forward(self, images: Tensor) -> Tensor:
        """Vectors `(b, dim)` of images `(b, 3, h, w)` in [0, 1]."""
        raise NotImplementedError

    def feature_map(self, images: Tensor) -> Tensor:
        """Maps `(b, map_channels, h', w')` of images `(b, 3, h, w)` in [0, 1].

        Raises:
            SettingsError: the network has no maps.
        """
        raise NotImplementedError


def pooled(maps: Tensor) -> Tensor:
    """Mean and maximum over each map: `(b, c, h, w)` to `(b, 2c)`."""
    return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

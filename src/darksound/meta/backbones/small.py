"""The small residual CNN for 112 x 192 images, which trains from scratch on a laptop in minutes."""

from collections.abc import Iterator, Sequence

from darksound.meta.backbones.base import SIZES, Backbone, BackboneFamily
from darksound.meta.backbones.residual import PooledBackbone, Trunk
from darksound.meta.weights import BUNDLED, bundled_if_of_this_size
from darksound.settings import Settings

__all__ = ["FAMILY", "SmallCNN"]


class SmallCNN(PooledBackbone, Trunk):
    """One trunk, pooling of its last two stages, a linear layer and batch norm.

    Args:
        channels: number of channels of the stem and of the three stages.
        dim: length of the embedding.
        n_blocks: number of residual blocks of each stage.
    """

    def __init__(
        self,
        channels: Sequence[int] = (24, 48, 96, 192),
        dim: int = 512,
        n_blocks: Sequence[int] = (1, 1, 1),
    ) -> None:
        Trunk.__init__(self, channels, n_blocks)
        self.add_embedding([channels], dim)

    def trunks(self) -> Iterator[Trunk]:
        """Yield the network itself."""
        yield self


def _build(settings: Settings, weights: str) -> Backbone:
    backbone = settings.backbone
    return SmallCNN(backbone.channels, backbone.embedding_dim, backbone.blocks)


FAMILY = BackboneFamily(_build, bundled_if_of_this_size, (BUNDLED,), sizes=SIZES)

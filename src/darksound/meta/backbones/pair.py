"""Two small residual CNNs side by side, whose pooled maps one linear layer maps to embeddings."""

from collections.abc import Iterator

from torch import nn

from darksound.meta.backbones.base import Backbone, BackboneFamily
from darksound.meta.backbones.residual import PooledBackbone, Trunk
from darksound.meta.weights import BUNDLED, bundled_if_of_this_size
from darksound.settings import Settings

__all__ = ["FAMILY", "CNNPair"]

# Channels of stem and stages, and residual blocks of each stage, of both networks.
_SIZES = (((24, 48, 96, 192), (1, 1, 1)), ((32, 64, 128, 256), (1, 2, 2)))


class CNNPair(PooledBackbone):
    """A narrow and a deeper trunk, and a linear layer and batch norm on the maps of both.

    Networks that were trained otherwise err otherwise, so their features together compare sounds
    better than those of either (Hansen and Salamon 1990, doi 10.1109/34.58871).

    Args:
        dim: length of the embedding.
    """

    def __init__(self, dim: int = 512) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Trunk(*size) for size in _SIZES)
        self.add_embedding([channels for channels, _ in _SIZES], dim)

    def trunks(self) -> Iterator[Trunk]:
        """Yield both networks."""
        for branch in self.branches:
            assert isinstance(branch, Trunk)
            yield branch


def _build(settings: Settings, weights: str) -> Backbone:
    return CNNPair(settings.backbone.embedding_dim)


FAMILY = BackboneFamily(_build, bundled_if_of_this_size, (BUNDLED,), sizes=("embedding_dim",))

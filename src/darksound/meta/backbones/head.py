"""A trainable head on vectors that an embedder made: a residual, nothing at first."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.errors import SettingsError
from darksound.meta.backbones.base import Backbone
from darksound.settings import HeadSettings

__all__ = ["Head"]

# Dimensions that vary less than this share of the one that varies most are constant.
_CONSTANT = 1e-6


class Head(Backbone):
    """Standardisation, a residual layer whose output begins at zero, and unit length.

    With z = (x - mean) / deviation and u = z / |z|, an embedding is the direction of
    u + B gelu(A u), and B begins at zero: before any training, vectors compare as the embedder's
    own do (residual learning: He et al. 2016, arXiv 1512.03385; a residual adapter that begins
    as the identity: Houlsby et al. 2019, arXiv 1902.00751).

    Args:
        dim: length of the embedder's vectors, and of those that come out.
        settings: of the head.
    """

    mean: Tensor
    deviation: Tensor
    counted: Tensor

    def __init__(self, dim: int, settings: HeadSettings) -> None:
        super().__init__()
        self.dim, self.map_channels = dim, 0
        self.logit_scale = settings.logit_scale
        self._standardises = settings.standardise
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        #: ROIs that mean and deviation were taken over.
        self.register_buffer("counted", torch.zeros((), dtype=torch.int64))
        self.down = nn.Linear(dim, settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        self.up = nn.Linear(settings.width, dim, bias=False)
        nn.init.zeros_(self.up.weight)

    @property
    def settled(self) -> bool:
        """Whether mean and deviation are known, or not wanted."""
        return not self._standardises or int(self.counted) > 0

    def settle(self, vectors: Iterable[Tensor]) -> None:
        """Take mean and deviation over vectors `(b, dim)`, batch by batch, in float64."""
        n, total, squares = 0, torch.zeros(self.dim).double(), torch.zeros(self.dim).double()
        # Sums about the first vector, so that a common offset costs no digits.
        offset: Tensor | None = None
        for batch in vectors:
            wide = batch.double().cpu()
            offset = wide[0] if offset is None else offset
            wide = wide - offset
            n += len(wide)
            total += wide.sum(0)
            squares += wide.square().sum(0)
        if offset is None:
            return
        mean = total / n
        deviation = (squares / n - mean.square()).clamp_min(0).sqrt()
        constant = deviation <= _CONSTANT * deviation.max()
        deviation = torch.where(constant, torch.ones_like(deviation), deviation)
        self.mean.copy_(offset + mean)
        self.deviation.copy_(deviation)
        self.counted.fill_(n)

    def forward(self, images: Tensor) -> Tensor:
        """Unit vectors `(b, dim)` of the embedder's vectors `(b, dim)`."""
        unit = F.normalize((images - self.mean) / self.deviation)
        added = self.up(self.dropout(F.gelu(self.down(unit))))
        return F.normalize(unit + added.to(unit.dtype))

    def feature_map(self, images: Tensor) -> Tensor:
        """There are none.

        Raises:
            SettingsError: always.
        """
        raise SettingsError("Embeddings made elsewhere have no feature maps.")

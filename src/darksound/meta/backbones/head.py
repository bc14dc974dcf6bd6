"""A trainable head on the vectors of an embedding model: a residual layer, zero at first."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.audio.embedding_models import embedding_dim
from darksound.errors import SettingsError
from darksound.meta.backbones.base import Backbone, BackboneFamily
from darksound.meta.weights import NO_WEIGHTS
from darksound.settings import HeadSettings, Settings

__all__ = ["FAMILY", "Head"]

# Dimensions whose deviation is below this fraction of the largest one are constant.
_CONSTANT = 1e-6


class Head(Backbone):
    """Standardisation, a residual layer whose output begins at zero, and unit length.

    With z = (x - mean) / deviation and u = z / |z|, an embedding is the direction of
    u + B gelu(A u). B begins at zero, so before any training the cosines are those of the
    standardised vectors (residual learning: He et al. 2016, arXiv 1512.03385; a residual adapter
    that begins as the identity: Houlsby et al. 2019, arXiv 1902.00751).

    Args:
        dim: length of the embedding model's vectors, and of the embeddings.
        settings: of the head.
    """

    mean: Tensor
    deviation: Tensor
    counted: Tensor

    def __init__(self, dim: int, settings: HeadSettings) -> None:
        super().__init__()
        self.dim, self.map_channels = dim, 0
        self.logit_scale = settings.logit_scale
        self._standardise = settings.standardise
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        #: Number of ROIs that mean and deviation were computed from.
        self.register_buffer("counted", torch.zeros((), dtype=torch.int64))
        self.down = nn.Linear(dim, settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        self.up = nn.Linear(settings.width, dim, bias=False)
        nn.init.zeros_(self.up.weight)

    @property
    def is_fitted(self) -> bool:
        """Return whether mean and deviation are known, or not needed."""
        return not self._standardise or int(self.counted) > 0

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Compute mean and deviation of vectors `(b, dim)`, batch by batch, in float64."""
        n, total, squares = 0, torch.zeros(self.dim).double(), torch.zeros(self.dim).double()
        # Sums about the first vector, so that a common offset costs no precision.
        offset: Tensor | None = None
        for batch in batches:
            vectors = batch.double().cpu()
            offset = vectors[0] if offset is None else offset
            vectors = vectors - offset
            n += len(vectors)
            total += vectors.sum(0)
            squares += vectors.square().sum(0)
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
        """Return unit vectors `(b, dim)` of the embedding model's vectors `(b, dim)`."""
        unit = F.normalize((images - self.mean) / self.deviation)
        residual = self.up(self.dropout(F.gelu(self.down(unit))))
        return F.normalize(unit + residual.to(unit.dtype))

    def feature_map(self, images: Tensor) -> Tensor:
        """Raise: vectors have no feature maps.

        Raises:
            SettingsError: always.
        """
        raise SettingsError("The vectors of an embedding model have no feature maps.")


def _build(settings: Settings, weights: str) -> Backbone:
    dim = embedding_dim(settings.backbone, settings.embedding_model, settings.compute)
    return Head(dim, settings.head)


FAMILY = BackboneFamily(_build, lambda _: NO_WEIGHTS, (), usable_untrained=True)

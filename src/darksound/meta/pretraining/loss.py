"""Losses that bring embeddings of one species together."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["LOSSES", "contrastive", "prototypical"]


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

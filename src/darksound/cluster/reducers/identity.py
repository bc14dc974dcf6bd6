"""No reduction: the normalised embeddings are clustered as they are."""

from darksound.cluster.notes import Say
from darksound.cluster.reducers.base import Vectors
from darksound.settings import ReductionSettings

__all__ = ["identity"]


def identity(x: Vectors, settings: ReductionSettings, seed: int, say: Say) -> Vectors:
    """The vectors themselves, all dimensions of them."""
    return x

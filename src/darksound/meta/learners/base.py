"""The contract of a few-shot learner: features, adaptation to a support set, scores of queries."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from darksound.meta.backbones.base import Backbone
from darksound.settings import Settings

__all__ = ["Learner", "State", "class_means"]

#: What a learner remembers of a support set; its meaning is the learner's own.
State = tuple[Tensor, ...]


class Learner(nn.Module):
    """A backbone and a way to compare what it gives.

    `adapt`, `score`, `loss` and `probabilities` work in float32; only the backbone profits from
    reduced precision.

    Attributes:
        method: name in the registry.
        backbone: the network that images pass.
        settings: the settings it was built with; they say which images it understands.
        embedding_dim: length of the vectors of `embed`.
        classes: names of the classes it was trained on, in order; empty before training.
    """

    method: ClassVar[str]

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        super().__init__()
        self.backbone = backbone
        self.settings = settings
        self.embedding_dim = backbone.dim
        self.classes: tuple[str, ...] = ()

    @classmethod
    def suited_to(cls, backbone: Backbone) -> "type[Learner]":
        """The form of this learner that compares what the backbone gives."""
        return cls

    @property
    def own_parts(self) -> tuple[str, ...]:
        """Names of the parameters that it has beside its backbone's."""
        names = (name for name, _ in self.named_parameters())
        return tuple(name for name in names if not name.startswith("backbone."))

    def features(self, images: Tensor) -> Tensor:
        """What is compared: vectors `(b, dim)`, or maps `(b, c, h, w)`, of images `(b, 3, h, w)`.

        Image values lie in [0, 1]; row i depends on image i alone in evaluation mode.
        """
        vectors: Tensor = self.backbone(images)
        return vectors

    def embed(self, images: Tensor) -> Tensor:
        """Vectors `(b, embedding_dim)` for clustering, of images `(b, 3, h, w)` in [0, 1]."""
        return self.features(images)

    def adapt(self, support: Tensor, labels: Tensor, n_way: int) -> State:
        """Learn classes from a support set.

        Args:
            support: features of `n` ROIs as `features` gives them.
            labels: `(n,)` integers from 0 to `n_way - 1`, each at least once.
            n_way: number of classes.
        """
        raise NotImplementedError

    def score(self, state: State, query: Tensor) -> Tensor:
        """Scores `(q, n_way)` of the features of `q` queries: the higher, the likelier."""
        raise NotImplementedError

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of scores `(q, n_way)` against labels `(q,)`."""
        raise NotImplementedError

    def probabilities(self, scores: Tensor) -> Tensor:
        """Scores `(q, n_way)` as probabilities whose rows sum to 1."""
        raise NotImplementedError


def class_means(features: Tensor, labels: Tensor, n_way: int) -> Tensor:
    """Mean features of each class: `(n, ...)` and labels `(n,)` to `(n_way, ...)`."""
    members = F.one_hot(labels, n_way).to(features.dtype)
    means = (members / members.sum(0)).T @ features.flatten(1)
    return means.reshape(n_way, *features.shape[1:])

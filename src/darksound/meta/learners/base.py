"""The contract of a few-shot learner: features, adaptation to a support set, scores of queries."""

from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor, nn

from darksound.meta.backbones.base import Backbone
from darksound.settings import Settings

__all__ = ["Learner", "State", "class_means"]

#: What a learner computes from a support set, such as prototypes. Each learner defines its own.
State = tuple[Tensor, ...]


class Learner(nn.Module):
    """A backbone, and a rule that scores queries against the classes of a support set.

    `adapt`, `score`, `loss` and `probabilities` run in float32; only the backbone uses reduced
    precision.

    Attributes:
        method: name in the registry.
        backbone: the network that computes the features.
        settings: the settings it was built with; they define which images it accepts.
        embedding_dim: length of the vectors that `embed` returns.
        classes: names of the classes it was trained on, in order; empty before training.

    Examples:
        >>> import darksound as ds, torch
        >>> short = {"epochs": 1, "episodes_per_epoch": 1, "validation_episodes": 1}
        >>> settings = ds.Settings().replace(training=short, augmentation={"enabled": False})
        >>> learner = ds.train("demo:val", settings)
        >>> images = ds.build_store("demo:val", learner.settings).batch([0, 1, 40, 41])
        >>> with torch.inference_mode():
        ...     features = learner.features(images)
        ...     prototypes = learner.adapt(features, torch.tensor([0, 0, 1, 1]), n_way=2)
        ...     scores = learner.score(prototypes, features)
        >>> features.shape, scores.shape
        (torch.Size([4, 512]), torch.Size([4, 2]))
    """

    method: ClassVar[str]

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        super().__init__()
        self.backbone = backbone
        self.settings = settings
        self.embedding_dim = backbone.dim
        self.classes: tuple[str, ...] = ()
        if settings.learner.freeze_backbone:
            backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.settings.learner.freeze_backbone:
            self.backbone.eval()
        return self

    @classmethod
    def class_for(cls, backbone: Backbone) -> "type[Learner]":
        """Return the variant of this learner that works on the backbone's output."""
        return cls

    @property
    def parameters_beside_backbone(self) -> tuple[str, ...]:
        """Return the names of the parameters that do not belong to the backbone."""
        names = (name for name, _ in self.named_parameters())
        return tuple(name for name in names if not name.startswith("backbone."))

    def features(self, images: Tensor) -> Tensor:
        """Return the features that `adapt` and `score` take: vectors or feature maps.

        Args:
            images: `(b, 3, h, w)` in [0, 1].

        Returns:
            `(b, dim)` or `(b, c, h, w)`. In evaluation mode row i depends on image i alone.
        """
        vectors: Tensor = self.backbone(images)
        return vectors

    def embed(self, images: Tensor) -> Tensor:
        """Return vectors `(b, embedding_dim)` for clustering, of images `(b, 3, h, w)`."""
        return self.features(images)

    def adapt(self, support: Tensor, labels: Tensor, n_way: int) -> State:
        """Return the state of a support set that `score` takes.

        Args:
            support: features of `n` ROIs, as `features` returns them.
            labels: `(n,)` integers from 0 to `n_way - 1`, each at least once.
            n_way: number of classes.
        """
        raise NotImplementedError

    def score(self, state: State, query: Tensor) -> Tensor:
        """Return scores `(n_queries, n_way)` of query features; a higher score is likelier."""
        raise NotImplementedError

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of scores `(n_queries, n_way)` and labels `(n_queries,)`."""
        raise NotImplementedError

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return scores `(n_queries, n_way)` as probabilities; each row sums to 1."""
        raise NotImplementedError


def class_means(features: Tensor, labels: Tensor, n_way: int) -> Tensor:
    """Return the mean features of each class.

    Args:
        features: `(n, ...)`.
        labels: `(n,)` integers from 0 to `n_way - 1`.
        n_way: number of classes.

    Returns:
        `(n_way, ...)`.
    """
    one_hot = F.one_hot(labels, n_way).to(features.dtype)
    means = (one_hot / one_hot.sum(0)).T @ features.flatten(1)
    return means.reshape(n_way, *features.shape[1:])

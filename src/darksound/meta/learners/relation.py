"""Relation Networks: a small network judges pairs (Sung et al. 2018, arXiv 1711.06025)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.errors import SettingsError
from darksound.meta.backbones.base import Backbone, pooled
from darksound.meta.learners.base import Learner, State, class_means
from darksound.settings import Settings

__all__ = ["Relation", "RelationOnVectors"]


class _Relating(Learner):
    """What does not depend on how a pair is judged."""

    method = "relation"

    def adapt(self, support: Tensor, labels: Tensor, n_way: int) -> State:
        """Mean maps `(n_way, c, h, w)` or vectors `(n_way, dim)` of the classes (section 3.2)."""
        return (class_means(support.float(), labels, n_way),)

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Mean squared error against one-hot labels (eq. 2)."""
        return F.mse_loss(scores, F.one_hot(labels, scores.shape[1]).float())

    def probabilities(self, scores: Tensor) -> Tensor:
        """Scores divided by their sum over classes."""
        scores = scores.clamp_min(1e-9)
        return scores / scores.sum(1, keepdim=True)


class Relation(_Relating):
    """Relation scores of class means and queries, learnt by squared error (section 3)."""

    @classmethod
    def suited_to(cls, backbone: Backbone) -> type[Learner]:
        """`RelationOnVectors` where the backbone gives vectors of unit length."""
        return RelationOnVectors if backbone.logit_scale else cls

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        super().__init__(backbone, settings)
        channels = backbone.map_channels
        if channels == 0:
            raise SettingsError(
                f"learner.relation_layer {settings.learner.relation_layer!r} of the backbone "
                f"{settings.backbone.name!r} gives no maps for Relation to compare; use 'auto' "
                f"or a convolutional layer's name, or another backbone or learner.method."
            )
        # What the vectors' last layers add is not trained here, so maps are pooled instead.
        self.embedding_dim = 2 * channels
        # Positions in the sequence are those of the published state dicts.
        self.relation_module = nn.Sequential(
            _block(2 * channels, channels, padding=1, size=5),
            _block(channels, channels, padding=0, size=1),
            nn.Flatten(),
            nn.Linear(channels, settings.learner.relation_hidden),
            nn.ReLU(),
            nn.Linear(settings.learner.relation_hidden, 1),
            nn.Sigmoid(),
        )

    def features(self, images: Tensor) -> Tensor:
        """Maps `(b, map_channels, h', w')`."""
        return self.backbone.feature_map(images)

    def embed(self, images: Tensor) -> Tensor:
        """Mean and maximum of each map, `(b, 2 map_channels)`."""
        return pooled(self.features(images))

    def score(self, state: State, query: Tensor) -> Tensor:
        """Relation scores in [0, 1] of the concatenated maps (eq. 1)."""
        (means,) = state
        query = query.float()
        first, *rest = self.relation_module.children()
        convolution, *after = first.children()
        assert isinstance(convolution, nn.Conv2d)  # so that its parts have types
        # A convolution of concatenated maps is the sum of two: n + q of them instead of n * q.
        of_mean, of_query = convolution.weight.chunk(2, dim=1)
        a = F.conv2d(means, of_mean, convolution.bias, padding=1)
        b = F.conv2d(query, of_query, padding=1)
        pairs = (b.unsqueeze(1) + a.unsqueeze(0)).flatten(0, 1)
        for module in (*after, *rest):
            pairs = module(pairs)
        return pairs.reshape(len(query), len(means))


class RelationOnVectors(_Relating):
    """The relation module on vectors of unit length: layers judge product and difference.

    What it adds to the cosine is zero at first, so that scores begin as a logistic function of
    the cosine that is 0.5 at 0.5.
    """

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        super().__init__(backbone, settings)
        hidden = settings.learner.relation_hidden
        last = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(last.weight)
        self.relation_module = nn.Sequential(nn.Linear(2 * backbone.dim, hidden), nn.ReLU(), last)

    def score(self, state: State, query: Tensor) -> Tensor:
        """Relation scores in [0, 1] of every query and class (eq. 1)."""
        (means,) = state
        means, query = F.normalize(means), query.float()
        one, other = query.unsqueeze(1), means.unsqueeze(0)
        # So scaled, entries are about 1 whatever the length of vectors.
        dim = self.backbone.dim
        pairs = torch.cat([dim * one * other, dim**0.5 * (one - other).abs()], dim=2)
        added: Tensor = self.relation_module(pairs).squeeze(2)
        cosine = query @ means.T
        return (self.backbone.logit_scale * (cosine - 0.5) + added).sigmoid()


def _block(c_in: int, c_out: int, padding: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=padding),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(size),
    )

"""Relation Networks: a small network scores pairs (Sung et al. 2018, arXiv 1711.06025)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.errors import SettingsError
from darksound.meta.backbones.base import Backbone, pool_maps
from darksound.meta.learners.base import Learner, State, class_means
from darksound.meta.pieces import run_in_pieces
from darksound.settings import Settings

__all__ = ["Relation", "RelationOnVectors"]


class _RelationBase(Learner):
    """The parts that relation scores on maps and on vectors share."""

    method = "relation"

    def adapt(self, support: Tensor, labels: Tensor, n_way: int) -> State:
        """Return class means: maps `(n_way, c, h, w)` or vectors `(n_way, dim)` (section 3.2)."""
        return (class_means(support.float(), labels, n_way),)

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the mean squared error against one-hot labels (eq. 2)."""
        return F.mse_loss(scores, F.one_hot(labels, scores.shape[1]).float())

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the scores divided by their sum over classes."""
        scores = scores.clamp_min(1e-9)
        return scores / scores.sum(1, keepdim=True)


class Relation(_RelationBase):
    """Learned similarity of class-mean maps and query maps (section 3)."""

    @classmethod
    def class_for(cls, backbone: Backbone) -> type[Learner]:
        """Return `RelationOnVectors` where the backbone returns vectors of unit length."""
        return RelationOnVectors if backbone.logit_scale else cls

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        super().__init__(backbone, settings)
        channels = backbone.map_channels
        if channels == 0:
            raise SettingsError(
                f"learner.relation_layer {settings.learner.relation_layer!r} of the backbone "
                f"{settings.backbone.name!r} has no feature maps, and Relation needs them; use "
                f"'auto' or a convolutional layer's name, or another backbone or learner.method."
            )
        # The layers after the maps are not trained here, so `embed` pools the maps instead.
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
        """Return feature maps `(b, map_channels, h', w')`."""
        return self.backbone.feature_map(images)

    def embed(self, images: Tensor) -> Tensor:
        """Return mean and maximum of each map, `(b, 2 map_channels)`."""
        return pool_maps(self.features(images))

    def score(self, state: State, query: Tensor) -> Tensor:
        """Return relation scores in [0, 1] of the concatenated maps, `(n_queries, n_way)`."""
        (means,) = state
        query = query.float()
        convolution = self.relation_module.get_submodule("0.0")
        assert isinstance(convolution, nn.Conv2d)  # for the type checker
        # A convolution of concatenated maps is the sum of two convolutions, so n_way + n_queries
        # of them replace n_way * n_queries.
        mean_weight, query_weight = convolution.weight.chunk(2, dim=1)
        mean_part = F.conv2d(means, mean_weight, convolution.bias, padding=1)
        query_part = F.conv2d(query, query_weight, padding=1)
        pairs = (query_part.unsqueeze(1) + mean_part.unsqueeze(0)).flatten(0, 1)
        pairs = run_in_pieces(self.relation_module, _after_first_convolution, pairs)
        return pairs.reshape(len(query), len(means))


class RelationOnVectors(_RelationBase):
    """A relation module on vectors of unit length: linear layers on product and difference.

    The module adds to the cosine and its output starts at zero, so scores start as a logistic
    function of the cosine that is 0.5 at a cosine of 0.5.
    """

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        super().__init__(backbone, settings)
        hidden = settings.learner.relation_hidden
        last = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(last.weight)
        self.relation_module = nn.Sequential(nn.Linear(2 * backbone.dim, hidden), nn.ReLU(), last)

    def score(self, state: State, query: Tensor) -> Tensor:
        """Return relation scores in [0, 1] of each query and class, `(n_queries, n_way)`."""
        (means,) = state
        means, query = F.normalize(means), query.float()
        a, b = query.unsqueeze(1), means.unsqueeze(0)
        # With these factors inputs are about 1, whatever the length of the vectors.
        dim = self.backbone.dim
        pairs = torch.cat([dim * a * b, dim**0.5 * (a - b).abs()], dim=2)
        correction: Tensor = self.relation_module(pairs).squeeze(2)
        cosine = query @ means.T
        return (self.backbone.logit_scale * (cosine - 0.5) + correction).sigmoid()


def _after_first_convolution(relation_module: nn.Sequential, pairs: Tensor) -> Tensor:
    """Return scores `(n, 1)` of what the first convolution returns of pairs, `(n, c, h, w)`."""
    first_block, *other_blocks = relation_module.children()
    for module in (*list(first_block.children())[1:], *other_blocks):
        pairs = module(pairs)
    return pairs


def _block(c_in: int, c_out: int, padding: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=padding),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(size),
    )

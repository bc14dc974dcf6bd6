"""Prototypical Networks: the nearest class mean (Snell et al. 2017, arXiv 1703.05175)."""

import torch.nn.functional as F
from torch import Tensor

from darksound.meta.learners.base import Learner, State, class_means

__all__ = ["Prototypical"]


class Prototypical(Learner):
    """Scores are minus the squared Euclidean distances to the class means (eq. 1 and 2).

    Where the backbone gives vectors of unit length, so have the means, and the scores are
    cosines, less one, times the backbone's logit_scale.
    """

    method = "prototypical"

    def adapt(self, support: Tensor, labels: Tensor, n_way: int) -> State:
        """The prototypes `(n_way, dim)`, eq. 1."""
        means = class_means(support.float(), labels, n_way)
        return (F.normalize(means) if self.backbone.logit_scale else means,)

    def score(self, state: State, query: Tensor) -> Tensor:
        """-||f(x) - c_k||^2, the logits of eq. 2; of unit vectors 2 (1 - cosine), scaled."""
        (prototypes,) = state
        # The squares are written out, so that memory stays at (q, n_way) whatever dim is, about
        # the prototypes' mean, so that a common offset costs no precision.
        centre = prototypes.mean(0)
        prototypes, query = prototypes - centre, query.float() - centre
        squares = query.square().sum(1, keepdim=True) + prototypes.square().sum(1)
        distances = (squares - 2 * query @ prototypes.T).clamp_min(0)
        return distances * (-self.backbone.logit_scale / 2 if self.backbone.logit_scale else -1.0)

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(scores, labels)

    def probabilities(self, scores: Tensor) -> Tensor:
        """Softmax over classes, eq. 2."""
        return scores.softmax(1)

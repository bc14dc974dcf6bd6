"""Prototypical Networks: the nearest class mean (Snell et al. 2017, arXiv 1703.05175)."""

import torch.nn.functional as F
from torch import Tensor

from darksound.meta.learners.base import Learner, State, class_means

__all__ = ["Prototypical"]


class Prototypical(Learner):
    """Scores are negative squared Euclidean distances to the class means (eq. 1 and 2).

    Where the backbone returns vectors of unit length, prototypes have unit length too, and
    scores are (cosine - 1) times `logit_scale`.
    """

    method = "prototypical"

    def adapt(self, support: Tensor, labels: Tensor, n_way: int) -> State:
        """Return the prototypes `(n_way, dim)` of a support set (eq. 1)."""
        means = class_means(support.float(), labels, n_way)
        return (F.normalize(means) if self.backbone.logit_scale else means,)

    def score(self, state: State, query: Tensor) -> Tensor:
        """Return -||f(x) - c_k||^2 `(n_queries, n_way)`, the logits of eq. 2."""
        (prototypes,) = state
        # The squares are expanded, so that memory does not grow with dim. Subtracting the mean of
        # the prototypes first keeps a common offset from costing precision.
        centre = prototypes.mean(0)
        prototypes, query = prototypes - centre, query.float() - centre
        squares = query.square().sum(1, keepdim=True) + prototypes.square().sum(1)
        distances = (squares - 2 * query @ prototypes.T).clamp_min(0)
        # The squared distance of unit vectors is 2 (1 - cosine).
        return distances * (-self.backbone.logit_scale / 2 if self.backbone.logit_scale else -1.0)

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy."""
        return F.cross_entropy(scores, labels)

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the softmax over classes (eq. 2)."""
        return scores.softmax(1)

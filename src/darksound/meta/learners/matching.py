"""Matching Networks with full context embeddings (Vinyals et al. 2016, arXiv 1606.04080)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.meta.backbones.base import Backbone
from darksound.meta.learners.base import Learner, State
from darksound.settings import Settings

__all__ = ["Matching"]

_LEAST_PROBABILITY = 1e-6


class Matching(Learner):
    """Attention over the support set, both sides seen in its context (section 2.1, appendix A).

    Where the backbone gives vectors of unit length, the context adds nothing at first, so that
    attention begins as the softmax of cosines times the backbone's logit_scale.
    """

    method = "matching"

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        super().__init__(backbone, settings)
        dim = backbone.dim
        # The names are those of the published state dicts.
        self.support_embeddings_encoder = nn.LSTM(dim, dim, batch_first=True, bidirectional=True)
        self.query_embeddings_encoding_cell = nn.LSTMCell(2 * dim, dim)
        if backbone.logit_scale:
            _silence(self.support_embeddings_encoder, dim)
            _silence(self.query_embeddings_encoding_cell, dim)

    def adapt(self, support: Tensor, labels: Tensor, n_way: int) -> State:
        """g `(n, dim)` and the labels as one-hot rows `(n, n_way)`.

        The LSTM reads the support set in the order it is given.
        """
        support = support.float()
        hidden, _ = self.support_embeddings_encoder(support.unsqueeze(0))
        forward, backward = hidden.squeeze(0).chunk(2, dim=1)
        return support + forward + backward, F.one_hot(labels, n_way).float()

    def score(self, state: State, query: Tensor) -> Tensor:
        """Log of the attention that falls on each class (eq. 1)."""
        context, one_hot = state
        hidden = self._in_context(context, query.float() * (self.backbone.logit_scale or 1.0))
        attention = (hidden @ F.normalize(context).T).softmax(1)
        return (attention @ one_hot + _LEAST_PROBABILITY).log()

    def _in_context(self, context: Tensor, query: Tensor) -> Tensor:
        steps = self.settings.learner.matching_steps
        hidden, cell = query, torch.zeros_like(query)
        for _ in range(len(context) if steps == "support" else steps):
            read_out = (hidden @ context.T).softmax(1) @ context
            seen = torch.cat([query, read_out], dim=1)
            hidden, cell = self.query_embeddings_encoding_cell(seen, (hidden, cell))
            hidden = hidden + query
        return hidden

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Negative log-likelihood."""
        return F.nll_loss(scores, labels)

    def probabilities(self, scores: Tensor) -> Tensor:
        """The attention on each class, without the constant that kept its log finite."""
        return scores.softmax(1)


def _silence(lstm: nn.LSTM | nn.LSTMCell, dim: int) -> None:
    """Make what an LSTM would remember zero, whatever its gates let through."""
    with torch.no_grad():
        for parameter in lstm.parameters():
            # The gates lie one after another: input, forget, what to remember, output.
            parameter[2 * dim : 3 * dim].zero_()

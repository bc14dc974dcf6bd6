"""Matching Networks with full context embeddings (Vinyals et al. 2016, arXiv 1606.04080)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.meta.backbones.base import Backbone
from darksound.meta.learners.base import Learner, State
from darksound.settings import Settings

__all__ = ["Matching"]

# Added to probabilities, so that their logarithm is finite.
_EPSILON = 1e-6


class Matching(Learner):
    """Attention over the support set, with context embeddings (section 2.1, appendix A).

    Where the backbone returns vectors of unit length, the context embeddings start as the
    vectors themselves, and attention starts as the softmax of cosines times `logit_scale`.
    """

    method = "matching"

    def __init__(self, backbone: Backbone, settings: Settings) -> None:
        super().__init__(backbone, settings)
        dim = backbone.dim
        # The names are those of the published state dicts.
        self.support_embeddings_encoder = nn.LSTM(dim, dim, batch_first=True, bidirectional=True)
        self.query_embeddings_encoding_cell = nn.LSTMCell(2 * dim, dim)
        if backbone.logit_scale:
            _zero_cell_gate(self.support_embeddings_encoder, dim)
            _zero_cell_gate(self.query_embeddings_encoding_cell, dim)

    def adapt(self, support: Tensor, labels: Tensor, n_way: int) -> State:
        """Return context embeddings g `(n, dim)` and one-hot labels `(n, n_way)`.

        The LSTM reads the support set in its order, so scores depend on that order.
        """
        support = support.float()
        hidden, _ = self.support_embeddings_encoder(support.unsqueeze(0))
        forward, backward = hidden.squeeze(0).chunk(2, dim=1)
        return support + forward + backward, F.one_hot(labels, n_way).float()

    def score(self, state: State, query: Tensor) -> Tensor:
        """Return the logarithm of the attention on each class, `(n_queries, n_way)` (eq. 1)."""
        support, one_hot = state
        hidden = self._encode_queries(support, query.float() * (self.backbone.logit_scale or 1.0))
        attention = (hidden @ F.normalize(support).T).softmax(1)
        return (attention @ one_hot + _EPSILON).log()

    def _encode_queries(self, support: Tensor, query: Tensor) -> Tensor:
        """Return context embeddings f `(n_queries, dim)` (appendix A.1)."""
        n_steps = self.settings.learner.matching_steps
        hidden, cell = query, torch.zeros_like(query)
        for _ in range(len(support) if n_steps == "support" else n_steps):
            read_out = (hidden @ support.T).softmax(1) @ support
            cell_input = torch.cat([query, read_out], dim=1)
            hidden, cell = self.query_embeddings_encoding_cell(cell_input, (hidden, cell))
            hidden = hidden + query
        return hidden

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the negative log-likelihood."""
        return F.nll_loss(scores, labels)

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the attention on each class, normalised to a sum of 1."""
        return scores.softmax(1)


def _zero_cell_gate(lstm: nn.LSTM | nn.LSTMCell, dim: int) -> None:
    """Set the cell gate's weights to zero, so that the LSTM's output is zero."""
    with torch.no_grad():
        for parameter in lstm.parameters():
            # torch stacks the gates: input, forget, cell, output.
            parameter[2 * dim : 3 * dim].zero_()

"""Episodes run on features that are computed once a ROI."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from darksound.data.episodes import Episode
from darksound.meta.features import compute_features
from darksound.meta.learners import Learner
from darksound.progress import Progress, silent
from darksound.settings import Settings

if TYPE_CHECKING:
    from darksound.data.store import Store

__all__ = ["Judged", "judge_episodes"]

# Maps of a wide backbone take 200 kB a ROI.
_MOST_ROIS_AT_ONCE = 2048


@dataclass(frozen=True)
class Judged:
    """An episode and what the learner made of it.

    Attributes:
        episode: the task.
        predicted: `(q,)` class indices.
        loss: of its queries.
    """

    episode: Episode
    predicted: Tensor
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of queries that are right."""
        right = self.predicted.numpy() == self.episode.query_labels
        return float(right.mean())


def judge_episodes(
    learner: Learner,
    images: "Store",
    episodes: Sequence[Episode],
    settings: Settings,
    *,
    progress: Progress = silent,
    stage: str = "tasks",
) -> Iterator[Judged]:
    """Run the learner on each episode, in order, in evaluation mode.

    Raises:
        CheckpointError: the images are of another front end.
    """
    training = learner.training
    progress(stage, 0, len(episodes))
    done = 0
    for part in _parts(episodes):
        rows = np.unique(np.concatenate([episode.rows for episode in part]))
        features = compute_features(learner, images, rows, settings)
        learner.eval()
        try:
            for episode in part:
                done += 1
                judged = _judge(learner, episode, rows, features)
                progress(stage, done, len(episodes), {"accuracy": judged.accuracy})
                yield judged
        finally:
            learner.train(training)


def _parts(episodes: Sequence[Episode]) -> Iterator[list[Episode]]:
    """Consecutive episodes whose ROIs' features fit into memory together."""
    part: list[Episode] = []
    seen: set[int] = set()
    for episode in episodes:
        grown = seen.union(episode.rows.tolist())
        if part and len(grown) > _MOST_ROIS_AT_ONCE:
            yield part
            part, grown = [], set(episode.rows.tolist())
        part.append(episode)
        seen = grown
    if part:
        yield part


@torch.inference_mode()
def _judge(learner: Learner, episode: Episode, rows: np.ndarray, features: Tensor) -> Judged:
    device = next(learner.parameters()).device

    def of(wanted: np.ndarray) -> Tensor:
        return features[torch.from_numpy(np.searchsorted(rows, wanted))].to(device)

    state = learner.adapt(
        of(episode.support), torch.from_numpy(episode.support_labels).to(device), episode.n_way
    )
    scores = learner.score(state, of(episode.query))
    loss = learner.loss(scores, torch.from_numpy(episode.query_labels).to(device))
    return Judged(episode, scores.argmax(1).cpu(), float(loss))

"""How well a learner tells new classes apart, over many few-shot tasks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from darksound.errors import InputError
from darksound.meta.episodes import Episode, EpisodeSampler
from darksound.meta.features import compute_features
from darksound.meta.learners.base import Learner
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.meta.splits import recording_names
from darksound.progress import Progress, silent
from darksound.settings import Settings

if TYPE_CHECKING:
    from darksound.store.contract import Store

__all__ = [
    "FewShot",
    "Judged",
    "evaluate_few_shot",
    "interval_95",
    "judge_episodes",
    "per_class_scores",
]

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


_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class FewShot:
    """Few-shot accuracy and what it is made of.

    Attributes:
        n_way: classes a task; fewer than asked for where there are fewer.
        n_shot: support ROIs a class.
        n_query: query ROIs a class.
        tasks: tasks in all folds together.
        accuracy: mean over tasks.
        interval: half the width of its 95 % confidence interval.
        folds: `(folds,)` mean accuracy of each fold.
        confusion: counts of queries, a row a true class and a column a predicted one.
        classes: a row a class, with `precision`, `recall`, `f1` and `queries`.
    """

    n_way: int
    n_shot: int
    n_query: int
    tasks: int
    accuracy: float
    interval: float
    folds: npt.NDArray[np.float64]
    confusion: pd.DataFrame
    classes: pd.DataFrame


def evaluate_few_shot(
    learner: Learner,
    images: "Store",
    settings: Settings,
    *,
    tasks: int = 200,
    folds: int = 5,
    progress: Progress = silent,
) -> FewShot:
    """Judge a learner on tasks drawn from labelled ROIs that it was not trained on.

    A fold is `tasks` tasks with randomness of its own. Each ROI passes the backbone once.

    Args:
        learner: in whatever mode; it is judged in evaluation mode.
        images: the ROIs, with labels.
        settings: for the size of episodes, compute and the seed.
        tasks: a fold.
        folds: at least one.
        progress: told of the tasks done.

    Raises:
        InputError: no labels, or fewer than two classes big enough for a task.
        CheckpointError: the images are of another front end.
    """
    labels = images.rois.labels
    if labels is None:
        raise InputError("None of these ROIs has a label, so there is nothing to compare with.")
    sampler = EpisodeSampler(labels, recording_names(images.rois), settings.episodes)
    episodes = [
        sampler.sample(numpy_generator(settings.seed, Purpose.EVALUATION, fold, task))
        for fold in range(folds)
        for task in range(tasks)
    ]
    accuracies = np.zeros(len(episodes))
    names = [str(name) for name in sampler.classes]
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    position = {name: i for i, name in enumerate(sampler.classes)}
    judged = judge_episodes(learner, images, episodes, settings, progress=progress)
    for i, one in enumerate(judged):
        accuracies[i] = one.accuracy
        _count(counts, one, position)
    confusion = pd.DataFrame(counts, index=names, columns=names)
    return FewShot(
        n_way=sampler.n_way,
        n_shot=settings.episodes.n_shot,
        n_query=settings.episodes.n_query,
        tasks=len(episodes),
        accuracy=float(accuracies.mean()),
        interval=interval_95(accuracies),
        folds=accuracies.reshape(folds, tasks).mean(1),
        confusion=confusion,
        classes=per_class_scores(confusion),
    )


def _count(counts: npt.NDArray[np.int64], one: Judged, position: dict[object, int]) -> None:
    columns = np.array([position[name] for name in one.episode.classes])
    true, predicted = columns[one.episode.query_labels], columns[one.predicted.numpy()]
    np.add.at(counts, (true, predicted), 1)


def interval_95(values: npt.NDArray[np.float64]) -> float:
    """Half the width of the 95 % confidence interval of the mean of `(n,)` independent values.

    1.96 standard errors; NaN for a single value, which tells nothing of its spread.
    """
    if len(values) < 2:
        return math.nan
    return float(_NORMAL_95 * values.std(ddof=1) / math.sqrt(len(values)))


def per_class_scores(confusion: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, F1 and number of queries of each class.

    Args:
        confusion: counts, a row a true class and a column a predicted one.

    Returns:
        A row a class, in the order of the rows; 0 where there is nothing to divide by.
    """
    counts = confusion.to_numpy(dtype=np.float64)
    right, true, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    return pd.DataFrame(
        {
            "precision": _ratio(right, predicted),
            "recall": _ratio(right, true),
            "f1": _ratio(2 * right, true + predicted),
            "queries": true.astype(np.int64),
        },
        index=confusion.index,
    )


def _ratio(
    part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

"""Few-shot accuracy of a learner on new classes, over many episodes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from darksound.device import download_in_order, upload
from darksound.errors import InputError
from darksound.meta.episodes import Episode, EpisodeSampler, recording_names
from darksound.meta.features import compute_features
from darksound.meta.learners.base import Learner
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.parallel.threads import single_threaded
from darksound.progress import Progress, silent
from darksound.settings import ComputeSettings, Settings
from darksound.store.contract import Store

__all__ = [
    "EpisodeScores",
    "FewShot",
    "evaluate_few_shot",
    "interval_95",
    "per_class_scores",
    "score_episodes",
]

# Feature maps of a wide backbone take 200 kB a ROI.
_MAX_ROIS_IN_MEMORY = 2048
_NORMAL_QUANTILE_95 = 1.959963984540054


@dataclass(frozen=True)
class EpisodeScores:
    """Predictions of a learner for the queries of one episode.

    Attributes:
        episode: the episode.
        predicted: `(n_queries,)` class indices.
        loss: mean loss of the queries.
    """

    episode: Episode
    predicted: Tensor
    loss: float

    @property
    def accuracy(self) -> float:
        """Return the share of queries with the correct class."""
        correct = self.predicted.numpy() == self.episode.query_labels
        return float(correct.mean())


@dataclass(frozen=True)
class FewShot:
    """Few-shot accuracy over all episodes, folds and classes.

    Attributes:
        n_way: classes in an episode; fewer than in the settings if there are fewer.
        n_shot: support ROIs a class.
        n_query: query ROIs a class.
        n_episodes: episodes of all folds.
        accuracy: mean over episodes.
        interval: half the width of its 95 % confidence interval.
        folds: `(folds,)` mean accuracy of each fold.
        confusion: counts of queries; a row a true class, a column a predicted one.
        classes: a row a class, with `precision`, `recall`, `f1` and `queries`.
        first: the first episode.
    """

    n_way: int
    n_shot: int
    n_query: int
    n_episodes: int
    accuracy: float
    interval: float
    folds: npt.NDArray[np.float64]
    confusion: pd.DataFrame
    classes: pd.DataFrame
    first: EpisodeScores


@single_threaded()
def evaluate_few_shot(
    images: Store,
    learner: Learner,
    settings: Settings,
    *,
    n_episodes: int = 200,
    folds: int = 5,
    progress: Progress = silent,
) -> FewShot:
    """Evaluate a learner on episodes of labelled ROIs that it was not trained on.

    Each ROI passes the backbone once.

    Args:
        images: images of the ROIs, with labels.
        learner: in any mode; it is evaluated in evaluation mode.
        settings: `episodes`, `compute` and `seed` are used.
        n_episodes: episodes in a fold.
        folds: number of folds, at least one; each has a random stream of its own.
        progress: called with the number of episodes done.

    Raises:
        InputError: there are no labels, or fewer than two classes are large enough.
        CheckpointError: the images were made with another front end.
    """
    labels = images.rois.labels
    if labels is None:
        raise InputError("None of these ROIs has a label, so there is nothing to compare with.")
    sampler = EpisodeSampler(labels, recording_names(images.rois), settings.episodes)
    episodes = [
        sampler.sample(numpy_generator(settings.seed, Purpose.EVALUATION, fold, number))
        for fold in range(folds)
        for number in range(n_episodes)
    ]
    accuracies = np.zeros(len(episodes))
    names = [str(name) for name in sampler.classes]
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    class_index = {name: i for i, name in enumerate(sampler.classes)}
    results = list(score_episodes(images, learner, episodes, settings.compute, progress=progress))
    for i, result in enumerate(results):
        accuracies[i] = result.accuracy
        _count(counts, result, class_index)
    confusion = pd.DataFrame(counts, index=names, columns=names)
    return FewShot(
        n_way=sampler.n_way,
        n_shot=settings.episodes.n_shot,
        n_query=settings.episodes.n_query,
        n_episodes=len(episodes),
        accuracy=float(accuracies.mean()),
        interval=interval_95(accuracies),
        folds=accuracies.reshape(folds, n_episodes).mean(1),
        confusion=confusion,
        classes=per_class_scores(confusion),
        first=results[0],
    )


def score_episodes(
    images: Store,
    learner: Learner,
    episodes: Sequence[Episode],
    compute: ComputeSettings,
    *,
    progress: Progress = silent,
    stage: str = "episodes",
) -> Iterator[EpisodeScores]:
    """Yield the learner's predictions for each episode, in order, in evaluation mode.

    A GPU scores the next episodes while the CPU reads the predictions of one.

    Raises:
        CheckpointError: the images were made with another front end.
    """
    was_training = learner.training
    progress(stage, 0, len(episodes))
    n_done = 0
    for chunk in _chunks(episodes):
        rows = np.unique(np.concatenate([episode.rows for episode in chunk]))
        features = compute_features(images, learner, compute, rows=rows)
        features = upload(features, next(learner.parameters()).device)
        learner.eval()
        try:
            scored = (_score(learner, episode, rows, features) for episode in chunk)
            for episode, result in zip(chunk, download_in_order(scored), strict=True):
                n_done += 1
                scores = EpisodeScores(episode, result[1:].long(), float(result[0]))
                progress(stage, n_done, len(episodes), {"accuracy": scores.accuracy})
                yield scores
        finally:
            learner.train(was_training)


def _chunks(episodes: Sequence[Episode]) -> Iterator[list[Episode]]:
    """Yield consecutive episodes whose features fit into memory together."""
    chunk: list[Episode] = []
    chunk_rows: set[int] = set()
    for episode in episodes:
        union = chunk_rows.union(episode.rows.tolist())
        if chunk and len(union) > _MAX_ROIS_IN_MEMORY:
            yield chunk
            chunk, union = [], set(episode.rows.tolist())
        chunk.append(episode)
        chunk_rows = union
    if chunk:
        yield chunk


@torch.inference_mode()
def _score(
    learner: Learner, episode: Episode, rows: npt.NDArray[np.int64], features: Tensor
) -> Tensor:
    """Return the mean loss and the predicted class of each query, `(1 + n_queries,)`."""
    device = features.device

    def features_of(wanted: npt.NDArray[np.int64]) -> Tensor:
        return features[upload(torch.from_numpy(np.searchsorted(rows, wanted)), device)]

    support_labels = upload(torch.from_numpy(episode.support_labels), device)
    state = learner.adapt(features_of(episode.support), support_labels, episode.n_way)
    scores = learner.score(state, features_of(episode.query))
    loss = learner.loss(scores, upload(torch.from_numpy(episode.query_labels), device))
    return torch.cat([loss.reshape(1), scores.argmax(1).to(loss.dtype)])


def _count(
    counts: npt.NDArray[np.int64], result: EpisodeScores, class_index: dict[object, int]
) -> None:
    columns = np.array([class_index[name] for name in result.episode.classes])
    true, predicted = columns[result.episode.query_labels], columns[result.predicted.numpy()]
    np.add.at(counts, (true, predicted), 1)


def interval_95(values: npt.NDArray[np.float64]) -> float:
    """Return half the width of the 95 % confidence interval of a mean.

    Args:
        values: `(n,)` independent values.

    Returns:
        1.96 standard errors; NaN for a single value.
    """
    if len(values) < 2:
        return math.nan
    return float(_NORMAL_QUANTILE_95 * values.std(ddof=1) / math.sqrt(len(values)))


def per_class_scores(confusion: pd.DataFrame) -> pd.DataFrame:
    """Return precision, recall, F1 and number of queries of each class.

    Args:
        confusion: counts; a row a true class, a column a predicted one.

    Returns:
        A row a class, in the order of the rows; a score is 0 where its denominator is 0.
    """
    counts = confusion.to_numpy(dtype=np.float64)
    correct, true, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    return pd.DataFrame(
        {
            "precision": _ratio(correct, predicted),
            "recall": _ratio(correct, true),
            "f1": _ratio(2 * correct, true + predicted),
            "queries": true.astype(np.int64),
        },
        index=confusion.index,
    )


def _ratio(
    numerator: npt.NDArray[np.float64], denominator: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    zeros = np.zeros_like(numerator)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0)

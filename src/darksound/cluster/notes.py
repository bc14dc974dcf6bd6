"""Notes for the user, and how long each stage of an iteration took."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from math import isnan
from time import perf_counter

__all__ = [
    "DimensionChoice",
    "Notes",
    "OnNote",
    "Stages",
    "Stopwatch",
    "ignore_note",
    "log_choice",
    "log_note",
]

logger = logging.getLogger(__name__)

#: Called with one sentence for the user.
OnNote = Callable[[str], None]


def log_note(sentence: str, level: int = logging.WARNING) -> None:
    """Log a sentence."""
    logger.log(level, "%s", sentence)


def ignore_note(sentence: str) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class DimensionChoice:
    """The number of dimensions chosen from several in `reduction.n_components`.

    Attributes:
        n_components: the chosen number.
        dbcv: of the clusters for each number, in the space that was clustered; NaN below two
            clusters.
        n_clusters: number of clusters for each number.
    """

    n_components: int
    dbcv: Mapping[int, float]
    n_clusters: Mapping[int, int]

    @property
    def sentence(self) -> str:
        """Return the choice as a sentence for the user."""
        if all(isnan(value) for value in self.dbcv.values()):
            return (
                f"None of reduction.n_components ({', '.join(map(str, self.dbcv))}) gives two "
                f"clusters, so DBCV is undefined; {self.n_components} is used."
            )
        compared = ", ".join(
            f"{'undefined' if isnan(value) else format(value, '.3f')} for {k} "
            f"({self.n_clusters[k]} clusters)"
            for k, value in self.dbcv.items()
        )
        return f"Of reduction.n_components, {self.n_components} was chosen by DBCV: {compared}."


def log_choice(choice: DimensionChoice) -> None:
    """Log a choice."""
    log_note(choice.sentence, logging.INFO)


class Notes:
    """Collects sentences without duplicates, and logs each when it is added.

    Args:
        sentences: earlier ones, which are not logged again.
    """

    def __init__(self, sentences: Iterable[str] = ()) -> None:
        self._sentences = dict.fromkeys(sentences)

    def __call__(self, sentence: str, level: int = logging.WARNING) -> None:
        """Add a sentence and log it at a level, unless it was added before."""
        if sentence not in self._sentences:
            self._sentences[sentence] = None
            log_note(sentence, level)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return all sentences in order."""
        return tuple(self._sentences)


@dataclass(frozen=True)
class Stages:
    """Wall time of the stages of an iteration in seconds; NaN if it was not measured.

    Attributes:
        fine_tune_s: fine-tuning on the previous iteration's clusters; 0 in the first iteration.
        embed_s: embedding of all ROIs.
        reduce_s: reduction of the embeddings.
        cluster_s: clustering of the reduced embeddings.
        validity_s: metrics without labels.
    """

    fine_tune_s: float = float("nan")
    embed_s: float = float("nan")
    reduce_s: float = float("nan")
    cluster_s: float = float("nan")
    validity_s: float = float("nan")


class Stopwatch:
    """Runs from its creation, and adds up the time of stages."""

    def __init__(self) -> None:
        self._start = perf_counter()
        self._seconds = {field.name: 0.0 for field in fields(Stages)}

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage, named as in `Stages`."""
        start = perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += perf_counter() - start

    @property
    def seconds(self) -> float:
        """Return the time since creation in seconds."""
        return perf_counter() - self._start

    @property
    def stages(self) -> Stages:
        """Return the time of each stage so far, 0 for stages that did not run."""
        return Stages(**self._seconds)

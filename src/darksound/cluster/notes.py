"""How long each stage of an iteration took."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from time import perf_counter

__all__ = ["Notebook", "Say", "Stages", "Stopwatch", "log_note"]

logger = logging.getLogger(__name__)

#: Takes one sentence that a user should read.
Say = Callable[[str], None]


def log_note(sentence: str, level: int = logging.WARNING) -> None:
    """Log a sentence and keep it nowhere."""
    logger.log(level, "%s", sentence)


class Notebook:
    """Keeps each sentence once and logs it the first time."""

    def __init__(self, sentences: Iterable[str] = ()) -> None:
        self._sentences = dict.fromkeys(sentences)

    def __call__(self, sentence: str, level: int = logging.WARNING) -> None:
        """Note a sentence; `level` is that of its line in the log."""
        if sentence not in self._sentences:
            self._sentences[sentence] = None
            log_note(sentence, level)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was noted, in order."""
        return tuple(self._sentences)


@dataclass(frozen=True)
class Stages:
    """Wall seconds of the stages of an iteration; NaN where they were not taken.

    Attributes:
        fine_tune_s: learning from the iteration before; 0 in the first.
        embed_s: all ROIs through the learner.
        reduce_s: from embeddings to the few dimensions that are clustered.
        cluster_s: from those to clusters.
        validity_s: judging clusters without labels.
    """

    fine_tune_s: float = float("nan")
    embed_s: float = float("nan")
    reduce_s: float = float("nan")
    cluster_s: float = float("nan")
    validity_s: float = float("nan")


class Stopwatch:
    """Runs from when it is made, and adds up what stages take."""

    def __init__(self) -> None:
        self._began = perf_counter()
        self._spent = {field.name: 0.0 for field in fields(Stages)}

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Count the block among the seconds of a stage, named as in `Stages`."""
        began = perf_counter()
        try:
            yield
        finally:
            self._spent[stage] += perf_counter() - began

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return perf_counter() - self._began

    @property
    def stages(self) -> Stages:
        """What each stage took so far; 0 where it did not come up."""
        return Stages(**self._spent)

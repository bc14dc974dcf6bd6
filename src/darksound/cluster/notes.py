"""Sentences about what was done differently from what was asked, for the log and the result."""

import logging
from collections.abc import Callable, Iterable

__all__ = ["Notebook", "Say", "log_note"]

_LOG = logging.getLogger(__name__)

#: Takes one sentence that a user should read.
Say = Callable[[str], None]


def log_note(sentence: str, level: int = logging.WARNING) -> None:
    """Log a sentence and keep it nowhere."""
    _LOG.log(level, "%s", sentence)


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

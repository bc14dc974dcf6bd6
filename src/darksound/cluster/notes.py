"""Sentences about what was done differently from what was asked, for the log and the result."""

import logging
from collections.abc import Callable, Iterable

__all__ = ["Notebook", "Say", "log_note"]

_LOG = logging.getLogger(__name__)

#: Takes one sentence that a user should read.
Say = Callable[[str], None]


def log_note(sentence: str) -> None:
    """Log a sentence as a warning and keep it nowhere."""
    _LOG.warning("%s", sentence)


class Notebook:
    """Keeps each sentence once and logs it the first time."""

    def __init__(self, sentences: Iterable[str] = ()) -> None:
        self._sentences = dict.fromkeys(sentences)

    def __call__(self, sentence: str) -> None:
        """Note a sentence."""
        if sentence not in self._sentences:
            self._sentences[sentence] = None
            log_note(sentence)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was noted, in order."""
        return tuple(self._sentences)

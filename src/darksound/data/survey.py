"""What many files say of themselves, asked at once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from darksound.audio.files import AudioInfo, probe
from darksound.errors import InputError
from darksound.settings import Settings

__all__ = ["in_threads", "survey"]

T = TypeVar("T")
R = TypeVar("R")

# Opening files waits on disks and networks more than on processors.
_THREADS_A_CORE = 2


def in_threads(function: Callable[[T], R], items: Sequence[T], settings: Settings) -> list[R]:
    """`function` of every item, in order, by as many threads as the settings allow."""
    workers = settings.compute.workers
    threads = _THREADS_A_CORE * (os.cpu_count() or 1) if workers == "auto" else workers
    if min(threads, len(items)) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(function, items, chunksize=1))


def survey(
    root: Path, recordings: Sequence[str], settings: Settings
) -> dict[str, AudioInfo | InputError]:
    """What each recording below `root` says of itself, or why it cannot be used."""

    def ask(recording: str) -> AudioInfo | InputError:
        try:
            return probe(root / recording)
        except InputError as error:
            return error

    return dict(zip(recordings, in_threads(ask, recordings, settings), strict=True))

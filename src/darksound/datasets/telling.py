"""Bytes told of as megabytes, which is what a person can follow."""

import time

from darksound.progress import Progress

__all__ = ["Megabytes"]

_MB = 1_000_000


class Megabytes:
    """Tells a `Progress` of bytes, at most once a megabyte.

    Args:
        stage: what is going on.
        progress: whom to tell.
        total: bytes altogether; None where nobody knows.
        first: bytes that were there before.
    """

    def __init__(
        self, stage: str, progress: Progress, total: int | None = None, first: int = 0
    ) -> None:
        self._stage = f"{stage} (MB)"
        self._progress = progress
        self._total = total
        self._told: int | None = None
        self._first, self._began = first, time.monotonic()

    def tell(self, size: int) -> None:
        """Say that so many bytes are done."""
        done = size // _MB
        if done == self._told:
            return
        self._told = done
        if self._total is None:
            # Without a total there is no time left to tell, but there is a rate.
            taken = time.monotonic() - self._began
            rate = (size - self._first) / _MB / taken if taken > 0 else 0.0
            self._progress(self._stage, 0, 1, {"MB": done, "MB/s": rate})
        else:
            whole = -(-self._total // _MB)
            self._progress(self._stage, whole if size >= self._total else done, whole)

    def end(self) -> None:
        """Say that all is done."""
        if self._told is not None:
            whole = 1 if self._total is None else -(-self._total // _MB)
            self._progress(self._stage, whole, whole)

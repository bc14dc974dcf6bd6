"""What segmentation takes, told before it starts, and refused where it cannot fit."""

import logging

from darksound.data.room import refuse_memory, said
from darksound.data.workers import worker_count
from darksound.settings import Settings

__all__ = ["tell_cost"]

logger = logging.getLogger(__name__)

# Measured by benchmarks/segmentation_day.py on one core of a server of 2023: seconds of sound at
# 48 kHz a second, and what a worker holds at its peak.
_SPEED = 500.0
_WORKER = 0.42e9


def tell_cost(seconds: float, recordings: int, blocks: int, settings: Settings) -> None:
    """Log how much sound there is to segment and an estimate; refuse what cannot fit.

    The workers of a Dask cluster are not this machine's, so that nothing is said of them.

    Args:
        seconds: of sound that is not segmented yet.
        recordings: that it is in.
        blocks: of it, each a job of one worker.
        settings: `compute`.

    Raises:
        RunError: memory is too small, and `compute.refuse` is on.
    """
    if settings.compute.dask is not None:
        return
    workers = min(worker_count(settings), blocks)
    memory = workers * _WORKER
    minutes = seconds / _SPEED / workers / 60
    logger.info(
        "CPU (%d workers), %.1f hours of sound in %d recordings, about %.1f min, %s of memory.",
        workers,
        seconds / 3600,
        recordings,
        minutes,
        said(memory),
    )
    if settings.compute.refuse:
        what = f"Segmentation by {workers} workers"
        refuse_memory(what, memory, "close other programs, lower --workers")

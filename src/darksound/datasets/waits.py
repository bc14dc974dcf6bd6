"""When to try again, and when to give up."""

import logging
import random
import time
from collections.abc import Callable

from darksound.datasets.failures import MirrorError
from darksound.settings import DownloadSettings

__all__ = ["Tries"]

logger = logging.getLogger(__name__)

# Of every wait up to this share is left to chance.
_JITTER = 0.25
# Less than this is no progress: a server that lets go after every few bytes is no help.
_PROGRESS_BYTES = 1_000_000
_CHANCE = random.SystemRandom()


class Tries:
    """Counts tries that brought nothing, and waits longer after each.

    Args:
        settings: how many, and how long.
        sleep: waits for so many seconds.
        chance: a number in [0, 1). Clients that were turned away together must not come back
            together, so by default it differs between processes; no result depends on it.
    """

    def __init__(
        self,
        settings: DownloadSettings,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = _CHANCE.random,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._chance = chance
        self._fruitless = 0
        self._furthest = 0

    def after(self, trouble: MirrorError, reached: int) -> None:
        """Wait as long as is right after a try that failed with `reached` bytes on disk.

        Raises:
            MirrorError: the same, where another try would be no use.
        """
        # A network that was there a moment ago may come back; one that never was will not.
        if not (trouble.passing or (trouble.cause.network and reached)):
            raise trouble
        if reached >= self._furthest + _PROGRESS_BYTES:
            self._furthest, self._fruitless = reached, 0
        self._fruitless += 1
        longest = self._settings.backoff_max_s
        if self._fruitless >= self._settings.max_attempts or (trouble.wait_s or 0.0) > longest:
            raise trouble
        growing = self._settings.backoff_base_s * 2 ** (self._fruitless - 1)
        seconds = max(growing * (1 + _JITTER * self._chance()), trouble.wait_s or 0.0)
        seconds = min(seconds, longest)
        logger.info("%s Trying again in %.0f s.", trouble, seconds)
        self._sleep(seconds)

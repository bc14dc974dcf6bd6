"""When and how often a download is tried again."""

import logging
import random
import time
from collections.abc import Callable

from darksound.datasets.failures import MirrorError
from darksound.settings import DownloadSettings

__all__ = ["RetryPolicy"]

logger = logging.getLogger(__name__)

# Each delay is longer by a random share of at most this, so that clients do not retry together.
_JITTER = 0.25
# An attempt that brings fewer bytes than this counts as one without progress.
_PROGRESS_BYTES = 1_000_000
_RANDOM = random.SystemRandom()


class RetryPolicy:
    """Exponential backoff, and a limit on consecutive attempts without progress.

    Args:
        settings: number of attempts, and the delays.
        sleep: waits for a number of seconds.
        jitter: returns a number in [0, 1); differs between processes by default, and no result
            depends on it.
    """

    def __init__(
        self,
        settings: DownloadSettings,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._jitter = jitter
        self._failures = 0
        self._largest_size = 0

    def wait(self, error: MirrorError, size: int) -> None:
        """Wait before the next attempt.

        Args:
            error: the error of the last attempt.
            size: number of bytes on disk after it.

        Raises:
            MirrorError: the same error, if another attempt is not allowed or would be useless.
        """
        # A network that worked a moment ago may come back; one that never worked will not.
        if not (error.temporary or (error.cause.network and size)):
            raise error
        if size >= self._largest_size + _PROGRESS_BYTES:
            self._largest_size, self._failures = size, 0
        self._failures += 1
        longest, requested = self._settings.backoff_max_s, error.retry_after_s or 0.0
        if self._failures >= self._settings.max_attempts or requested > longest:
            raise error
        backoff = self._settings.backoff_base_s * 2 ** (self._failures - 1)
        seconds = min(max(backoff * (1 + _JITTER * self._jitter()), requested), longest)
        # The message of the error is logged by the caller, or raised, after the last attempt.
        logger.debug("%s", error)
        logger.info(
            "%s: attempt %d of %d failed; retrying in %.0f s.",
            error.address,
            self._failures,
            self._settings.max_attempts,
            seconds,
        )
        self._sleep(seconds)

"""How many processes share the work, and how they share the cores."""

import ctypes
import platform
from functools import cache

import joblib

from darksound.settings import Settings

__all__ = ["be_a_worker", "worker_count"]

# Of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def worker_count(settings: Settings) -> int:
    """The workers that the settings ask for; `auto` is one a core that this process may use."""
    wanted = settings.compute.workers
    return int(joblib.cpu_count()) if wanted == "auto" else wanted


def be_a_worker() -> None:
    """Let this process, a worker of a Dask cluster, compute at full speed.

    Torch uses one thread, since a worker does as many jobs side by side as it has threads. And
    glibc keeps up to 128 MB of what is freed: Dask has its workers give memory back at once, and
    fetching it again for every array takes longer than what is computed with it.
    """
    import torch

    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    _keep_freed_memory()


@cache
def _keep_freed_memory() -> None:
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 128 << 20)

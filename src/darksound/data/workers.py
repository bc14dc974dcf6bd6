"""How many processes share the work."""

import joblib

from darksound.settings import Settings

__all__ = ["worker_count"]


def worker_count(settings: Settings) -> int:
    """The workers that the settings ask for; `auto` is one a core that this process may use."""
    wanted = settings.compute.workers
    return int(joblib.cpu_count()) if wanted == "auto" else wanted

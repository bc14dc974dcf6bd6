"""Being one of the processes that torchrun started."""

from collections.abc import Mapping

from darksound.meta.place import Place

__all__ = ["place_among_processes"]


def place_among_processes(environment: Mapping[str, str]) -> Place | None:
    """Which of torchrun's processes this is, as it says in the environment; None where alone."""
    if "TORCHELASTIC_RUN_ID" not in environment or environment["WORLD_SIZE"] == "1":
        return None
    return Place(*(int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))

"""Which of several processes this one is."""

from dataclasses import dataclass

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """A process among those that torchrun started.

    Attributes:
        rank: its number among all.
        size: number of all.
        local_rank: its number among those of its machine.
    """

    rank: int
    size: int
    local_rank: int

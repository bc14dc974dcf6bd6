"""Random generators from a seed, a purpose and counters, without any global state."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch

__all__ = ["Purpose", "numpy_generator", "seeded_torch", "torch_generator"]


class Purpose(IntEnum):
    """Use of a random stream, so that two uses of one seed draw different numbers."""

    BACKBONE = 101
    HEAD = 102
    EPISODE = 103
    AUGMENT = 104
    DROPOUT = 105
    HOLD_OUT = 106
    VALIDATION = 107
    EVALUATION = 108
    FINE_TUNE = 109
    SCENE = 110
    PRETRAIN = 111


def numpy_generator(seed: int, purpose: Purpose, *counters: int) -> np.random.Generator:
    """Return a NumPy generator for this purpose and these counters (epoch, episode, ...)."""
    return np.random.default_rng([seed, int(purpose), *counters])


def _torch_seed(seed: int, purpose: Purpose, counters: tuple[int, ...]) -> int:
    state = np.random.SeedSequence([seed, int(purpose), *counters]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def torch_generator(seed: int, purpose: Purpose, *counters: int) -> torch.Generator:
    """Return a torch generator on the CPU for this purpose and these counters."""
    return torch.Generator().manual_seed(_torch_seed(seed, purpose, counters))


@contextmanager
def seeded_torch(
    seed: int, purpose: Purpose, *counters: int, device: torch.device | None = None
) -> Iterator[None]:
    """Seed torch's global generator (initialisation, dropout) in a block, and restore it after."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(_torch_seed(seed, purpose, counters))
        yield

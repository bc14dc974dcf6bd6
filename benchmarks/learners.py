"""Learners that benchmarks train, kept between their runs."""

from collections.abc import Callable
from pathlib import Path

import darksound as ds
from darksound.meta.checkpoints import load_checkpoint, save_checkpoint

__all__ = ["kept"]


def kept(folder: Path | None, name: str, seed: int, train: Callable[[], ds.Learner]) -> ds.Learner:
    """The learner of this name and seed in the folder, or one that is trained and put there."""
    if folder is None:
        return train()
    name = f"{name}, {seed}"
    path = folder / f"{name}.safetensors"
    return load_checkpoint(path if path.exists() else save_checkpoint(folder, name, train()))

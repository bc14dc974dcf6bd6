"""Learners that benchmarks train, saved for further runs."""

from pathlib import Path

import darksound as ds
from darksound.meta.checkpoints import load_checkpoint, save_checkpoint

__all__ = ["trained"]


def trained(audio: Path, settings: ds.Settings, folder: Path | None, name: str) -> ds.Learner:
    """Return a learner that is trained on the windows of `birdguess` and `british`.

    Args:
        audio: folder of both sets.
        settings: settings of the training.
        folder: a learner of this name and seed is loaded from it, or saved to it; None to train
            without saving.
        name: of the learner.
    """
    name = f"{name}, {settings.seed}"
    if folder is not None and (path := folder / f"{name}.safetensors").exists():
        return load_checkpoint(path)
    sets = (audio / "birdguess", audio / "british")
    learner = ds.train(ds.load_rois(*sets, rois="windows", settings=settings), settings)
    if folder is None:
        return learner
    # Later runs load this file, so this one does too.
    return load_checkpoint(save_checkpoint(learner, folder, name))

"""Learners that benchmarks train, kept between their runs."""

from pathlib import Path

import darksound as ds
from darksound.meta.checkpoints import load_checkpoint, save_checkpoint

__all__ = ["trained"]


def trained(audio: Path, settings: ds.Settings, folder: Path | None, name: str) -> ds.Learner:
    """A learner trained on the windows of `birdguess` and `british`.

    That of this name and the settings' seed in the folder, where there is one; else it is put
    there, or nowhere without a folder.
    """
    name = f"{name}, {settings.seed}"
    if folder is not None and (path := folder / f"{name}.safetensors").exists():
        return load_checkpoint(path)
    sets = (audio / "birdguess", audio / "british")
    learner = ds.train(ds.load_rois(*sets, rois="windows", settings=settings), settings)
    # What is read back is what later runs go on with.
    return learner if folder is None else load_checkpoint(save_checkpoint(folder, name, learner))

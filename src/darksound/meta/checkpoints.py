"""Checkpoints: weights as safetensors, their description as JSON, and the training state."""

import dataclasses
import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import ValidationError
from torch import Tensor

from darksound.atomic import write_bytes, write_text
from darksound.errors import CheckpointError, DarksoundError
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.meta.weights import load_weights, metadata_in, read_pickle, read_weights
from darksound.settings import Settings

__all__ = [
    "FORMAT",
    "EpochReport",
    "TrainState",
    "load_checkpoint",
    "load_train_state",
    "save_checkpoint",
    "save_train_state",
]

#: Version of the file format. It is raised when an older darksound could not read the files.
FORMAT = 1
_METADATA_KEY = "darksound"
_PICKLE_SUFFIXES = (".pt", ".pth")


@dataclass(frozen=True)
class EpochReport:
    """The figures of one epoch.

    Attributes:
        epoch: number, from 1; 0 is the learner before training.
        train_loss: mean over the steps of the epoch.
        train_accuracy: mean over the steps of the epoch, on augmented images.
        validation_loss: mean over the validation episodes; NaN without validation.
        validation_accuracy: mean over the validation episodes; NaN without validation.
        learning_rate: learning rate of the epoch.
        images_per_s: training images a second.
        seconds: duration of training and validation.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    images_per_s: float
    seconds: float

    @property
    def score(self) -> tuple[float, float]:
        """Return what epochs are compared by, higher is better.

        Validation accuracy, then validation loss; without validation the training loss.
        """
        if math.isnan(self.validation_accuracy):
            return -self.train_loss, 0.0
        return self.validation_accuracy, -self.validation_loss


@dataclass
class TrainState:
    """The state of a training after an epoch.

    Attributes:
        learner: the learner with its current weights.
        epoch: number of epochs done.
        head: weights of the classical regime's linear classifier; empty in the episodic regime.
        optimizer: state dict of the optimiser.
        scheduler: state dict of the learning rate scheduler.
        best_weights: copy of the weights of `best_report`.
        initial_report: figures of the learner before training, as epoch 0; None without
            validation.
        reports: one an epoch.
        keeps_last: the last epoch counts as the best one (`training.validation_share` of 0), so
            that the learning rate stays and training does not end early.
    """

    learner: Learner
    epoch: int = 0
    head: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    scheduler: dict[str, Any] = field(default_factory=dict)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    initial_report: EpochReport | None = None
    reports: list[EpochReport] = field(default_factory=list)
    keeps_last: bool = False

    @property
    def best_epoch(self) -> int:
        """Return the best trained epoch, the earliest of equals; 0 before the first epoch.

        The learning rate scheduler and early stopping use it.
        """
        if self.keeps_last:
            return self.epoch
        best = max(self.reports, key=lambda report: report.score, default=None)
        return 0 if best is None else best.epoch

    @property
    def best_report(self) -> EpochReport | None:
        """Return the figures of the best epoch; of epoch 0 if no trained epoch is better."""
        if self.keeps_last:
            return self.reports[-1] if self.reports else None
        reports = [*filter(None, [self.initial_report]), *self.reports]
        return max(reports, key=lambda report: report.score, default=None)


def save_checkpoint(
    learner: Learner,
    folder: str | Path,
    name: str = "best",
    *,
    weights: Mapping[str, Tensor] | None = None,
    metrics: Mapping[str, object] | None = None,
) -> Path:
    """Write a learner to `name.safetensors`, and its description to `name.json` for reading.

    The description (settings, classes, metrics, format) is also in the metadata of the weights
    file, so the weights file alone is complete. Each file is written to a temporary name and
    renamed.

    Args:
        learner: the learner to save.
        folder: created if it does not exist.
        name: file name without suffix; commands and `load_checkpoint` find `best` in a folder.
        weights: state dict to save; by default that of the learner.
        metrics: figures for the description.

    Returns:
        The path of the weights file.

    Raises:
        RunError: a file cannot be written.

    Examples:
        >>> import darksound as ds
        >>> short = {"epochs": 1, "episodes_per_epoch": 1, "validation_episodes": 1}
        >>> settings = ds.Settings().replace(training=short, augmentation={"enabled": False})
        >>> learner = ds.train("demo:val", settings)
        >>> ds.save_checkpoint(learner, "checkpoints", metrics={"note": "a trial"}).name
        'best.safetensors'
    """
    folder = Path(folder)
    description = {
        "format": FORMAT,
        "method": learner.method,
        "classes": list(learner.classes),
        "metrics": dict(metrics or {}),
        # The machine that trained a learner is no property of it.
        "settings": learner.settings.model_dump(mode="json", exclude={"compute", "download"}),
    }
    text = json.dumps(description, indent=2)
    state = learner.state_dict() if weights is None else weights
    tensors = {k: v.detach().cpu().contiguous() for k, v in state.items()}
    path = folder / f"{name}.safetensors"
    write_bytes(path, safetensors.torch.save(tensors, metadata={_METADATA_KEY: text}))
    write_text(path.with_suffix(".json"), text + "\n")
    return path


def save_train_state(folder: Path, state: TrainState) -> None:
    """Write the state of a training and its best learner. Call it after each epoch.

    Writes `best.safetensors` if this epoch is the best or the first, `last.safetensors`, and
    `last.state.pt` with the optimiser, the scheduler and the weights that they belong to. If the
    process is killed in between, `last.state.pt` is still the complete state of the epoch before.
    """
    best = state.best_report
    if best is not None and (state.epoch == 1 or best.epoch == state.epoch):
        metrics = _without_nan(best)
        save_checkpoint(state.learner, folder, weights=state.best_weights, metrics=metrics)
    save_checkpoint(state.learner, folder, "last", metrics=_without_nan(state.reports[-1]))
    initial = state.initial_report
    values = {
        "format": FORMAT,
        "epoch": state.epoch,
        "weights": state.learner.state_dict(),
        "best_weights": state.best_weights,
        "head": state.head,
        "optimizer": state.optimizer,
        "scheduler": state.scheduler,
        "initial_report": None if initial is None else dataclasses.asdict(initial),
        "reports": [dataclasses.asdict(report) for report in state.reports],
    }
    content = io.BytesIO()
    torch.save(values, content)
    write_bytes(folder / "last.state.pt", content.getvalue())


def _without_nan(report: EpochReport) -> dict[str, float]:
    """Return the figures that are not NaN, which JSON cannot hold."""
    return {k: v for k, v in dataclasses.asdict(report).items() if not math.isnan(v)}


def load_checkpoint(path: str | Path, settings: Settings | None = None) -> Learner:
    """Return a saved learner, in evaluation mode on the CPU.

    Args:
        path: a `.safetensors` file; a run directory or its `checkpoints`, for their `best`; or a
            published state dict (`.pt`, `.pth`), see `load_published`.
        settings: settings for a published state dict; checkpoints of darksound contain theirs.

    Returns:
        The learner, with the settings and classes that it was trained on.

    Raises:
        CheckpointError: the file is missing, damaged, of another format, or does not match its
            description.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
        >>> ds.mec("demo:val", settings=settings).save("my-run")
        >>> learner = ds.load_checkpoint("my-run")
        >>> learner.method, learner.embedding_dim
        ('prototypical', 512)
    """
    path = _weights_file(Path(path))
    if path.suffix in _PICKLE_SUFFIXES:
        # Its import of torchvision takes a second and a half.
        from darksound.meta.published import load_published

        return load_published(path, Settings() if settings is None else settings)
    description = _read_description(path)
    try:
        saved = Settings.model_validate(description["settings"])
        # The initial weights are replaced below, and their file may not exist any more.
        learner = build_learner(saved.replace(backbone={"weights": "none"}))
    except (KeyError, TypeError, ValidationError, DarksoundError) as error:
        raise CheckpointError(
            f"{path} describes a learner that this darksound cannot build ({error}); it was "
            f"written by another version, or by hand."
        ) from error
    load_weights(learner, read_weights(path), str(path))
    learner.settings = saved
    learner.classes = tuple(description.get("classes", ()))
    return learner.eval()


def load_train_state(folder: Path) -> TrainState:
    """Return the state that `save_train_state` wrote to this folder.

    Raises:
        CheckpointError: the file is missing, damaged, or of another format.
    """
    learner = load_checkpoint(folder / "last.safetensors")
    path = folder / "last.state.pt"
    values = read_pickle(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a training state of format {FORMAT}.")
    try:
        learner.load_state_dict(values["weights"])
        initial = values["initial_report"]
        return TrainState(
            learner=learner.train(),
            epoch=values["epoch"],
            head=values["head"],
            optimizer=values["optimizer"],
            scheduler=values["scheduler"],
            best_weights=values["best_weights"],
            initial_report=None if initial is None else EpochReport(**initial),
            reports=[EpochReport(**report) for report in values["reports"]],
        )
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit its checkpoint ({error}).") from error


def _weights_file(path: Path) -> Path:
    # These functions return False for names that no file can have.
    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise CheckpointError(f"There is no checkpoint {path}.")
        return path
    for name in ("checkpoints/best.safetensors", "best.safetensors"):
        if (path / name).is_file():
            return path / name
    raise CheckpointError(
        f"The folder {path} contains no checkpoint: neither checkpoints/best.safetensors nor "
        f"best.safetensors exists."
    )


def _read_description(path: Path) -> dict[str, Any]:
    description = metadata_in(path, _METADATA_KEY)
    if description is None:
        raise CheckpointError(
            f"{path} contains weights without the description of a learner, so darksound did not "
            f"write it. Use it as backbone.weights instead."
        )
    if description.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {description.get('format')!r} and this darksound reads {FORMAT}; "
            f"use the version that wrote it."
        )
    return description

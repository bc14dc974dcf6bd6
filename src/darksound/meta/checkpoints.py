"""Learners on disk: weights as safetensors, what they are as JSON, the optimiser apart."""

import dataclasses
import io
import json
import math
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
from darksound.meta.published import load_published
from darksound.meta.weights import description_in, fill, read_pickle, read_weights
from darksound.settings import Settings

__all__ = [
    "FORMAT",
    "EpochReport",
    "TrainState",
    "load_checkpoint",
    "load_train_state",
    "save_checkpoint",
    "save_training",
]


@dataclass(frozen=True)
class EpochReport:
    """One epoch in figures.

    Attributes:
        epoch: from 1.
        train_loss: mean over the epoch's steps.
        train_accuracy: mean over the epoch's steps, on augmented images.
        validation_loss: mean over the validation episodes; NaN without validation.
        validation_accuracy: mean over the validation episodes; NaN without validation.
        learning_rate: that the epoch was trained with.
        images_per_s: trained images a second.
        seconds: of training and validation together.
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
        """What epochs are compared by: the accuracy, then the loss; of validation if there is."""
        if math.isnan(self.validation_accuracy):
            return -self.train_loss, 0.0
        return self.validation_accuracy, -self.validation_loss


@dataclass
class TrainState:
    """A training after some epoch.

    Attributes:
        learner: as it is now.
        epoch: epochs done.
        head: weights of what is trained beside the learner; empty in the episodic regime.
        optimizer: the optimiser's state dict.
        learning_rate: that the next epoch uses.
        stale: epochs since the best one, or since the rate last fell.
        best: a copy of the weights to keep.
        start: figures of the learner as it was given, as epoch 0; None without validation.
        reports: one an epoch.
    """

    learner: Learner
    epoch: int = 0
    head: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    learning_rate: float = math.nan
    stale: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    start: EpochReport | None = None
    reports: list[EpochReport] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The best trained epoch, which the schedule goes by; 0 before the first. Of equals, the
        earliest.
        """
        best = max(self.reports, key=lambda report: report.score, default=None)
        return 0 if best is None else best.epoch

    @property
    def kept(self) -> EpochReport | None:
        """The epoch whose weights are kept: the best, or the start where none is better."""
        every = [*filter(None, [self.start]), *self.reports]
        return max(every, key=lambda report: report.score, default=None)


#: Version of the files; raised when an older darksound could not read them.
FORMAT = 1
_KEY = "darksound"
_PICKLES = (".pt", ".pth")


def save_checkpoint(
    folder: Path,
    name: str,
    learner: Learner,
    *,
    weights: Mapping[str, Tensor] | None = None,
    metrics: Mapping[str, object] | None = None,
) -> Path:
    """Write `name.safetensors` and, for people to read, `name.json` with the same description.

    The description (settings, classes, metrics, format) lies in the weights file too, which is
    therefore whole by itself. Each file is written beside and renamed into place.

    Args:
        folder: made where it is missing.
        name: such as `best`.
        learner: what to save.
        weights: its state dict, where not the present one is meant.
        metrics: figures to keep with it.

    Returns:
        The path of the weights file.
    """
    about = {
        "format": FORMAT,
        "method": learner.method,
        "classes": list(learner.classes),
        "metrics": dict(metrics or {}),
        # Where it ran is no property of a learner.
        "settings": learner.settings.model_dump(mode="json", exclude={"compute", "download"}),
    }
    text = json.dumps(about, indent=2)
    state = learner.state_dict() if weights is None else weights
    tensors = {k: v.detach().cpu().contiguous() for k, v in state.items()}
    path = folder / f"{name}.safetensors"
    write_bytes(path, safetensors.torch.save(tensors, metadata={_KEY: text}))
    write_text(path.with_suffix(".json"), text + "\n")
    return path


def save_training(folder: Path, state: TrainState) -> None:
    """Write what a training needs to go on, and its best learner: call it after each epoch.

    Writes `best.safetensors` where this epoch is to be kept or is the first, `last.safetensors`,
    and `last.state.pt` with the optimiser and the weights it belongs to, so that a kill in between
    leaves the whole state of the epoch before.
    """
    metrics = _figures(state.reports[-1])
    kept = state.kept
    if kept is not None and (state.epoch == 1 or kept.epoch == state.epoch):
        save_checkpoint(folder, "best", state.learner, weights=state.best, metrics=_figures(kept))
    save_checkpoint(folder, "last", state.learner, metrics=metrics)
    whole = {
        "format": FORMAT,
        "epoch": state.epoch,
        "weights": state.learner.state_dict(),
        "best": state.best,
        "head": state.head,
        "optimizer": state.optimizer,
        "learning_rate": state.learning_rate,
        "stale": state.stale,
        "start": None if state.start is None else dataclasses.asdict(state.start),
        "reports": [dataclasses.asdict(report) for report in state.reports],
    }
    content = io.BytesIO()
    torch.save(whole, content)
    write_bytes(folder / "last.state.pt", content.getvalue())


def _figures(report: EpochReport) -> dict[str, float]:
    """What was measured; JSON knows no NaN."""
    return {k: v for k, v in dataclasses.asdict(report).items() if not math.isnan(v)}


def load_checkpoint(path: Path, settings: Settings | None = None) -> Learner:
    """A learner as it was saved, in evaluation mode on the CPU.

    Args:
        path: a `.safetensors` file; a run directory or its `checkpoints`, for their `best`; or a
            published state dict (`.pt`, `.pth`), see `load_published`.
        settings: what a published state dict is used with; our own checkpoints bring theirs.

    Raises:
        CheckpointError: nothing there, damaged, of another format, or not what it says it is.
    """
    path = _weights_file(Path(path))
    if path.suffix in _PICKLES:
        return load_published(path, Settings() if settings is None else settings)
    about = _read_about(path)
    try:
        stored = Settings.model_validate(about["settings"])
        # What the weights started from does not matter any more, and may be gone.
        learner = build_learner(stored.replace(backbone={"weights": "none"}))
    except (KeyError, TypeError, ValidationError, DarksoundError) as error:
        raise CheckpointError(
            f"{path} describes a learner that this darksound cannot build ({error}); it was "
            f"written by another version, or by hand."
        ) from error
    fill(learner, read_weights(path), str(path))
    learner.settings = stored
    learner.classes = tuple(about.get("classes", ()))
    return learner.eval()


def load_train_state(folder: Path) -> TrainState:
    """Where a training stood when `save_training` last wrote to this folder.

    Raises:
        CheckpointError: nothing there, damaged, or of another format.
    """
    learner = load_checkpoint(folder / "last.safetensors")
    path = folder / "last.state.pt"
    whole = _read_state(path)
    try:
        learner.load_state_dict(whole["weights"])
        return TrainState(
            learner=learner.train(),
            epoch=whole["epoch"],
            head=whole["head"],
            optimizer=whole["optimizer"],
            learning_rate=whole["learning_rate"],
            stale=whole["stale"],
            best=whole["best"],
            start=None if whole.get("start") is None else EpochReport(**whole["start"]),
            reports=[EpochReport(**report) for report in whole["reports"]],
        )
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit its checkpoint ({error}).") from error


def _weights_file(path: Path) -> Path:
    if not path.is_dir():
        if not path.exists():
            raise CheckpointError(f"There is no checkpoint {path}.")
        return path
    for inside in ("checkpoints/best.safetensors", "best.safetensors"):
        if (path / inside).is_file():
            return path / inside
    raise CheckpointError(
        f"The folder {path} holds no checkpoint: neither checkpoints/best.safetensors nor "
        f"best.safetensors is there."
    )


def _read_about(path: Path) -> dict[str, Any]:
    about = description_in(path, _KEY)
    if about is None:
        raise CheckpointError(
            f"{path} holds weights, but not which learner they are of; darksound did not write "
            f"it. Use it as backbone.weights instead."
        )
    if about.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is of format {about.get('format')!r} and this darksound reads {FORMAT}; "
            f"use the version that wrote it."
        )
    return about


def _read_state(path: Path) -> dict[str, Any]:
    whole = read_pickle(path)
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no training state of format {FORMAT}.")
    return whole

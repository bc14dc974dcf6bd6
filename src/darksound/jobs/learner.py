"""The initial learner of a run: from a checkpoint, or trained on the demo."""

import hashlib
import json
import logging
import shutil
from pathlib import Path

from darksound.atomic import CACHE_OPTION, replacing_folder
from darksound.jobs.train import train_in_folder
from darksound.meta.backbones.build import resolve_weights, usable_untrained
from darksound.meta.checkpoints import load_checkpoint, save_checkpoint
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.meta.weights import BUNDLED, NO_WEIGHTS
from darksound.progress import Progress
from darksound.run.manifest import fingerprint, versions
from darksound.settings import Settings
from darksound.sources import load_rois
from darksound.store.shard_file import cache_folder
from darksound.text import text_path

__all__ = ["load_learner", "log_initial_learner", "needs_warm_up", "warm_up_learner"]

logger = logging.getLogger(__name__)
# Longest song of the demo in seconds.
_DEMO_S = 3.0
# Settings that the trained weights depend on; the others concern devices, clustering and reports.
_RELEVANT = {
    "seed",
    "audio",
    "front_end",
    "backbone",
    "learner",
    "episodes",
    "training",
    "augmentation",
}


def load_learner(checkpoint: str | None, settings: Settings) -> Learner | None:
    """Return the learner of a checkpoint; None without a checkpoint.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    return None if checkpoint is None else load_checkpoint(text_path(checkpoint), settings)


def needs_warm_up(settings: Settings) -> bool:
    """Return whether a learner without a checkpoint must be trained on the demo first.

    The bundled weights are those of a backbone, so the other parameters of Matching and Relation
    Networks are random. Pretrained weights of other origin are used as they are.
    """
    weights = resolve_weights(settings.backbone)
    if settings.mec.warm_up != "demo" or usable_untrained(settings.backbone):
        return False
    if weights not in (NO_WEIGHTS, BUNDLED):
        return False
    return weights == NO_WEIGHTS or bool(build_learner(settings).parameters_beside_backbone)


def log_initial_learner(settings: Settings, warm_up: bool) -> None:
    """Log what a run without a checkpoint starts from.

    Args:
        settings: of the run.
        warm_up: whether the learner is first trained on the demo.
    """
    backbone, method = settings.backbone.name, settings.learner.method
    if usable_untrained(settings.backbone):
        logger.info("No checkpoint: the embeddings are those of %s.", backbone)
        return
    weights = resolve_weights(settings.backbone)
    if warm_up:
        reason = "no weights" if weights == NO_WEIGHTS else "pretrained weights for a part only"
        logger.info(
            "No checkpoint, and %s of the backbone %s has %s: it is first trained on the demo's "
            "synthetic birds, for %d epochs (mec.warm_up).",
            method,
            backbone,
            reason,
            settings.mec.warm_up_epochs,
        )
    elif weights == NO_WEIGHTS:
        logger.warning(
            "No checkpoint, and backbone.weights and mec.warm_up are none: the network is "
            "untrained, so its first embeddings say nothing about sounds."
        )
    else:
        band = ""
        if weights == BUNDLED:
            low_hz, high_hz = settings.front_end.low_hz, settings.front_end.high_hz
            high = high_hz if isinstance(high_hz, str) else f"{high_hz / 1000:g} kHz"
            band = f", for images of {low_hz:g} Hz to {high}"
        logger.info(
            "No checkpoint: the backbone %s starts from the weights %s%s.", backbone, weights, band
        )


def warm_up_learner(settings: Settings, folder: Path, progress: Progress) -> Learner:
    """Return a learner trained on the demo's synthetic birds with these settings.

    It is stored in the cache, and loaded from there the next time.

    Args:
        settings: of the run.
        folder: for the state of the training, so that it can be resumed.
        progress: called with the progress.

    Raises:
        SettingsError: backbone and learner do not fit together.
        CheckpointError: the learner in the cache is damaged.
    """
    settings = _warm_up_settings(settings)
    rois, validation = load_rois("demo:train"), load_rois("demo:val")
    key = _key(settings, fingerprint(rois) + fingerprint(validation))
    cached = cache_folder(settings.compute) / "learners" / key
    if (cached / "best.safetensors").exists():
        logger.info("Using the learner that was trained on the demo before (%s).", cached)
        return load_checkpoint(cached)
    epochs = settings.training.epochs
    logger.info("Training on the demo's synthetic birds, %d epochs.", epochs)
    result = train_in_folder(rois, settings, folder, validation=validation, progress=progress)
    _save_in_cache(result.learner, cached)
    shutil.rmtree(folder)
    return load_checkpoint(cached)


def _warm_up_settings(settings: Settings) -> Settings:
    changed: dict[str, object] = {"training": {"epochs": settings.mec.warm_up_epochs}}
    if settings.front_end.hop == "auto":
        # The weights can be used with other ROI lengths too.
        changed["audio"] = {"roi_s": _DEMO_S}
    return settings.replace(**changed)


def _key(settings: Settings, data: str) -> str:
    parts = settings.model_dump(mode="json", include=_RELEVANT)
    content = [parts, settings.compute.cache_dtype, versions()["darksound"], data]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _save_in_cache(learner: Learner, folder: Path) -> None:
    # Where another process was faster, its learner is identical.
    with replacing_folder(folder, keep=True, option=CACHE_OPTION) as temporary:
        save_checkpoint(learner, temporary)

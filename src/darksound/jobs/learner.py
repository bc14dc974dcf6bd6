"""The learner that a run starts with: from a checkpoint, or warmed up on the demo."""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

from darksound.jobs.train import train_in
from darksound.meta.backbones import hears_from_the_start, weights_in_force
from darksound.meta.checkpoints import load_checkpoint, save_checkpoint
from darksound.meta.learners import Learner, build_learner
from darksound.meta.weights import BUNDLED
from darksound.progress import Progress
from darksound.run.manifest import fingerprint, versions
from darksound.settings import Settings
from darksound.sources import load_rois
from darksound.store.shard_file import cache_folder

__all__ = [
    "given_learner",
    "warm_up_is_due",
    "warmed_up",
]


_DEMO_S = 3.0
logger = logging.getLogger(__name__)
# Compute says where, not what; the rest of `mec` and all that follows embeddings does not matter.
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


def given_learner(checkpoint: str | None, settings: Settings) -> Learner | None:
    """The learner of a checkpoint, where one was named.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    return None if checkpoint is None else load_checkpoint(Path(checkpoint), settings)


def warm_up_is_due(settings: Settings) -> bool:
    """Whether a learner without a checkpoint is to learn on the demo first.

    Weights from elsewhere are taken as they are; the package's own are of a backbone alone, and
    what Matching and Relation Networks have beside it knows nothing yet.
    """
    weights = weights_in_force(settings)
    if settings.mec.warm_up != "demo" or hears_from_the_start(settings):
        return False
    if weights not in ("none", BUNDLED):
        return False
    return weights == "none" or bool(build_learner(settings).own_parts)


def warmed_up(settings: Settings, folder: Path, progress: Progress) -> Learner:
    """A learner that was trained on the demo's synthetic birds with these settings.

    It is trained once and kept in the cache for the next time.

    Args:
        settings: of the run.
        folder: where the training keeps its state, so that it can be gone on with.
        progress: told of work done.

    Raises:
        SettingsError: parts that do not go together.
        CheckpointError: the kept learner is damaged.
    """
    settings = _warm_up_settings(settings)
    rois, validation = load_rois("demo:train"), load_rois("demo:val")
    kept = _cache(settings) / _key(settings, fingerprint(rois) + fingerprint(validation))
    if (kept / "best.safetensors").exists():
        logger.info("Starting from the learner warmed up on the demo before (%s).", kept)
        return load_checkpoint(kept)
    epochs = settings.training.epochs
    logger.info("Without a checkpoint: learning on the demo's synthetic birds, %d epochs.", epochs)
    trained = train_in(folder, rois, settings, validation=validation, progress=progress)
    _keep(trained.learner, kept)
    shutil.rmtree(folder)
    return load_checkpoint(kept)


def _warm_up_settings(settings: Settings) -> Settings:
    changed: dict[str, object] = {"training": {"epochs": settings.mec.warm_up_epochs}}
    if settings.front_end.hop == "auto":
        # What is learnt serves other lengths too, and the demo's songs last up to 3 s.
        changed["audio"] = {"roi_s": _DEMO_S}
    return settings.replace(**changed)


def _cache(settings: Settings) -> Path:
    folder = cache_folder(settings)
    return folder / "learners"


def _key(settings: Settings, data: str) -> str:
    parts = settings.model_dump(mode="json", include=_RELEVANT)
    about = [parts, settings.compute.cache_dtype, versions()["darksound"], data]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def _keep(learner: Learner, folder: Path) -> None:
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    save_checkpoint(part, "best", learner)
    try:
        os.replace(part, folder)
    except OSError:
        # Another process was faster; its learner is the same.
        shutil.rmtree(part)

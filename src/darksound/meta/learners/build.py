"""Building a learner from the settings."""

from darksound.audio.embedding_models import resolve_embedding_model
from darksound.errors import SettingsError
from darksound.meta.backbones.build import build_backbone
from darksound.meta.learners import learner_path
from darksound.meta.learners.base import Learner
from darksound.meta.randomness import Purpose, seeded_torch
from darksound.settings import Settings, resolve_object

__all__ = ["build_learner"]


def build_learner(settings: Settings) -> Learner:
    """Return an untrained learner on its backbone. The same seed gives the same weights.

    Raises:
        SettingsError: the learner or the backbone is unknown, or they do not fit together; or the
            backbone is frozen and the learner has no other parameters.
        CheckpointError: the weights of the backbone cannot be fetched or read.
    """
    path = learner_path(settings.learner)
    if settings.embedding_model.embedding_dim is None:
        settings = resolve_embedding_model(settings)
    backbone = build_backbone(settings)
    learner_class: type[Learner] = resolve_object(path)
    with seeded_torch(settings.seed, Purpose.HEAD):
        learner = learner_class.class_for(backbone)(backbone, settings)
    if settings.learner.freeze_backbone and not learner.parameters_beside_backbone:
        raise SettingsError(
            f"learner.freeze_backbone leaves nothing to train, since learner.method "
            f"{learner.method!r} has no parameters beside its backbone's; set it to false, or "
            f"choose another learner."
        )
    return learner

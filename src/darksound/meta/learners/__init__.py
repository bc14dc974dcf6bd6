"""Few-shot learners by name. A new one is a file here and a line in `LEARNERS`."""

from types import MappingProxyType

from darksound.audio.embedding_models import resolve_embedder
from darksound.errors import SettingsError
from darksound.meta.backbones import build_backbone
from darksound.meta.learners.base import Learner, State
from darksound.meta.learners.matching import Matching
from darksound.meta.learners.prototypical import Prototypical
from darksound.meta.learners.relation import Relation
from darksound.meta.randomness import Purpose, seeded_torch
from darksound.settings import Settings

__all__ = ["LEARNERS", "Learner", "State", "build_learner"]

LEARNERS: MappingProxyType[str, type[Learner]] = MappingProxyType(
    {cls.method: cls for cls in (Prototypical, Matching, Relation)}
)


def build_learner(settings: Settings) -> Learner:
    """An untrained learner on the backbone that the settings name; same seed, same weights.

    Raises:
        SettingsError: an unknown learner or backbone, or two that do not go together.
        CheckpointError: the backbone's weights cannot be had.
    """
    name = settings.learner.method
    if name not in LEARNERS:
        raise SettingsError(
            f"learner.method cannot be {name!r}; there are {', '.join(sorted(LEARNERS))}."
        )
    if settings.embedding_model.embedding_dim is None:
        settings = resolve_embedder(settings)
    backbone = build_backbone(settings)
    with seeded_torch(settings.seed, Purpose.HEAD):
        return LEARNERS[name].suited_to(backbone)(backbone, settings)

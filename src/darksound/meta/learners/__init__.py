"""Few-shot learners by name. A new one is a file here and a line in `LEARNERS`."""

from darksound.errors import SettingsError
from darksound.settings import LearnerSettings

__all__ = ["LEARNERS", "learner_path"]

#: Import path of each learner's class. Reading this registry does not import torch.
LEARNERS: dict[str, str] = {
    "prototypical": "darksound.meta.learners.prototypical:Prototypical",
    "matching": "darksound.meta.learners.matching:Matching",
    "relation": "darksound.meta.learners.relation:Relation",
}


def learner_path(settings: LearnerSettings) -> str:
    """Return the import path of the learner that `learner.method` names.

    Raises:
        SettingsError: the name is unknown.
    """
    if settings.method not in LEARNERS:
        raise SettingsError(
            f"learner.method is {settings.method!r}; choose one of {', '.join(sorted(LEARNERS))}."
        )
    return LEARNERS[settings.method]

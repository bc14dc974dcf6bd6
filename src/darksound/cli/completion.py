"""Shell completion of option values that are not fixed choices.

Each function returns the completions of an incomplete word. Where there are none, the shell
completes file names.
"""

from collections.abc import Iterable

__all__ = [
    "complete_backbone",
    "complete_data",
    "complete_model",
    "complete_published",
    "complete_setting",
    "complete_weights",
]


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def complete_published(incomplete: str) -> list[str]:
    """Return the names of published sets."""
    from darksound.datasets.registry import REGISTRY

    return _matching(REGISTRY, incomplete)


def complete_data(incomplete: str) -> list[str]:
    """Return the names of the demo and of published sets."""
    return [*_matching(["demo"], incomplete), *complete_published(incomplete)]


def complete_model(incomplete: str) -> list[str]:
    """Return the names of published models."""
    from darksound.audio.embedding_models.published import PUBLISHED_MODELS

    return _matching(PUBLISHED_MODELS, incomplete)


def complete_backbone(incomplete: str) -> list[str]:
    """Return the names of backbones; those of embedding models in files end with a colon."""
    from darksound.audio.embedding_models import TABLE_SCHEME
    from darksound.meta.backbones import BACKBONES

    with_file = {"onnx", "tflite", TABLE_SCHEME}
    names = (f"{name}:" if name in with_file else name for name in BACKBONES)
    return _matching(names, incomplete)


def complete_weights(incomplete: str) -> list[str]:
    """Return the names of pretrained weights."""
    from darksound.meta.backbones import WEIGHTS

    return _matching(WEIGHTS, incomplete)


def complete_setting(incomplete: str) -> list[str]:
    """Return the keys of all settings, such as `mec.iterations=`."""
    from darksound.settings import Settings

    keys = []
    for name, field in Settings.model_fields.items():
        section = getattr(field.annotation, "model_fields", None)
        keys += [f"{name}="] if section is None else [f"{name}.{key}=" for key in section]
    return _matching(keys, incomplete)

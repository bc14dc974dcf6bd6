"""Building a backbone from the settings, with its weights."""

import logging
from pathlib import Path

from darksound.errors import SettingsError
from darksound.meta.backbones import family_path
from darksound.meta.backbones.base import SIZES, Backbone, BackboneFamily
from darksound.meta.randomness import Purpose, seeded_torch
from darksound.meta.weights import (
    BUNDLED,
    IMAGENET,
    NO_WEIGHTS,
    bundled_path,
    front_end_of,
    load_backbone_weights,
)
from darksound.settings import BackboneSettings, FrontEndSettings, Settings, resolve_object
from darksound.text import text_path

__all__ = ["build_backbone", "resolve_weights", "usable_untrained"]

logger = logging.getLogger(__name__)


def build_backbone(settings: Settings) -> Backbone:
    """Return the backbone that the settings name. The same seed gives the same weights.

    Raises:
        SettingsError: the name, the layer or the weights are unknown for this backbone.
        CheckpointError: weights cannot be fetched or read, or do not fit.
    """
    weights, family = resolve_weights(settings.backbone), _family(settings.backbone)
    _warn_of_unused_sizes(settings.backbone, family)
    with seeded_torch(settings.seed, Purpose.BACKBONE):
        backbone = family.build(settings, weights)
    if weights not in (NO_WEIGHTS, IMAGENET):
        path = bundled_path(settings.backbone.name) if weights == BUNDLED else text_path(weights)
        load_backbone_weights(backbone, path)
        _warn_of_other_front_end(weights, path, settings.front_end)
    return backbone


def resolve_weights(settings: BackboneSettings) -> str:
    """Return the weights that `backbone.weights` stands for: a name, `none` or a path.

    Raises:
        SettingsError: the backbone is unknown, or has no weights of this name.
    """
    family = _family(settings)
    weights = settings.weights
    if weights == "auto":
        return family.default_weights(settings)
    if weights in {BUNDLED, IMAGENET} - {*family.named_weights}:
        choices = dict.fromkeys([*family.named_weights, NO_WEIGHTS])
        raise SettingsError(
            f"backbone.weights is {weights!r}, but the backbone {settings.name!r} has no such "
            f"weights; choose {', '.join(map(repr, choices))} or a file."
        )
    return weights


def usable_untrained(settings: BackboneSettings) -> bool:
    """Return whether this backbone gives useful embeddings without any training.

    Raises:
        SettingsError: the backbone is unknown.
    """
    return _family(settings).usable_untrained


def _family(settings: BackboneSettings) -> BackboneFamily:
    family: BackboneFamily = resolve_object(family_path(settings))
    return family


def _warn_of_unused_sizes(settings: BackboneSettings, family: BackboneFamily) -> None:
    defaults = BackboneSettings()
    unused = [
        f"backbone.{key}"
        for key in SIZES
        if key not in family.sizes and getattr(settings, key) != getattr(defaults, key)
    ]
    if unused:
        logger.warning("%s: no effect on the backbone %r.", " and ".join(unused), settings.name)


def _warn_of_other_front_end(weights: str, path: Path, settings: FrontEndSettings) -> None:
    made_with = front_end_of(path)
    current = settings.model_dump(mode="json")
    other = {key: value for key, value in made_with.items() if current.get(key) != value}
    if other:
        logger.warning(
            "The weights %r were trained on images of another front end, so embeddings may be "
            "poor; use their front end (%s), or other weights.",
            weights,
            ", ".join(f"front_end.{key}={value}" for key, value in sorted(other.items())),
        )

"""Backbones by name. A new one is a file here and a line in `BACKBONES`."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from darksound.errors import SettingsError
from darksound.meta.backbones.base import Backbone, pooled
from darksound.meta.backbones.small import SmallCNN
from darksound.meta.backbones.torchvision_nets import (
    RELATION_LAYERS,
    TorchvisionBackbone,
    torchvision_names,
)
from darksound.meta.randomness import Purpose, seeded_torch
from darksound.meta.weights import load_backbone_weights
from darksound.settings import Settings

__all__ = ["BACKBONES", "Backbone", "TorchvisionBackbone", "build_backbone", "pooled"]


def _small(settings: Settings) -> Backbone:
    if settings.backbone.weights == "imagenet":
        raise SettingsError(
            "backbone.weights cannot be 'imagenet' for the backbone 'small', which has no such "
            "weights; choose 'none', a file, or a torchvision backbone."
        )
    return SmallCNN(settings.backbone.channels, settings.backbone.dim)


def _torchvision(settings: Settings) -> Backbone:
    return TorchvisionBackbone(
        settings.backbone.name,
        relation_layer=settings.learner.relation_layer,
        fit=settings.front_end.fit,
        pretrained=settings.backbone.weights == "imagenet",
    )


BACKBONES: MappingProxyType[str, Callable[[Settings], Backbone]] = MappingProxyType(
    {"small": _small, **dict.fromkeys(torchvision_names(), _torchvision)}
)


def build_backbone(settings: Settings) -> Backbone:
    """The backbone that the settings name, with its weights; same seed, same weights.

    Raises:
        SettingsError: an unknown name or layer, or weights that this backbone does not have.
        CheckpointError: weights that cannot be fetched or read, or do not fit.
    """
    name, weights = settings.backbone.name, settings.backbone.weights
    if name not in BACKBONES:
        near = get_close_matches(name, BACKBONES, n=3) or ["small", *RELATION_LAYERS]
        raise SettingsError(
            f"backbone.name cannot be {name!r}; there are 'small' and torchvision's classifiers, "
            f"such as {', '.join(near)}."
        )
    with seeded_torch(settings.seed, Purpose.BACKBONE):
        backbone = BACKBONES[name](settings)
    if weights not in ("none", "imagenet"):
        load_backbone_weights(backbone, Path(weights))
    return backbone

"""Backbones by name. A new one is a file here and a line in `BACKBONES`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from darksound.audio.embedding_models import VECTORS, embedding_dim, scheme_of
from darksound.errors import SettingsError
from darksound.meta.backbones.base import Backbone, pooled
from darksound.meta.backbones.head import Head
from darksound.meta.backbones.small import SmallCNN
from darksound.meta.backbones.torchvision_nets import (
    RELATION_LAYERS,
    TorchvisionBackbone,
    torchvision_names,
)
from darksound.meta.randomness import Purpose, seeded_torch
from darksound.meta.weights import (
    BUNDLED,
    bundled_path,
    bundled_size,
    front_end_of,
    load_backbone_weights,
)
from darksound.settings import Settings

__all__ = [
    "BACKBONES",
    "Backbone",
    "TorchvisionBackbone",
    "build_backbone",
    "hears_from_the_start",
    "pooled",
    "weights_in_force",
]

logger = logging.getLogger(__name__)
_IMAGENET, _NONE = "imagenet", "none"


@dataclass(frozen=True)
class _Family:
    """Backbones that are built alike.

    Attributes:
        build: the network; ImageNet's weights in it where the settings ask for them.
        usual: the weights that `auto` stands for.
        offered: names of weights that there are, beside files and `none`.
        hears: whether it is of use without weights.
    """

    build: Callable[[Settings], Backbone]
    usual: Callable[[Settings], str]
    offered: str
    hears: bool = False


def _small(settings: Settings) -> Backbone:
    return SmallCNN(settings.backbone.channels, settings.backbone.embedding_dim)


def _usual_of_small(settings: Settings) -> str:
    own = settings.backbone.model_dump(mode="json", include={"channels", "embedding_dim"})
    return BUNDLED if own == bundled_size() else _NONE


def _torchvision(settings: Settings) -> Backbone:
    return TorchvisionBackbone(
        settings.backbone.name,
        relation_layer=settings.learner.relation_layer,
        fit=settings.front_end.fit,
        pretrained=weights_in_force(settings) == _IMAGENET,
    )


def _head(settings: Settings) -> Backbone:
    return Head(embedding_dim(settings), settings.head)


#: By what stands before the colon of `backbone.name`.
BACKBONES: MappingProxyType[str, _Family] = MappingProxyType(
    {
        "small": _Family(_small, _usual_of_small, BUNDLED),
        **dict.fromkeys(torchvision_names(), _Family(_torchvision, lambda _: _IMAGENET, _IMAGENET)),
        **dict.fromkeys(VECTORS, _Family(_head, lambda _: _NONE, _NONE, hears=True)),
    }
)


def weights_in_force(settings: Settings) -> str:
    """What `backbone.weights` means for this backbone: a name, `none` for random, or a path.

    Raises:
        SettingsError: an unknown backbone, or weights that this one does not have.
    """
    family = _family(settings)
    weights = settings.backbone.weights
    if weights == "auto":
        return family.usual(settings)
    if weights in {BUNDLED, _IMAGENET} - {family.offered}:
        raise SettingsError(
            f"backbone.weights cannot be {weights!r} for the backbone {settings.backbone.name!r}, "
            f"which has no such weights; choose {_offer(family)} or a file."
        )
    return weights


def _offer(family: _Family) -> str:
    return ", ".join(map(repr, dict.fromkeys([family.offered, _NONE])))


def hears_from_the_start(settings: Settings) -> bool:
    """Whether this backbone is of use without any weights, as one on a pretrained embedder is.

    Raises:
        SettingsError: an unknown backbone.
    """
    return _family(settings).hears


def build_backbone(settings: Settings) -> Backbone:
    """The backbone that the settings name, with its weights; same seed, same weights.

    Raises:
        SettingsError: an unknown name or layer, or weights that this backbone does not have.
        CheckpointError: weights that cannot be fetched or read, or do not fit.
    """
    weights = weights_in_force(settings)
    with seeded_torch(settings.seed, Purpose.BACKBONE):
        backbone = _family(settings).build(settings)
    if weights == BUNDLED:
        _warn_of_other_images(settings)
        load_backbone_weights(backbone, bundled_path())
    elif weights not in (_NONE, _IMAGENET):
        load_backbone_weights(backbone, Path(weights))
    return backbone


def _family(settings: Settings) -> _Family:
    name = scheme_of(settings)
    if name not in BACKBONES:
        near = get_close_matches(name, BACKBONES, n=3) or ["small", "birdnet", *RELATION_LAYERS]
        raise SettingsError(
            f"backbone.name cannot be {settings.backbone.name!r}; there are 'small', torchvision's "
            f"classifiers and embedders made elsewhere, such as {', '.join(near)}."
        )
    return BACKBONES[name]


def _warn_of_other_images(settings: Settings) -> None:
    made_with = front_end_of(bundled_path())
    own = settings.front_end.model_dump(mode="json")
    other = sorted(key for key, value in made_with.items() if own[key] != value)
    if other:
        logger.warning(
            "The weights %r were learnt from other images (other front_end.%s), so they may hear "
            "badly; set backbone.weights to none, or leave the front end as it is.",
            BUNDLED,
            ", ".join(other),
        )

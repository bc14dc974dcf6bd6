"""State dicts published with the reference code: which learner they are of, and loading them."""

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from darksound.errors import CheckpointError
from darksound.meta.backbones.torchvision_nets import TorchvisionBackbone
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.meta.weights import backbone_part, fill, read_weights
from darksound.settings import Settings

__all__ = ["load_published"]

logger = logging.getLogger(__name__)

# Older and newer names of the same parts.
_RENAMED = {
    "support_features_encoder.": "support_embeddings_encoder.",
    "query_features_encoding_cell.": "query_embeddings_encoding_cell.",
}
_OWN_PREFIXES = (
    "support_embeddings_encoder.",
    "query_embeddings_encoding_cell.",
    "relation_module.",
)
# A key of each learner's own part, and one of each backbone that the others lack.
_LEARNER_KEYS = {
    "matching": "support_embeddings_encoder.weight_ih_l0",
    "relation": "relation_module.0.0.weight",
}
_BACKBONE_KEYS = {
    "resnet18": "layer1.0.conv2.weight",
    "densenet121": "features.denseblock1.denselayer1.conv1.weight",
    "vgg16": "features.28.weight",
    "alexnet": "features.10.weight",
}


def load_published(path: Path, settings: Settings) -> Learner:
    """A learner from a `.pt` state dict as the reference code saves it.

    Its keys say what it is: `backbone.*`, with `support_embeddings_encoder.*` and
    `query_embeddings_encoding_cell.*` for Matching or `relation_module.*` for Relation; or a plain
    torchvision state dict, whose classifier of any size is left out, for Prototypical. Nothing but
    tensors is read from the file.

    Args:
        path: the file.
        settings: say which images it understands, usually those of a published preset. Backbone
            and learner come from the file.

    Returns:
        The learner in evaluation mode on the CPU, its settings naming what was found.

    Raises:
        CheckpointError: missing, damaged, with code in it, or none of the networks above.
    """
    state = {_new_name(key): value for key, value in read_weights(path).items()}
    backbone = backbone_part(state)
    own = {k: v for k, v in state.items() if k.startswith(_OWN_PREFIXES)}
    method = _recognise(own, _LEARNER_KEYS) or "prototypical"
    name = _recognise(backbone, _BACKBONE_KEYS)
    if name is None:
        raise CheckpointError(
            f"{path} is not of a published backbone ({', '.join(_BACKBONE_KEYS)}); if it is of "
            f"another torchvision classifier, name that as backbone.name and the file as "
            f"backbone.weights."
        )
    found: dict[str, dict[str, object]] = {
        "backbone": {"name": name, "weights": "none"},
        "learner": {"method": method},
    }
    if method == "relation":
        found["learner"] |= _relation_settings(own, backbone, settings)
    logger.info("%s holds a %s learner on %s", path, method, name)
    learner = build_learner(settings.replace(**found))
    weights = {f"backbone.net.{key}": value for key, value in backbone.items()} | own
    fill(learner, weights, str(path), _beyond_maps(learner) if method == "relation" else ())
    return learner.eval()


def _new_name(key: str) -> str:
    for old, new in _RENAMED.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def _recognise(state: Mapping[str, Tensor], marks: Mapping[str, str]) -> str | None:
    return next((name for name, key in marks.items() if key in state), None)


def _relation_settings(
    own: Mapping[str, Tensor], backbone: Mapping[str, Tensor], settings: Settings
) -> dict[str, object]:
    hidden = own.get("relation_module.3.weight")
    layer = settings.learner.relation_layer
    there = f"{layer}.weight" in backbone
    return {
        "relation_hidden": settings.learner.relation_hidden if hidden is None else len(hidden),
        "relation_layer": layer if there else "auto",
    }


def _beyond_maps(learner: Learner) -> set[str]:
    """Keys of the layers that Relation's maps do not pass, which its state dicts may lack."""
    backbone = learner.backbone
    if not isinstance(backbone, TorchvisionBackbone):
        return set()
    names = [name for name, _ in backbone.net.named_modules()]
    later = tuple(f"{name}." for name in names[names.index(backbone.map_layer) + 1 :])
    return {f"backbone.net.{key}" for key in backbone.net.state_dict() if key.startswith(later)}

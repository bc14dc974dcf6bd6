"""Loading the state dicts that were published with the reference code."""

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from darksound.errors import CheckpointError
from darksound.meta.backbones.torchvision_nets import (
    RELATION_LAYERS,
    TorchvisionBackbone,
    last_layer,
)
from darksound.meta.learners.base import Learner
from darksound.meta.learners.build import build_learner
from darksound.meta.weights import backbone_part, load_weights, read_weights
from darksound.settings import Settings

__all__ = ["load_published"]

logger = logging.getLogger(__name__)

# Old names of the modules, and the new ones.
_RENAMED = {
    "support_features_encoder.": "support_embeddings_encoder.",
    "query_features_encoding_cell.": "query_embeddings_encoding_cell.",
}
_LEARNER_PREFIXES = (
    "support_embeddings_encoder.",
    "query_embeddings_encoding_cell.",
    "relation_module.",
)
# A key that only this learner, or only this backbone, has.
_LEARNER_KEYS = {
    "matching": "support_embeddings_encoder.weight_ih_l0",
    "relation": "relation_module.0.0.weight",
}
_WITHOUT_PARAMETERS = "prototypical"
_BACKBONE_KEYS = {
    "resnet18": "layer1.0.conv2.weight",
    "densenet121": "features.denseblock1.denselayer1.conv1.weight",
    "vgg16": "features.28.weight",
    "alexnet": "features.10.weight",
}


def load_published(path: Path, settings: Settings) -> Learner:
    """Return a learner from a `.pt` state dict as the reference code saves it.

    The keys identify the learner: `backbone.*`, with `support_embeddings_encoder.*` and
    `query_embeddings_encoding_cell.*` for Matching or `relation_module.*` for Relation; or a plain
    torchvision state dict, without its classifier, for Prototypical. The layer whose maps Relation
    compares is the last one that the file has weights of. The classical regime saves the backbone
    alone, whatever the learner, so such a file becomes Prototypical; a warning is logged where its
    name or the settings name another learner. Nothing but tensors is read from the file.

    Args:
        path: the file.
        settings: settings of the front end, usually those of a published preset. Backbone and
            learner are taken from the file.

    Returns:
        The learner in evaluation mode on the CPU; its settings name the backbone and the learner
        of the file.

    Raises:
        CheckpointError: the file is missing, damaged, contains code, or is of another network.
    """
    saved = read_weights(path)
    state = {_new_name(key): value for key, value in saved.items()}
    backbone_state = backbone_part(state)
    learner_state = {k: v for k, v in state.items() if k.startswith(_LEARNER_PREFIXES)}
    method = _identify(learner_state, _LEARNER_KEYS) or _WITHOUT_PARAMETERS
    name = _identify(backbone_state, _BACKBONE_KEYS)
    if name is None:
        raise CheckpointError(
            f"{path} is not of a published backbone ({', '.join(_BACKBONE_KEYS)}); if it is of "
            f"another torchvision classifier, name that as backbone.name and the file as "
            f"backbone.weights."
        )
    sections: dict[str, dict[str, object]] = {
        "backbone": {"name": name, "weights": "none"},
        "learner": {"method": method},
    }
    if method == "relation":
        sections["learner"] |= _relation_settings(learner_state, backbone_state, name)
    if not learner_state:
        # Without its backbone such a learner has nothing to train.
        sections["learner"]["freeze_backbone"] = False
        _warn_of_classical_file(path, saved, settings)
    logger.info("%s contains a %s learner with the backbone %s.", path, method, name)
    learner = build_learner(settings.replace(**sections))
    weights = {f"backbone.net.{key}": value for key, value in backbone_state.items()}
    optional = _keys_after_maps(learner) if method == "relation" else ()
    load_weights(learner, weights | learner_state, str(path), optional)
    return learner.eval()


def _new_name(key: str) -> str:
    for old, new in _RENAMED.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def _identify(state: Mapping[str, Tensor], keys: Mapping[str, str]) -> str | None:
    return next((name for name, key in keys.items() if key in state), None)


def _relation_settings(
    learner_state: Mapping[str, Tensor], backbone_state: Mapping[str, Tensor], backbone: str
) -> dict[str, object]:
    """Return the settings of a Relation learner that the keys and shapes of its weights define."""
    sections: dict[str, object] = {"relation_layer": "auto"}
    hidden = learner_state.get("relation_module.3.weight")
    if hidden is not None:
        sections["relation_hidden"] = len(hidden)
    # Where the published layer has no weights, as in networks that end with pooling, there is no
    # other that was published.
    if f"{RELATION_LAYERS[backbone]}.weight" in backbone_state:
        channels = len(learner_state[_LEARNER_KEYS["relation"]])
        sections["relation_layer"] = last_layer(backbone, backbone_state, channels) or "auto"
        logger.info("Relation compares the maps of %s.", sections["relation_layer"])
    return sections


def _warn_of_classical_file(path: Path, saved: Mapping[str, Tensor], settings: Settings) -> None:
    """Log that a file of the classical regime was named after a learner that is not in it."""
    if any(key.startswith("backbone.") for key in saved):
        return
    names = (*_LEARNER_KEYS, _WITHOUT_PARAMETERS)
    expected = next((name for name in names if name in path.stem), settings.learner.method)
    if expected != _WITHOUT_PARAMETERS:
        logger.warning(
            "%s has the weights of a backbone and none of the learner %r, as the classical regime "
            "saves them, so it is loaded as %r.",
            path,
            expected,
            _WITHOUT_PARAMETERS,
        )


def _keys_after_maps(learner: Learner) -> set[str]:
    """Return keys of the layers after Relation's maps, which its state dicts may lack."""
    backbone = learner.backbone
    if not isinstance(backbone, TorchvisionBackbone):
        return set()
    names = [name for name, _ in backbone.net.named_modules()]
    later = tuple(f"{name}." for name in names[names.index(backbone.map_layer) + 1 :])
    return {f"backbone.net.{key}" for key in backbone.net.state_dict() if key.startswith(later)}

"""Embedding models by the scheme of `backbone.name`: the part before its colon.

To add one, write a module with an `open_...` function here, and add a line to `EMBEDDING_MODELS`;
for a published ONNX file, an entry in `darksound.audio.embedding_models.published` is enough.
"""

import logging
from functools import cache
from typing import Literal

from darksound.audio.embedding_models.base import EmbeddingModel, ModelOptions
from darksound.audio.embedding_models.published import PUBLISHED_MODELS, models_folder
from darksound.errors import CheckpointError, SettingsError
from darksound.settings import (
    BackboneSettings,
    ComputeSettings,
    EmbeddingModelSettings,
    Settings,
    resolve_object,
)

__all__ = [
    "EMBEDDING_MODELS",
    "TABLE_SCHEME",
    "InputKind",
    "check_same_model",
    "embedding_dim",
    "input_kind",
    "licence_of",
    "open_embedding_model",
    "resolve_embedding_model",
    "scheme_of",
]

logger = logging.getLogger(__name__)

#: What a backbone computes an embedding from: the image of a ROI, its waveform (by an embedding
#: model), or a row of a table of embeddings that another tool wrote.
InputKind = Literal["images", "waveforms", "table"]

#: Import path of the function that opens a model, by scheme. The function takes the part of
#: `backbone.name` after the colon (a file, or an empty string) and `ModelOptions`, and returns an
#: `EmbeddingModel`.
EMBEDDING_MODELS: dict[str, str] = {
    "birdnet": "darksound.audio.embedding_models.birdnet:open_birdnet",
    "onnx": "darksound.audio.embedding_models.onnx:open_onnx",
    "tflite": "darksound.audio.embedding_models.tflite:open_tflite",
    **dict.fromkeys(PUBLISHED_MODELS, "darksound.audio.embedding_models.published:open_published"),
}
#: The scheme of a table of embeddings.
TABLE_SCHEME = "embeddings"

_INPUT_KINDS: dict[str, InputKind] = {
    **dict.fromkeys(EMBEDDING_MODELS, "waveforms"),
    TABLE_SCHEME: "table",
}


def scheme_of(backbone: BackboneSettings) -> str:
    """Return the part of `backbone.name` before the colon, or the whole name without a colon."""
    return backbone.name.partition(":")[0]


def input_kind(backbone: BackboneSettings) -> InputKind:
    """Return what this backbone computes an embedding from."""
    return _INPUT_KINDS.get(scheme_of(backbone), "images")


def open_embedding_model(
    backbone: BackboneSettings,
    expected: EmbeddingModelSettings | None = None,
    compute: ComputeSettings | None = None,
) -> EmbeddingModel:
    """Open the model that `backbone.name` names, and log its licence the first time.

    Args:
        backbone: its `name` is a scheme of `EMBEDDING_MODELS`, or such a scheme and a file.
        expected: the model that a learner was trained on, if any, and how its input is scaled.
        compute: the data folder, which downloaded models are in; None: the default one.

    Raises:
        SettingsError: an optional dependency is missing, or the file does not exist.
        CheckpointError: the file cannot be used, or is not the expected model.
    """
    scheme, _, argument = backbone.name.partition(":")
    options = ModelOptions(
        scheme,
        "auto" if expected is None else expected.peak,
        models_folder(compute or ComputeSettings()),
    )
    model = _open_once(argument, options)
    if expected is not None:
        check_same_model(expected, _settings_of(model), backbone.name)
    return model


@cache
def _open_once(argument: str, options: ModelOptions) -> EmbeddingModel:
    model: EmbeddingModel = resolve_object(EMBEDDING_MODELS[options.scheme])(argument, options)
    if model.licence is not None:
        logger.info("%s is used under its licence: %s.", model.name, model.licence)
    return model


def _settings_of(model: EmbeddingModel) -> EmbeddingModelSettings:
    return EmbeddingModelSettings(
        name=model.name, digest=model.digest, embedding_dim=model.embedding_dim
    )


def licence_of(
    backbone: BackboneSettings,
    expected: EmbeddingModelSettings | None = None,
    compute: ComputeSettings | None = None,
) -> str | None:
    """Return name and licence of the embedding model, or None if there is no model or licence.

    Raises:
        SettingsError, CheckpointError: see `open_embedding_model`.
    """
    if input_kind(backbone) != "waveforms":
        return None
    model = open_embedding_model(backbone, expected, compute)
    return None if model.licence is None else f"{model.name}: {model.licence}"


def resolve_embedding_model(settings: Settings) -> Settings:
    """Return the settings with name, digest and length of the embedding model filled in.

    Settings whose backbone is not an embedding model are returned unchanged.

    Raises:
        SettingsError, CheckpointError: see `open_embedding_model`.
    """
    if input_kind(settings.backbone) != "waveforms":
        return settings
    model = open_embedding_model(settings.backbone, settings.embedding_model, settings.compute)
    return settings.replace(embedding_model=_settings_of(model).model_dump(exclude_unset=True))


def embedding_dim(
    backbone: BackboneSettings,
    expected: EmbeddingModelSettings,
    compute: ComputeSettings | None = None,
) -> int:
    """Return the length of the embeddings that the backbone takes as its input.

    Args:
        backbone: names an embedding model or a table of embeddings.
        expected: its `embedding_dim` is returned if it is set; otherwise the model is opened.
        compute: see `open_embedding_model`.

    Raises:
        SettingsError: the table of embeddings was not read yet, or see `open_embedding_model`.
        CheckpointError: see `open_embedding_model`.
    """
    if expected.embedding_dim is not None:
        return expected.embedding_dim
    if input_kind(backbone) != "waveforms":
        raise SettingsError(
            f"The length of the embeddings of {backbone.name!r} is not known yet; set "
            "embedding_model.embedding_dim, or build the learner with the settings of their store."
        )
    return open_embedding_model(backbone, expected, compute).embedding_dim


def check_same_model(
    expected: EmbeddingModelSettings, actual: EmbeddingModelSettings, source: str
) -> None:
    """Check that an embedding model is the one that a learner was trained on.

    Args:
        expected: the model in the learner's settings; keys that are None are not compared.
        actual: the model that was opened; keys that are None are not compared.
        source: name of the opened model or table in the message.

    Raises:
        CheckpointError: the models differ; the message names the keys.
    """
    differing = [
        f"{key} {actual_value} against {expected_value}"
        for key in ("name", "digest", "embedding_dim")
        if (expected_value := getattr(expected, key)) is not None
        and (actual_value := getattr(actual, key)) not in (None, expected_value)
    ]
    if differing:
        raise CheckpointError(
            f"{source} gives other embeddings than the learner was trained on: "
            f"{'; '.join(differing)}. Name the embedding model that it was trained on, or train a "
            "learner on this one."
        )

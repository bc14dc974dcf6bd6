"""Embedders by the scheme of `backbone.name`: what stands before its colon.

A new one is a file here and a line in `EMBEDDERS`.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from darksound.audio.embedding_models.base import Embedder
from darksound.audio.embedding_models.birdnet import open_birdnet
from darksound.audio.embedding_models.onnx import open_onnx
from darksound.audio.embedding_models.tflite import open_tflite
from darksound.errors import CheckpointError, SettingsError
from darksound.settings import EmbeddingModelSettings, Settings

__all__ = [
    "EMBEDDERS",
    "TABLE",
    "VECTORS",
    "embedding_dim",
    "hold",
    "licence_of",
    "open_embedder",
    "resolve_embedder",
    "scheme_of",
]

logger = logging.getLogger(__name__)

#: What opens a model, from what stands behind the colon (may be nothing), by scheme.
EMBEDDERS: Mapping[str, Callable[[str], Embedder]] = MappingProxyType(
    {"birdnet": open_birdnet, "onnx": open_onnx, "tflite": open_tflite}
)
#: The scheme of embeddings made elsewhere.
TABLE = "embeddings"
#: All schemes of backbones that learn from vectors.
VECTORS = frozenset({*EMBEDDERS, TABLE})


def scheme_of(settings: Settings) -> str:
    """What stands before the colon of `backbone.name`, or all of it."""
    return settings.backbone.name.partition(":")[0]


def open_embedder(settings: Settings) -> Embedder:
    """The model that `backbone.name` stands for; its licence is logged when it is first opened.

    Raises:
        SettingsError: the extra that it needs is not installed, or there is no such file.
        CheckpointError: the file cannot be used, or is not the model that the settings hold.
    """
    scheme, _, argument = settings.backbone.name.partition(":")
    embedder = _opened(scheme, argument)
    found = EmbeddingModelSettings(
        name=embedder.name, digest=embedder.digest, embedding_dim=embedder.dim
    )
    hold(settings.embedding_model, found, settings.backbone.name)
    return embedder


@cache
def _opened(scheme: str, argument: str) -> Embedder:
    embedder = EMBEDDERS[scheme](argument)
    if embedder.licence is not None:
        logger.info("%s is used on the terms of its licence: %s.", embedder.name, embedder.licence)
    return embedder


def licence_of(settings: Settings) -> str | None:
    """Model and licence of the embedder that the settings name, where it has one.

    Raises:
        SettingsError, CheckpointError: see `open_embedder`.
    """
    if scheme_of(settings) not in EMBEDDERS:
        return None
    embedder = open_embedder(settings)
    return None if embedder.licence is None else f"{embedder.name}: {embedder.licence}"


def resolve_embedder(settings: Settings) -> Settings:
    """The settings with `embedder` filled in by the model that they name.

    Settings whose backbone is no model come back as they are.

    Raises:
        SettingsError, CheckpointError: see `open_embedder`.
    """
    if scheme_of(settings) not in EMBEDDERS:
        return settings
    embedder = open_embedder(settings)
    found = {"model": embedder.name, "digest": embedder.digest, "dim": embedder.dim}
    return settings.replace(embedding_model=found)


def embedding_dim(settings: Settings) -> int:
    """Length of the vectors that the backbone learns from.

    Raises:
        SettingsError: the table of embeddings was not read yet, or see `open_embedder`.
        CheckpointError: see `open_embedder`.
    """
    if settings.embedding_model.embedding_dim is not None:
        return settings.embedding_model.embedding_dim
    if scheme_of(settings) not in EMBEDDERS:
        raise SettingsError(
            f"The length of the vectors of {settings.backbone.name!r} is not known yet; set "
            "embedder.dim, or build the learner with the settings of their store."
        )
    return open_embedder(settings).dim


def hold(wanted: EmbeddingModelSettings, found: EmbeddingModelSettings, what: str) -> None:
    """See that an embedder is the one that a learner was made for.

    Args:
        wanted: what the settings say; keys that are None are not held.
        found: what the embedder says of itself.
        what: how messages name it.

    Raises:
        CheckpointError: naming what differs.
    """
    differing = [
        f"{key} {theirs} against {ours}"
        for key in ("model", "digest", "dim")
        if (ours := getattr(wanted, key)) is not None
        and (theirs := getattr(found, key)) not in (None, ours)
    ]
    if differing:
        raise CheckpointError(
            f"{what} gives other vectors than the learner was made for: {'; '.join(differing)}. "
            "Name the embedder that it was trained with, or train a learner on this one."
        )

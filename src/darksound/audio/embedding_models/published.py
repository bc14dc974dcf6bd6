"""Published models by name: where their file is, what it takes and gives, and its terms of use.

None of them is part of this package. `darksound.datasets.models` downloads the files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from darksound.audio.embedding_models.base import (
    EmbeddingModel,
    ModelDescription,
    ModelOptions,
    find_model_file,
)
from darksound.audio.embedding_models.onnx import onnx_model
from darksound.errors import SettingsError
from darksound.progress import format_bytes
from darksound.settings import ComputeSettings
from darksound.settings.compute import data_folder

__all__ = [
    "PUBLISHED_MODELS",
    "LicenceRecord",
    "PublishedModel",
    "has_published_size",
    "models_folder",
    "open_published",
    "published_path",
    "record_path",
    "stated_licence",
]


@dataclass(frozen=True)
class LicenceRecord:
    """A page for programs on which the publisher states the licence.

    Attributes:
        address: of a JSON document.
        keys: that lead to the licence in it.
    """

    address: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class PublishedModel:
    """A model that is published as one ONNX file.

    Attributes:
        name: the scheme of `backbone.name`.
        description: what it takes and gives. Its licence is what the authors state, as far as it
            is known here.
        embedding_dim: length of its embeddings.
        file: name of the file on disk.
        size: of the file, in bytes.
        sha256: of the file, in hexadecimal.
        addresses: of the file, in the order in which they are tried.
        page: where a person finds the file.
        record: where the publisher's record states the licence.
        citation: the work to cite.
    """

    name: str
    description: ModelDescription
    embedding_dim: int
    file: str
    size: int
    sha256: str
    addresses: tuple[str, ...]
    page: str
    record: LicenceRecord
    citation: str

    @property
    def title(self) -> str:
        """Return the name of the model for people."""
        return self.description.name or self.name


_BIRDNET3_FILE = "BirdNET+_V3.0-preview3.1_Global_11K_FP32.onnx"
_BIRDNET3_QUOTED = _BIRDNET3_FILE.replace("+", "%2B")
_MIRROR = "tphakala/Perch-v2-Models"

_MODELS = (
    PublishedModel(
        "birdnet3",
        ModelDescription(
            name="BirdNET+ 3.0 preview 3.1",
            sample_rate=32_000,
            # The model takes any length; this is the one that its authors' programs use.
            window_s=3.0,
            output="embeddings",
            licence="CC BY-SA 4.0 by the README of its authors' repository, which has terms of use "
            "too; other places state other licences",
        ),
        embedding_dim=1280,
        file=_BIRDNET3_FILE,
        size=541_598_502,
        sha256="999bb627e8954516d6a222eb76438b896fafc3791c2d10e72f02147ccd562c05",
        addresses=(
            f"https://zenodo.org/records/20703646/files/{_BIRDNET3_QUOTED}?download=1",
            f"https://zenodo.org/api/records/20703646/files/{_BIRDNET3_QUOTED}/content",
        ),
        page="https://zenodo.org/records/20703646",
        record=LicenceRecord(
            "https://zenodo.org/api/records/20703646", ("metadata", "license", "id")
        ),
        citation="Lasseck, M., Eibl, M., Klinck, H. & Kahl, S. (2026). BirdNET+ V3.0 model "
        "developer preview. Zenodo, doi 10.5281/zenodo.18247420.",
    ),
    PublishedModel(
        "perch2",
        ModelDescription(
            name="Perch 2.0",
            sample_rate=32_000,
            window_s=5.0,
            input="inputs",
            output="embedding",
            # As perch-hoplite, the library of its authors, does.
            peak=0.25,
            remove_mean=True,
            licence="Apache-2.0",
        ),
        embedding_dim=1536,
        file="perch_v2_fp32.onnx",
        size=409_148_616,
        sha256="bf0c8467a924cb074663970ca4a0ab1e143602121930209657d0dff5d5cefa1f",
        addresses=(
            f"https://huggingface.co/{_MIRROR}/resolve/main/full/perch_v2_fp32.onnx",
            "https://huggingface.co/justinchuby/Perch-onnx/resolve/main/perch_v2.onnx",
        ),
        page=f"https://huggingface.co/{_MIRROR}",
        record=LicenceRecord(
            f"https://huggingface.co/api/models/{_MIRROR}", ("cardData", "license")
        ),
        citation="van Merriënboer, B., Dumoulin, V., Hamer, J., Harrell, L., Burns, A. & Denton, "
        "T. (2025). Perch 2.0: The Bittern Lesson for Bioacoustics. arXiv 2508.04665.",
    ),
)

#: All published models by name.
PUBLISHED_MODELS: Mapping[str, PublishedModel] = {model.name: model for model in _MODELS}

_DEFAULTS = ModelOptions()


def models_folder(settings: ComputeSettings) -> Path:
    """Return the folder of downloaded models; each is in a subfolder of its name."""
    return data_folder(settings) / "models"


def published_path(model: PublishedModel, folder: Path) -> Path:
    """Return where the file of a model is, or would be, below the folder of all models."""
    return folder / model.name / model.file


def record_path(path: Path) -> Path:
    """Return the JSON file beside the file of a model, which says where it came from."""
    return path.with_name(f"{path.name}.json")


def has_published_size(model: PublishedModel, path: Path) -> bool:
    """Return whether a file has the published size."""
    try:
        return path.is_file() and path.stat().st_size == model.size
    except OSError:
        return False


def stated_licence(model: PublishedModel, folder: Path) -> str:
    """Return the licence of a model, with what its record stated at the time of the download."""
    stated = model.description.licence or "not stated"
    try:
        path = record_path(published_path(model, folder))
        recorded = json.loads(path.read_text(encoding="utf-8"))["licence"]
    except (OSError, ValueError, KeyError, TypeError):
        return stated
    return f"{stated}; its record at {model.page} states {recorded}" if recorded else stated


def open_published(argument: str, options: ModelOptions = _DEFAULTS) -> EmbeddingModel:
    """Open a published model.

    Args:
        argument: path of a copy of the model; empty for the downloaded one.
        options: their `scheme` is the name of the model.

    Raises:
        SettingsError: the file is not on disk or has another size than the published one, or ONNX
            Runtime is not installed.
        CheckpointError: see `open_onnx`.
    """
    model, folder = PUBLISHED_MODELS[options.scheme], options.folder or _default_folder()
    if argument:
        path = find_model_file(argument, model.name)
    else:
        path = published_path(model, folder)
        _check_downloaded(model, path)
    described = model.description.model_copy(update={"licence": stated_licence(model, folder)})
    return onnx_model(path, options.describe(described))


def _default_folder() -> Path:
    return models_folder(ComputeSettings())


def _check_downloaded(model: PublishedModel, path: Path) -> None:
    if has_published_size(model, path):
        return
    state = f"in {path} is damaged" if path.exists() else f"is not on disk (searched for {path})"
    raise SettingsError(
        f"{model.title} {state}; `darksound models {model.name}` downloads it "
        f"({format_bytes(model.size)}), or name a copy with --backbone {model.name}:FILE."
    )

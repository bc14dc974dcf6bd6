"""bacpipe's layout: a folder with one array for each recording, and `metadata.yml` (bacpipe 1.3).

`metadata.yml` names the model, the folder of the recordings, the recordings relative to it, the
number of windows of each, and the samples and sampling rate of a window; windows do not overlap.
The array of `a/b.wav` by the model `m` is `a/b_m.npy`, `(n_windows, dim)`.
"""

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from darksound.errors import InputError
from darksound.rois.text_files import read_text
from darksound.store.embeddings.layout import Embeddings, Layout

__all__ = ["BACPIPE"]

_METADATA = "metadata.yml"


def _read(path: Path) -> Embeddings:
    folder = path.parent if path.name == _METADATA else path
    metadata = _read_metadata(folder / _METADATA)
    try:
        model, root = str(metadata["model_name"]), str(metadata["audio_dir"])
        recordings = [_posix(str(name)) for name in metadata["files"]["audio_files"]]
        window_s = metadata["segment_length (samples)"] / metadata["sample_rate (Hz)"]
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise InputError(
            f"{folder / _METADATA} lacks a key that bacpipe writes ({error!r}); name the folder of "
            "a model's embeddings, not of reduced embeddings."
        ) from None
    arrays = [_read_array(folder, name, model) for name in recordings]
    counts = [len(array) for array in arrays]
    window = np.concatenate([np.arange(count) for count in counts]) if counts else np.zeros(0)
    rows = pd.DataFrame(
        {
            "recording": np.repeat(np.array(recordings, dtype=object), counts),
            "start_s": window * window_s,
            "end_s": (window + 1) * window_s,
        }
    )
    return Embeddings(_concatenate(arrays, folder), rows, Path(_posix(root)), model)


def _read_metadata(path: Path) -> dict[str, Any]:
    try:
        metadata = yaml.safe_load(read_text(path, "YAML"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({error}).") from None
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: not a metadata file of bacpipe.")
    return metadata


def _read_array(folder: Path, recording: str, model: str) -> npt.NDArray[np.float32]:
    path = folder / PurePosixPath(recording).with_suffix("")
    path = path.with_name(f"{path.name}_{model}.npy")
    try:
        array = np.load(path, allow_pickle=False)
        return np.atleast_2d(array.astype(np.float32, copy=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: the embeddings of {recording} cannot be read ({error}); run bacpipe again, "
            f"or remove the recording from {folder / _METADATA}."
        ) from None


def _concatenate(arrays: list[npt.NDArray[np.float32]], folder: Path) -> npt.NDArray[np.float32]:
    lengths = {array.shape[1:] for array in arrays}
    if len(lengths) != 1:
        raise InputError(f"{folder}: embeddings of {len(lengths)} lengths, where one is needed.")
    return np.concatenate(arrays)


def _posix(path: str) -> str:
    """Return a path that may have been written on Windows with forward slashes."""
    return PureWindowsPath(path).as_posix() if "\\" in path else path


BACPIPE = Layout(
    "a folder that bacpipe wrote for one model",
    lambda path: (path if path.name == _METADATA else path / _METADATA).is_file(),
    _read,
)

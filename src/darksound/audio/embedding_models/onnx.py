"""ONNX models as embedders, run by ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darksound.audio.embedding_models.base import (
    Description,
    Embedder,
    Vectors,
    Waves,
    as_vectors,
    described,
    model_file,
    read_description,
    scaled,
    shaped,
)
from darksound.errors import CheckpointError, SettingsError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["open_onnx"]

# Waveforms that pass a model together, where it takes several.
_AT_ONCE = 4


def open_onnx(argument: str) -> Embedder:
    """The embedder in the ONNX file that is named.

    Raises:
        SettingsError: what it needs is not installed, or the file or its description is not there.
        CheckpointError: the file is no ONNX model, or not as its description says.
    """
    path = model_file(argument, "onnx")
    about = read_description(path)
    return described(path, about, _Model(path, about).start)


class _Model:
    """A model file, of which each thread starts a session of its own."""

    def __init__(self, path: Path, about: Description) -> None:
        self._path, self._about = path, about

    def start(self) -> Callable[[Waves], Vectors]:
        """Start a session.

        Raises:
            SettingsError: ONNX Runtime is not installed.
            CheckpointError: the file is no ONNX model, or does not take such waveforms.
        """
        session = _session(self._path)
        inputs = {one.name: one for one in session.get_inputs()}
        given = self._one(self._about.input, list(inputs), "input")
        wanted = self._one(self._about.output, [o.name for o in session.get_outputs()], "output")
        shape = inputs[given].shape
        # A number in place of a name fixes how many waveforms pass together.
        at_once = 1 if len(shape) == 1 or isinstance(shape[0], int) else _AT_ONCE

        def run(waves: Waves) -> Vectors:
            try:
                (out,) = session.run([wanted], {given: shaped(waves, len(shape))})
            except _errors() as error:
                raise self._refused(waves.shape[1], error) from None
            return as_vectors(np.asarray(out), len(waves), self._path)

        def embed(waves: Waves) -> Vectors:
            loud = scaled(waves, self._about.peak)
            return np.concatenate(
                [run(loud[start : start + at_once]) for start in range(0, len(loud), at_once)]
            )

        return embed

    def _one(self, wanted: str | None, names: list[str], what: str) -> str:
        found = [name for name in names if wanted in (None, name)]
        if len(found) != 1:
            raise CheckpointError(
                f"{self._path} has the {what}s {', '.join(names)}; name one of them as `{what}` "
                "in its description."
            )
        return found[0]

    def _refused(self, samples: int, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"{self._path} does not take {samples} samples ({str(error).splitlines()[0]}); mend "
            "sample_rate and window_s in its description."
        )


def _session(path: Path) -> "InferenceSession":
    try:
        import onnxruntime as ort
    except ModuleNotFoundError:
        raise SettingsError(
            "ONNX models need ONNX Runtime, which is not installed; install it with "
            "pip install 'darksound[onnx]'."
        ) from None
    options = ort.SessionOptions()
    # As many run side by side as there are workers.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except _errors() as error:
        raise CheckpointError(
            f"{path} is damaged or no ONNX model ({str(error).splitlines()[0]})."
        ) from None


def _errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its own errors have no base but `Exception`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (each for each in vars(state).values() if isinstance(each, type))
    return (RuntimeError, ValueError, *(each for each in own if issubclass(each, Exception)))

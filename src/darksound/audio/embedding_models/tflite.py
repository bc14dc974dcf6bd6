"""TFLite models as embedders, run by LiteRT."""

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from ai_edge_litert.interpreter import Interpreter

__all__ = ["open_tflite", "tflite_embedder"]

# Waveforms that pass a model together, where it takes several. More gained nothing on a CPU.
_AT_ONCE = 4
# Place of a subgraph's outputs in the tables of a TFLite file.
_OUTPUTS = 8


def tflite_embedder(path: Path, about: Description) -> Embedder:
    """The embedder in a TFLite file.

    Args:
        path: of the file.
        about: what it hears; any tensor may be its `output`, by name.

    Raises:
        SettingsError: LiteRT is not installed.
        CheckpointError: the file is no TFLite model, has no such tensor, or does not take such
            waveforms.
    """
    content = _content(path, about.output)
    return described(path, about, lambda: _Running(_interpreter(content, path), about, path))


class _Running:
    """One interpreter; one thread, so that as many run side by side as there are workers."""

    def __init__(self, interpreter: "Interpreter", about: Description, path: Path) -> None:
        self._interpreter, self._about, self._path = interpreter, about, path
        self._given = self._input(interpreter.get_input_details())
        signature = self._given["shape_signature"]
        # A model that was made for one waveform at a time gets one at a time.
        self._at_once = _AT_ONCE if len(signature) > 1 and signature[0] == -1 else 1
        self._shape: tuple[int, ...] = ()

    def _input(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        wanted = self._about.input
        found = [one for one in inputs if wanted in (None, one["name"])]
        if len(found) != 1:
            raise CheckpointError(
                f"{self._path} has the inputs {', '.join(one['name'] for one in inputs)}; name "
                f"the one that takes waveforms as `input` in its description."
            )
        return found[0]

    def __call__(self, waves: Waves) -> Vectors:
        waves = scaled(waves, self._about.peak)
        parts = [
            self._run(waves[start : start + self._at_once])
            for start in range(0, len(waves), self._at_once)
        ]
        return np.concatenate(parts)

    def _run(self, waves: Waves) -> Vectors:
        network, given = self._interpreter, self._given
        batch = shaped(waves, len(given["shape"]))
        try:
            if self._shape != batch.shape:
                network.resize_tensor_input(given["index"], batch.shape)
                network.allocate_tensors()
                self._shape = batch.shape
            network.set_tensor(given["index"], batch)
            network.invoke()
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self._path} does not take {waves.shape[1]} samples ({error}); mend "
                "sample_rate and window_s in its description."
            ) from None
        out = network.get_tensor(network.get_output_details()[0]["index"])
        return as_vectors(out, len(waves), self._path)


def _interpreter(content: bytes, path: Path) -> "Interpreter":
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError:
        raise _missing() from None
    try:
        return Interpreter(model_content=content, num_threads=1)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no TFLite model ({error}).") from None


def _content(path: Path, output: str | None) -> bytes:
    """The model in a file, the tensor of this name its first output.

    An interpreter hands out no tensor that is no output, unless it keeps them all, which costs
    time and memory.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ModuleNotFoundError:
        raise _missing() from None
    try:
        content = bytearray(path.read_bytes())
        if not schema.Model.ModelBufferHasIdentifier(content, 0):
            raise ValueError("it does not begin as one")
        graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
        count = 0 if output is None else graph.TensorsLength()
        names = [graph.Tensors(i).Name().decode() for i in range(count)]
        outputs = graph._tab.Vector(graph._tab.Offset(_OUTPUTS))
    except (OSError, struct.error, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged or no TFLite model ({error}).") from None
    if output is not None:
        if output not in names:
            raise CheckpointError(
                f"{path} has no tensor {output!r}; its last are {', '.join(names[-5:])}."
            )
        struct.pack_into("<i", content, outputs, names.index(output))
    return bytes(content)


def _missing() -> SettingsError:
    return SettingsError(
        "TFLite models need LiteRT, which is not installed; install it with "
        "pip install 'darksound[birdnet]'."
    )


def open_tflite(argument: str) -> Embedder:
    """The embedder in the TFLite file that is named.

    Raises:
        SettingsError: what it needs is not installed, or the file or its description is not there.
        CheckpointError: the file is no TFLite model, or not as its description says.
    """
    path = model_file(argument, "tflite")
    return tflite_embedder(path, read_description(path))

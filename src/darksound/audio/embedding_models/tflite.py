"""TFLite models as embedding models, run by LiteRT."""

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from darksound.audio.embedding_models.base import (
    CPU_PROVIDER,
    EmbeddingBatch,
    EmbeddingModel,
    ModelDescription,
    ModelOptions,
    WaveformBatch,
    as_embeddings,
    embed_in_batches,
    find_model_file,
    model_from_file,
    read_description,
    reshape_batch,
    scale_windows,
    select_tensor,
)
from darksound.errors import CheckpointError, SettingsError

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

__all__ = ["open_tflite", "tflite_model"]

# Offset of a subgraph's outputs in the tables of a TFLite file (its flatbuffers schema).
_OUTPUTS_OFFSET = 8
_DEFAULTS = ModelOptions()


def open_tflite(argument: str, options: ModelOptions = _DEFAULTS) -> EmbeddingModel:
    """Open the embedding model in a TFLite file.

    Args:
        argument: path of the file; its description is beside it.
        options: how its input is scaled.

    Raises:
        SettingsError: LiteRT is not installed, or the file or its description is missing.
        CheckpointError: the file is not a TFLite model, or does not match its description.
    """
    path = find_model_file(argument, "tflite")
    return tflite_model(path, options.describe(read_description(path)))


def tflite_model(path: Path, description: ModelDescription) -> EmbeddingModel:
    """Return the embedding model in a TFLite file.

    Args:
        path: of the file.
        description: its `output` may be any tensor of the model, also an inner one.

    Raises:
        SettingsError: LiteRT is not installed.
        CheckpointError: the file is not a TFLite model, has no such tensor, or does not take
            windows of this length.
    """
    content = _read_model(path, description.output)

    def start(provider: str = CPU_PROVIDER) -> _Network:
        return _Network(_open_interpreter(content, path), description, path)

    return model_from_file(path, description, start)


class _Network:
    """One interpreter with one thread, because every worker starts an interpreter."""

    def __init__(
        self, interpreter: "Interpreter", description: ModelDescription, path: Path
    ) -> None:
        self._interpreter, self._description, self._path = interpreter, description, path
        inputs = interpreter.get_input_details()
        names = [details["name"] for details in inputs]
        self._input = inputs[select_tensor(names, description.input, "input", path)]
        signature = self._input["shape_signature"]
        self._any_batch = len(signature) > 1 and signature[0] == -1
        self._allocated_shape: tuple[int, ...] = ()

    def __call__(self, waveforms: WaveformBatch) -> EmbeddingBatch:
        scaled = scale_windows(waveforms, self._description)
        return embed_in_batches(self._run, scaled, any_batch=self._any_batch)

    def _run(self, waveforms: WaveformBatch) -> EmbeddingBatch:
        interpreter, index = self._interpreter, self._input["index"]
        batch = reshape_batch(waveforms, len(self._input["shape"]))
        try:
            if self._allocated_shape != batch.shape:
                interpreter.resize_tensor_input(index, batch.shape)
                interpreter.allocate_tensors()
                self._allocated_shape = batch.shape
            interpreter.set_tensor(index, batch)
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self._path} does not take {waveforms.shape[1]} samples ({error}); correct "
                "sample_rate and window_s in its description."
            ) from None
        output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        return as_embeddings(output, len(waveforms), self._path)


def _open_interpreter(content: bytes, path: Path) -> "Interpreter":
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError:
        raise _litert_missing() from None
    try:
        return Interpreter(model_content=content, num_threads=1)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or not a TFLite model ({error}).") from None


def _read_model(path: Path, output: str | None) -> bytes:
    """Return the content of a model file, changed so that the named tensor is its first output.

    An interpreter returns only outputs, unless it keeps all tensors, which costs time and memory.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ModuleNotFoundError:
        raise _litert_missing() from None
    try:
        content = bytearray(path.read_bytes())
        if not schema.Model.ModelBufferHasIdentifier(content, 0):
            raise ValueError("its identifier is missing")
        graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
        n_tensors = 0 if output is None else graph.TensorsLength()
        names = [graph.Tensors(i).Name().decode() for i in range(n_tensors)]
        outputs = graph._tab.Vector(graph._tab.Offset(_OUTPUTS_OFFSET))
    except (OSError, struct.error, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged or not a TFLite model ({error}).") from None
    if output is not None:
        if output not in names:
            raise CheckpointError(
                f"{path} has no tensor {output!r}; its last ones are {', '.join(names[-5:])}."
            )
        struct.pack_into("<i", content, outputs, names.index(output))
    return bytes(content)


def _litert_missing() -> SettingsError:
    return SettingsError(
        "TFLite models need LiteRT, which is not installed; install it with "
        "pip install 'darksound[birdnet]'."
    )

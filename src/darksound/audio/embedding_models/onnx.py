"""ONNX models as embedding models, run by ONNX Runtime."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darksound.audio.embedding_models.base import (
    EmbeddingBatch,
    EmbeddingModel,
    EmbedFunction,
    ModelDescription,
    WaveformBatch,
    as_embeddings,
    embed_in_batches,
    find_model_file,
    model_from_file,
    read_description,
    reshape_batch,
    scale_to_peak,
    select_tensor,
)
from darksound.audio.embedding_models.onnx_files import external_files
from darksound.errors import CheckpointError, SettingsError
from darksound.text import library_path

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["open_onnx"]


def open_onnx(argument: str) -> EmbeddingModel:
    """Open the embedding model in an ONNX file.

    Args:
        argument: path of the file; its description is beside it.

    Raises:
        SettingsError: ONNX Runtime is not installed, or the file or its description is missing.
        CheckpointError: the file is not an ONNX model, does not match its description, has
            weights that are NaN, or lacks a file that it stores weights in.
    """
    path = find_model_file(argument, "onnx")
    description = read_description(path)
    start = partial(_start, path, description)
    return model_from_file(path, description, start, external_files(path))


def _start(path: Path, description: ModelDescription) -> EmbedFunction:
    """Start a session and return its embed function.

    Raises:
        SettingsError: ONNX Runtime is not installed.
        CheckpointError: the file is not an ONNX model, or has no such input or output.
    """
    session = _open_session(path)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    input_ = inputs[select_tensor([i.name for i in inputs], description.input, "input", path)]
    output_names = [output.name for output in outputs]
    output_name = output_names[select_tensor(output_names, description.output, "output", path)]
    n_axes = len(input_.shape)
    # A number, in place of a name, fixes the batch size.
    any_batch = n_axes > 1 and not isinstance(input_.shape[0], int)

    def run(batch: WaveformBatch) -> EmbeddingBatch:
        try:
            (output,) = session.run([output_name], {input_.name: reshape_batch(batch, n_axes)})
        except _onnx_errors() as error:
            raise CheckpointError(
                f"{path} does not take {batch.shape[1]} samples ({str(error).splitlines()[0]}); "
                "correct sample_rate and window_s in its description."
            ) from None
        return as_embeddings(np.asarray(output), len(batch), path)

    def embed(waveforms: WaveformBatch) -> EmbeddingBatch:
        scaled = scale_to_peak(waveforms, description.peak)
        return embed_in_batches(run, scaled, any_batch=any_batch)

    return embed


def _open_session(path: Path) -> "InferenceSession":
    try:
        import onnxruntime as ort
    except ModuleNotFoundError:
        raise SettingsError(
            "ONNX models need ONNX Runtime, which is not installed; install it with "
            "pip install 'darksound[onnx]'."
        ) from None
    options = ort.SessionOptions()
    # One thread each, because every worker starts a session.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        with library_path(path) as file:
            return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except _onnx_errors() as error:
        raise CheckpointError(
            f"{path} is damaged or not an ONNX model ({str(error).splitlines()[0]})."
        ) from None


def _onnx_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of ONNX Runtime, which have no common base but `Exception`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    classes = (value for value in vars(state).values() if isinstance(value, type))
    return (RuntimeError, ValueError, *(c for c in classes if issubclass(c, Exception)))

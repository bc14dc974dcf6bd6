"""ONNX models as embedding models, run by ONNX Runtime."""

import logging
import threading
from contextlib import nullcontext
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from darksound.audio.embedding_models.base import (
    CPU_PROVIDER,
    EmbeddingBatch,
    EmbeddingModel,
    EmbedFunction,
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
from darksound.audio.embedding_models.onnx_files import external_files
from darksound.errors import CheckpointError, SettingsError
from darksound.settings.compute import Device
from darksound.text import library_path

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["check_runtime", "onnx_model", "open_onnx"]

logger = logging.getLogger(__name__)

_CUDA, _DIRECTML, _COREML = (f"{name}ExecutionProvider" for name in ("CUDA", "Dml", "CoreML"))
# Providers by `compute.device`, the first usable one first. CoreML computes in half precision, so
# it must be asked for.
_PROVIDERS: dict[Device, tuple[str, ...]] = {
    "auto": (_CUDA, _DIRECTML),
    "cuda": (_CUDA, _DIRECTML),
    "mps": (_COREML,),
    "cpu": (),
}
_PACKAGES: dict[Device, str] = {
    "cuda": "onnxruntime-gpu (on Windows also onnxruntime-directml) in place of onnxruntime",
    "mps": "an onnxruntime with CoreML",
}
# TF32 has 10 bits of precision. The search for the fastest algorithm, which is the default, chooses
# other ones from run to run, with other last digits.
_OPTIONS: dict[str, dict[str, str]] = {
    _CUDA: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
}
# Waveforms at a time on a CPU and on a GPU.
_BATCH_SIZES = {False: 4, True: 64}
_DEFAULTS = ModelOptions()
_opening = threading.Lock()
_cpu_sessions: "WeakValueDictionary[tuple[Path, int, int], InferenceSession]" = (
    WeakValueDictionary()
)


def open_onnx(argument: str, options: ModelOptions = _DEFAULTS) -> EmbeddingModel:
    """Open the embedding model in an ONNX file.

    Args:
        argument: path of the file; its description is beside it.
        options: how its input is scaled.

    Raises:
        SettingsError: ONNX Runtime is not installed, or the file or its description is missing.
        CheckpointError: the file is not an ONNX model, does not match its description, has
            weights that are NaN, or lacks a file that it stores weights in.
    """
    path = find_model_file(argument, "onnx")
    return onnx_model(path, options.describe(read_description(path)))


def onnx_model(path: Path, description: ModelDescription) -> EmbeddingModel:
    """Return the embedding model in an ONNX file.

    Raises:
        SettingsError, CheckpointError: see `open_onnx`.
    """
    start = partial(_start, path, description)
    weights = external_files(path)
    return model_from_file(
        path, description, start, weights, provider=partial(_choose_provider, path)
    )


def _start(
    path: Path, description: ModelDescription, provider: str = CPU_PROVIDER
) -> EmbedFunction:
    """Start a session and return its embed function.

    Raises:
        SettingsError: ONNX Runtime is not installed.
        CheckpointError: the file is not an ONNX model, or has no such input or output.
    """
    on_gpu = provider != CPU_PROVIDER
    session, lock = _gpu_session(path, provider) if on_gpu else (_cpu_session(path), nullcontext())
    inputs, outputs = session.get_inputs(), session.get_outputs()
    input_ = inputs[select_tensor([i.name for i in inputs], description.input, "input", path)]
    output_names = [output.name for output in outputs]
    output_name = output_names[select_tensor(output_names, description.output, "output", path)]
    n_axes = len(input_.shape)
    # A number, in place of a name, fixes the batch size.
    any_batch = n_axes > 1 and not isinstance(input_.shape[0], int)

    def run(batch: WaveformBatch) -> EmbeddingBatch:
        try:
            with lock:
                (output,) = session.run([output_name], {input_.name: reshape_batch(batch, n_axes)})
        except _onnx_errors() as error:
            raise CheckpointError(
                f"{path} does not take {batch.shape[1]} samples ({str(error).splitlines()[0]}); "
                "correct sample_rate and window_s in its description."
            ) from None
        return as_embeddings(np.asarray(output), len(batch), path)

    def embed(waveforms: WaveformBatch) -> EmbeddingBatch:
        scaled = scale_windows(waveforms, description)
        size = _BATCH_SIZES[on_gpu]
        return embed_in_batches(run, scaled, any_batch=any_batch, batch_size=size)

    return embed


def _choose_provider(path: Path, device: Device) -> str:
    """Return the name of ONNX Runtime's provider for a device, or `CPU_PROVIDER`.

    Raises:
        SettingsError: `device` is a GPU that ONNX Runtime cannot run the model on.
    """
    usable = _runtime().get_available_providers()
    wanted = [name for name in _PROVIDERS[device] if name in usable]
    started = next((name for name in wanted if _starts(path, name)), None)
    if started is not None:
        logger.info("%s runs on the GPU (%s).", path.name, started)
        return started
    if device in ("cpu", "auto"):
        if wanted:
            logger.warning(
                "%s runs on the CPU, because ONNX Runtime cannot start its %s; install the "
                "libraries that this version needs (CUDA and cuDNN), or use --device cpu.",
                path.name,
                wanted[0],
            )
        return CPU_PROVIDER
    lacks = f"cannot start {wanted[0]}" if wanted else f"has only {', '.join(usable)}"
    raise SettingsError(
        f"compute.device is {device!r}, but the ONNX Runtime of this installation {lacks}; install "
        f"{_PACKAGES[device]}, or use --device cpu or auto."
    )


def _starts(path: Path, provider: str) -> bool:
    """Return whether a session uses a provider, which ONNX Runtime may replace by the CPU."""
    try:
        session, _ = _gpu_session(path, provider)
    except CheckpointError:
        # The file is not the cause: the model ran on the CPU before.
        return False
    return bool(session.get_providers()[0] == provider)


def _cpu_session(path: Path) -> "InferenceSession":
    """Return a session on the CPU, which all threads share, so that weights are in memory once.

    A session can be run by several threads, each run in the thread that calls it. It is closed
    when no thread holds it any more.
    """
    stat = path.stat()
    key = (path, stat.st_mtime_ns, stat.st_size)
    with _opening:
        session = _cpu_sessions.get(key)
        if session is None:
            session = _cpu_sessions[key] = _open_session(path)
    return session


def _gpu_session(path: Path, provider: str) -> tuple["InferenceSession", threading.Lock]:
    """Return a session on a GPU, which all threads share, and the lock to run it."""
    stat = path.stat()
    return _open_gpu_session(path, provider, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=1)
def _open_gpu_session(
    path: Path, provider: str, stamp: tuple[int, int]
) -> tuple["InferenceSession", threading.Lock]:
    return _open_session(path, provider), threading.Lock()


def check_runtime() -> None:
    """Check that ONNX models can be run.

    Raises:
        SettingsError: ONNX Runtime is not installed.
    """
    _runtime()


def _runtime() -> ModuleType:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise SettingsError(
            "ONNX models need ONNX Runtime, which is not installed; install it with "
            "pip install 'darksound[onnx]'."
        ) from None
    runtime: ModuleType = onnxruntime
    return runtime


def _open_session(path: Path, provider: str = CPU_PROVIDER) -> "InferenceSession":
    ort = _runtime()
    options = ort.SessionOptions()
    # One thread, because every worker runs the session.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # DirectML does not support the reuse of memory patterns.
    options.enable_mem_pattern = provider != _DIRECTML
    gpu = [] if provider == CPU_PROVIDER else [(provider, _OPTIONS.get(provider, {}))]
    try:
        with library_path(path) as file:
            return ort.InferenceSession(
                file, options, providers=[*gpu, "CPUExecutionProvider"], disable_fallback=True
            )
    except _onnx_errors() as error:
        raise CheckpointError(
            f"{path} is damaged or not an ONNX model ({str(error).splitlines()[0]})."
        ) from None


def _onnx_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of ONNX Runtime, which have no common base but `Exception`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    classes = (value for value in vars(state).values() if isinstance(value, type))
    return (RuntimeError, ValueError, *(c for c in classes if issubclass(c, Exception)))

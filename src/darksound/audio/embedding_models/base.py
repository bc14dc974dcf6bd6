"""The contract of embedding models, and what model files of all formats share."""

import hashlib
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from darksound.errors import CheckpointError, SettingsError
from darksound.settings.compute import Device
from darksound.system_errors import check_readable, reading_error
from darksound.text import text_path

__all__ = [
    "CPU_PROVIDER",
    "EmbedFunction",
    "EmbeddingBatch",
    "EmbeddingModel",
    "ModelDescription",
    "ModelOptions",
    "WaveformBatch",
    "as_embeddings",
    "embed_in_batches",
    "find_model_file",
    "model_from_file",
    "read_description",
    "reshape_batch",
    "scale_to_peak",
    "scale_windows",
    "select_tensor",
]

#: Waveforms of several ROIs, float32 `(n, window_samples)`.
WaveformBatch = npt.NDArray[np.float32]
#: Float32 `(n, embedding_dim)`.
EmbeddingBatch = npt.NDArray[np.float32]
#: Computes embeddings; row i of the output depends on row i of the input alone.
EmbedFunction = Callable[[WaveformBatch], EmbeddingBatch]

#: Name of the CPU among the providers that run a model.
CPU_PROVIDER = "CPU"

# A model that takes several waveforms gets this many at a time; more gained nothing on a CPU.
_BATCH_SIZE = 4
_HASH_BLOCK_BYTES = 1 << 20


def _only_cpu(device: Device) -> str:
    return CPU_PROVIDER


@dataclass(frozen=True)
class EmbeddingModel:
    """A network that maps waveforms to embeddings.

    Attributes:
        name: of the model, such as `BirdNET 2.4`.
        digest: hash of its file and of the part of its description that changes embeddings.
        embedding_dim: length of an embedding.
        sample_rate: of its input, in Hz.
        window_s: length of its input, in seconds.
        licence: terms of use of the model, if known.
        start: load the model and return its embed function; it takes a name that `provider`
            returned, and without one uses the CPU. Each thread calls it once, because runtimes are
            not safe to share.
        provider: return the name of what runs the model, given `compute.device`: `CPU_PROVIDER` or
            a GPU's. It raises `SettingsError` if the model cannot run on that device.
    """

    name: str
    digest: str
    embedding_dim: int
    sample_rate: int
    window_s: float
    licence: str | None
    start: Callable[..., EmbedFunction]
    provider: Callable[[Device], str] = _only_cpu

    @property
    def window_samples(self) -> int:
        """Return the number of samples of a window."""
        return round(self.sample_rate * self.window_s)


class ModelDescription(BaseModel):
    """What a model file does not contain: the TOML file beside it.

    Attributes:
        sample_rate: of the model's input, in Hz.
        window_s: length of the model's input, in seconds.
        name: of the model; by default the file's name.
        input: name of the tensor that takes waveforms; by default the only one.
        output: name of the tensor that holds embeddings; by default the only one.
        peak: largest absolute sample of each scaled window; by default nothing is scaled.
        remove_mean: whether the mean of each window is subtracted before it is scaled.
        licence: terms of use of the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rate: Annotated[int, Field(ge=4000, le=384_000)]
    window_s: Annotated[float, Field(gt=0, le=60)]
    name: str | None = None
    input: str | None = None
    output: str | None = None
    peak: Annotated[float, Field(gt=0)] | None = None
    remove_mean: bool = False
    licence: str | None = None

    @property
    def window_samples(self) -> int:
        """Return the number of samples of a window."""
        return round(self.sample_rate * self.window_s)


@dataclass(frozen=True)
class ModelOptions:
    """What the settings say about a model, besides its file.

    Attributes:
        scheme: the part of `backbone.name` before the colon.
        peak: see `embedding_model.peak`.
        folder: of downloaded models.
    """

    scheme: str = ""
    peak: float | Literal["auto", "none"] = "auto"
    folder: Path | None = None

    def describe(self, description: ModelDescription) -> ModelDescription:
        """Return the description with the scaling of the settings."""
        if self.peak == "auto":
            return description
        if self.peak == "none":
            return description.model_copy(update={"peak": None, "remove_mean": False})
        return description.model_copy(update={"peak": self.peak})


def scale_windows(waveforms: WaveformBatch, description: ModelDescription) -> WaveformBatch:
    """Return waveforms `(n, window_samples)` scaled as the description says."""
    if description.remove_mean:
        waveforms = waveforms - waveforms.mean(axis=1, keepdims=True)
    return scale_to_peak(waveforms, description.peak)


def scale_to_peak(waveforms: WaveformBatch, peak: float | None) -> WaveformBatch:
    """Scale each waveform of `(n, window_samples)` to this largest absolute sample.

    Silent waveforms stay silent. Without a peak, the waveforms are returned unchanged.
    """
    if peak is None:
        return waveforms
    largest = np.abs(waveforms).max(axis=1, keepdims=True)
    gain: WaveformBatch = np.float32(peak) / np.maximum(largest, np.finfo(np.float32).tiny)
    return waveforms * gain


def reshape_batch(waveforms: WaveformBatch, n_axes: int) -> WaveformBatch:
    """Reshape waveforms `(n, window_samples)` to the number of axes that a model takes.

    Args:
        waveforms: a single one if the model has no batch axis.
        n_axes: 1 for `(window_samples,)`, 2 for `(n, window_samples)`, 3 for
            `(n, 1, window_samples)` and so on.
    """
    n, samples = waveforms.shape
    return waveforms.reshape((samples,) if n_axes == 1 else (n, *[1] * (n_axes - 2), samples))


def as_embeddings(output: npt.NDArray[Any], n: int, path: Path) -> EmbeddingBatch:
    """Return a model's output as embeddings `(n, embedding_dim)`, without axes of length 1.

    Raises:
        CheckpointError: the output is not one vector for each waveform.
    """
    lengths = [length for length in output.shape[1:] if length > 1]
    if len(output) != n or len(lengths) != 1:
        raise CheckpointError(
            f"{path} gives an output of shape {output.shape} for {n} waveform(s), which is not "
            "one vector for each; name another `output` in its description."
        )
    return np.array(output, dtype=np.float32).reshape(n, lengths[0])


def embed_in_batches(
    run: EmbedFunction,
    waveforms: WaveformBatch,
    *,
    any_batch: bool,
    batch_size: int = _BATCH_SIZE,
) -> EmbeddingBatch:
    """Embed waveforms `(n, window_samples)` by a function that takes a few at a time.

    Args:
        run: computes the embeddings of a batch.
        waveforms: at least one.
        any_batch: False if the model takes one waveform at a time.
        batch_size: number of waveforms at a time, otherwise.
    """
    size = batch_size if any_batch else 1
    batches = (waveforms[start : start + size] for start in range(0, len(waveforms), size))
    return np.concatenate([run(batch) for batch in batches])


def select_tensor(names: Sequence[str], wanted: str | None, key: str, path: Path) -> int:
    """Return the position of the named tensor, or of the only one if no name is given.

    Args:
        names: of the model's tensors.
        wanted: the name in the model's description, if any.
        key: of the description, `input` or `output`.
        path: of the model file.

    Raises:
        CheckpointError: there is no such tensor, or no name is given and there are several.
    """
    matching = [index for index, name in enumerate(names) if wanted in (None, name)]
    if len(matching) != 1:
        raise CheckpointError(
            f"{path} has the {key}s {', '.join(names)}; name one of them as `{key}` in its "
            "description."
        )
    return matching[0]


def find_model_file(argument: str, scheme: str) -> Path:
    """Return the path in `backbone.name`, the part after the colon.

    Raises:
        SettingsError: no file has this path.
    """
    path = text_path(argument)
    if argument and path.is_file():
        return path
    raise SettingsError(
        f"backbone.name is {scheme}:{argument}, but there is no such file; write "
        f"{scheme}:FILE with the model's path."
    )


def read_description(model: Path) -> ModelDescription:
    """Read the description of a model: the file of the same name with the suffix `.toml`.

    Raises:
        SettingsError: the file does not exist, cannot be read, or lacks a required key.
    """
    path = model.with_suffix(".toml")
    try:
        return ModelDescription.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SettingsError(
            f"{model} needs a description: write sample_rate = ... (in Hz) and window_s = ... "
            f"(in seconds) to {path}, and output = ... if the model has several."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        check_readable(path, error, SettingsError)
        raise SettingsError(f"{path} cannot be read as TOML ({error}).") from None
    except ValidationError as error:
        causes = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()
        )
        raise SettingsError(f"{path} does not describe a model ({causes}).") from None


def model_from_file(
    path: Path,
    description: ModelDescription,
    start: Callable[..., EmbedFunction],
    weights: Sequence[Path] = (),
    *,
    provider: Callable[[Device], str] = _only_cpu,
) -> EmbeddingModel:
    """Return the embedding model in a file; one silent window is embedded to find its length.

    Args:
        path: of the file.
        description: sampling rate, window, tensors, name and licence.
        start: see `EmbeddingModel`.
        weights: other files that it stores weights in.
        provider: see `EmbeddingModel`.

    Raises:
        CheckpointError: the file cannot be read, does not take windows of this length, or gives
            values that are not finite.
    """
    digest = _digest(path, description, weights)
    embed = start()
    windows = np.zeros((2, description.window_samples), np.float32)
    # Models that scale their input may be undefined for silence alone.
    windows[1] = np.random.default_rng(0).uniform(-0.1, 0.1, description.window_samples)
    embedding = embed(windows[:1])
    if not np.isfinite(embedding).all() and not np.isfinite(embed(windows[1:])).all():
        raise CheckpointError(
            f"{path} gives embeddings that are not finite (NaN or infinity) in its output"
            f"{'' if description.output is None else f' {description.output!r}'}; its weights are "
            f"damaged, or its description names a wrong sample_rate, window_s, peak or output."
        )
    return EmbeddingModel(
        name=description.name or path.stem,
        digest=digest,
        embedding_dim=embedding.shape[1],
        sample_rate=description.sample_rate,
        window_s=description.window_s,
        licence=description.licence,
        start=start,
        provider=provider,
    )


def _digest(path: Path, description: ModelDescription, weights: Sequence[Path]) -> str:
    """Hash a model's files and the keys of its description that change embeddings."""
    # A key of later versions is no part of the hash of models that were opened before.
    later = set() if description.remove_mean else {"remove_mean"}
    keys = description.model_dump_json(exclude={"name", "licence", *later})
    digest = hashlib.sha256(keys.encode())
    for part in (path, *weights):
        if part is not path:
            name = part.relative_to(path.parent).as_posix()
            digest.update(f"\0{name}\0{part.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        try:
            with part.open("rb") as file:
                while block := file.read(_HASH_BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            raise CheckpointError(f"{part}: {reading_error(part, error)}.") from None
    return digest.hexdigest()[:32]

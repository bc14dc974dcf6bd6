"""The small file beside a model that says what it hears and where its vectors are."""

import hashlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from darksound.errors import CheckpointError, SettingsError

__all__ = [
    "Description",
    "Embedder",
    "Vectors",
    "Waves",
    "as_vectors",
    "described",
    "model_file",
    "read_description",
    "scaled",
    "shaped",
]

#: Sound of several ROIs, float32 `(b, n)`, n being the samples of the embedder's window.
Waves = npt.NDArray[np.float32]
#: Float32 `(b, dim)`.
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedder:
    """A model from waveforms to vectors, as far as it is known without running it.

    Attributes:
        name: of the model, such as `BirdNET 2.4`.
        digest: hash of its file and of what its description says of vectors.
        dim: length of a vector.
        sample_rate: of the sound that it hears, in Hz.
        window_s: how much of it, in seconds.
        licence: what the model may be used on, where that is known.
        start: makes what turns waveforms into vectors, row i of row i alone. Each thread starts
            one of its own.
    """

    name: str
    digest: str
    dim: int
    sample_rate: int
    window_s: float
    licence: str | None
    start: Callable[[], Callable[[Waves], Vectors]]

    @property
    def samples(self) -> int:
        """Samples of a window."""
        return round(self.sample_rate * self.window_s)


def scaled(waves: Waves, peak: float | None) -> Waves:
    """Waveforms `(b, n)`, each with its largest sample at `peak`, where one is given."""
    if peak is None:
        return waves
    largest = np.abs(waves).max(axis=1, keepdims=True)
    gain: Waves = np.float32(peak) / np.maximum(largest, np.finfo(np.float32).tiny)
    return waves * gain


def shaped(waves: Waves, axes: int) -> Waves:
    """Waveforms `(b, n)` with as many axes as a model takes.

    Args:
        waves: of which there is one where the model has no axis for more.
        axes: 1 for `(n,)`, 2 for `(b, n)`, more for `(b, 1, n)` and so on.
    """
    count, samples = waves.shape
    return waves.reshape((samples,) if axes == 1 else (count, *[1] * (axes - 2), samples))


def as_vectors(out: npt.NDArray[Any], count: int, path: Path) -> Vectors:
    """A model's output as vectors `(count, dim)`, axes of length 1 left out.

    Raises:
        CheckpointError: it is no vector a waveform.
    """
    long = [length for length in out.shape[1:] if length > 1]
    if len(out) != count or len(long) != 1:
        raise CheckpointError(
            f"{path} gives an output of shape {out.shape} for {count} waveform(s), which is no "
            "vector each; name another `output` in its description."
        )
    return np.array(out, dtype=np.float32).reshape(count, long[0])


_BLOCK = 1 << 20


class Description(BaseModel):
    """What a model file does not say of itself.

    Attributes:
        sample_rate: of the sound that it hears, in Hz.
        window_s: how much of it, in seconds.
        name: of the model; by default that of the file.
        input: name of the tensor that takes waveforms; by default the only one.
        output: name of the tensor that holds vectors; by default the only one.
        peak: what the largest sample of a window is scaled to; by default nothing is scaled.
        licence: what the model may be used on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rate: Annotated[int, Field(ge=4000, le=384_000)]
    window_s: Annotated[float, Field(gt=0, le=60)]
    name: str | None = None
    input: str | None = None
    output: str | None = None
    peak: Annotated[float, Field(gt=0)] | None = None
    licence: str | None = None

    @property
    def samples(self) -> int:
        """Samples of a window."""
        return round(self.sample_rate * self.window_s)


def model_file(argument: str, scheme: str) -> Path:
    """The file that stands behind the colon of `backbone.name`.

    Raises:
        SettingsError: there is none.
    """
    path = Path(argument)
    if argument and path.is_file():
        return path
    raise SettingsError(
        f"backbone.name is {scheme}:{argument}, but there is no such file; write "
        f"{scheme}:FILE with the model's path."
    )


def read_description(model: Path) -> Description:
    """The description of a model: the file of its name that ends with `.toml`.

    Raises:
        SettingsError: there is none, or it does not say what is needed.
    """
    path = model.with_suffix(".toml")
    try:
        return Description.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SettingsError(
            f"{model} needs a description: write sample_rate = ... (in Hz) and window_s = ... "
            f"(in seconds) to {path}, and output = ... where it has several."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read as TOML ({error}).") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise SettingsError(f"{path} does not describe a model ({wrong}).") from None


def described(
    path: Path, about: Description, start: Callable[[], Callable[[Waves], Vectors]]
) -> Embedder:
    """The embedder in a model file; silence passes it once, to see how long its vectors are.

    Args:
        path: of the file.
        about: what it hears.
        start: see `Embedder`.

    Raises:
        CheckpointError: the file cannot be read, or does not take such waveforms.
    """
    dim = start()(np.zeros((1, about.samples), np.float32)).shape[1]
    return Embedder(
        name=about.name or path.stem,
        digest=_digest(path, about),
        dim=dim,
        sample_rate=about.sample_rate,
        window_s=about.window_s,
        licence=about.licence,
        start=start,
    )


def _digest(path: Path, about: Description) -> str:
    """Hash of a model's file and of what else its vectors depend on."""
    key = about.model_dump_json(exclude={"name", "licence"})
    digest = hashlib.sha256(key.encode())
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from None
    return digest.hexdigest()[:32]

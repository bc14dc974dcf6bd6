"""The small file beside a model that says what it hears and where its vectors are."""

import hashlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from darksound.audio.embedders.base import Embedder, Vectors, Waves
from darksound.errors import CheckpointError, SettingsError

__all__ = ["Description", "described", "model_file", "read_description"]

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

"""What an embedder is: a model that turns the sound of a ROI into a vector."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Embedder", "Vectors", "Waves"]

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

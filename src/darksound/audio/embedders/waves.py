"""What goes into a model and what comes out of it, whatever runs it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from darksound.audio.embedders.base import Vectors, Waves
from darksound.errors import CheckpointError

__all__ = ["as_vectors", "scaled", "shaped"]


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

"""The contract of a reducer."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from darksound.cluster.notes import Say
from darksound.settings import ReductionSettings

__all__ = ["Reducer", "Vectors"]

Vectors = npt.NDArray[np.float32]


class Reducer(Protocol):
    """A function of its input, the settings and a seed alone."""

    def __call__(self, x: Vectors, settings: ReductionSettings, seed: int, say: Say) -> Vectors:
        """Reduce normalised embeddings.

        Args:
            x: `(n, d)`, n at least 4, not all rows alike.
            settings: how.
            seed: below 2**32.
            say: takes a sentence where something is done differently from what was asked.

        Returns:
            Finite coordinates `(n, k)`, k at most `settings.n_components` times as many as there
            are repeated runs.

        Raises:
            SettingsError: a setting is impossible for this reducer.
        """

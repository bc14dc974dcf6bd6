"""The constant-Q transform, by librosa."""

import math

import numpy as np
import torch
from torch import Tensor

from darksound.audio.geometry import Geometry
from darksound.errors import SettingsError
from darksound.settings import FrontEndSettings

__all__ = ["ConstantQ"]

_BINS_PER_OCTAVE = 24
_C1_HZ = 32.703_195_662_574_83


class ConstantQ:
    """Squared magnitude of the constant-Q transform, 24 bins an octave.

    The lowest bin lies at `low_hz`; where that is 0, so low that the bins end at the upper edge,
    but not below C1 (32.7 Hz). Bins above the upper edge are left out.
    """

    def __init__(
        self, geometry: Geometry, settings: FrontEndSettings, device: torch.device
    ) -> None:
        """Choose the bins.

        Raises:
            SettingsError: there is no room for a bin between the edges.
        """
        span = 2 ** ((settings.n_bands - 1) / _BINS_PER_OCTAVE)
        # The upper half of a bin's bandwidth must lie below half the rate.
        top = min(geometry.high_hz, geometry.rate / 2 / 2 ** (1 / _BINS_PER_OCTAVE))
        self._geometry = geometry
        self._lowest = geometry.low_hz or max(top / span, _C1_HZ)
        room = math.log2(top / self._lowest) if self._lowest < top else -1.0
        self._bins = min(settings.n_bands, math.floor(room * _BINS_PER_OCTAVE + 1e-9) + 1)
        if self._bins < 1:
            raise SettingsError(
                f"front_end.low_hz and high_hz leave no room for a constant-Q bin at "
                f"{geometry.rate} Hz."
            )

    @property
    def height(self) -> int:
        """Number of bins."""
        return self._bins

    def __call__(self, waves: Tensor) -> Tensor:
        """Power `(b, height, frames)`, lowest bin first, of waves `(b, n)`."""
        # librosa takes a second to import, and only this representation needs it.
        import librosa

        spectrum = librosa.cqt(
            waves.cpu().numpy(),
            sr=self._geometry.rate,
            hop_length=self._geometry.hop,
            fmin=self._lowest,
            n_bins=self._bins,
            bins_per_octave=_BINS_PER_OCTAVE,
        )[..., : self._geometry.frames]
        power = np.square(np.abs(spectrum), dtype=np.float32)
        return torch.from_numpy(power).to(waves.device)

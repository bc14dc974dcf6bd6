"""The mel spectrogram."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.audio.geometry import Geometry
from darksound.audio.representations.spectrogram import PowerSpectrum
from darksound.settings import FrontEndSettings

__all__ = ["MelSpectrogram", "mel_filters"]


def mel_filters(
    rate: int, n_fft: int, n_bands: int, low_hz: float, high_hz: float
) -> npt.NDArray[np.float64]:
    """Triangular filters, evenly spaced on HTK's mel scale, each of unit area (Slaney).

    As `librosa.filters.mel(htk=True, norm="slaney")`; mel = 2595 log10(1 + f / 700).

    Args:
        rate: sampling rate in Hz.
        n_fft: points of the transform.
        n_bands: number of filters.
        low_hz: lower edge of the first.
        high_hz: upper edge of the last.

    Returns:
        Weights `(n_bands, n_fft // 2 + 1)`.
    """
    lowest, highest = 2595 * np.log10(1 + np.array([low_hz, high_hz]) / 700)
    mels = np.linspace(lowest, highest, n_bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hz = np.fft.rfftfreq(n_fft, 1 / rate)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (hz - low) / (centre - low), (high - hz) / (high - centre)
    weights: npt.NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    weights *= 2 / (high - low)
    return weights


class MelSpectrogram:
    """Power in mel bands."""

    def __init__(
        self, geometry: Geometry, settings: FrontEndSettings, device: torch.device
    ) -> None:
        """Prepare the transform and the filters.

        Where the window is `auto`, it is zero-padded until no band lies between two bins of the
        transform; a window given in samples is taken as it is.
        """
        size, weights = geometry.window, self._weights(geometry, geometry.window, settings)
        while settings.n_fft == "auto" and not weights.any(axis=1).all():
            if size >= geometry.length:
                break
            size, weights = 2 * size, self._weights(geometry, 2 * size, settings)
        self._spectrum = PowerSpectrum(geometry, size, device)
        filters = torch.from_numpy(weights)
        # Sparse is some twenty times faster on a CPU, and not to be had on every other device.
        self._filters = (
            filters.to_sparse()
            if device.type == "cpu"
            else filters.to(device, torch.float32 if device.type == "mps" else None)
        )

    @property
    def height(self) -> int:
        """Number of mel bands."""
        return len(self._filters)

    def __call__(self, waves: Tensor) -> Tensor:
        """Power `(b, height, frames)`, lowest band first, of waves `(b, n)`."""
        spectrum = self._spectrum(waves)
        side_by_side = spectrum.transpose(0, 1).flatten(start_dim=1)
        bands = torch.matmul(self._filters, side_by_side).float()
        return bands.reshape(len(bands), len(waves), -1).transpose(0, 1)

    @staticmethod
    def _weights(
        geometry: Geometry, size: int, settings: FrontEndSettings
    ) -> npt.NDArray[np.float64]:
        return mel_filters(geometry.rate, size, settings.n_bands, geometry.low_hz, geometry.high_hz)

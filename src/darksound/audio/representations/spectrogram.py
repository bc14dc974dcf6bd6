"""The linear power spectrogram, and the short-time Fourier transform below it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from darksound.audio.geometry import Geometry
from darksound.errors import SettingsError
from darksound.settings import FrontEndSettings

__all__ = ["LinearSpectrogram", "PowerSpectrum"]


class PowerSpectrum:
    """Squared magnitude of the short-time Fourier transform: Hann, centred, reflected edges."""

    def __init__(self, geometry: Geometry, size: int, device: torch.device) -> None:
        """Prepare a transform.

        Args:
            geometry: window, hop and frames.
            size: points of the transform; where larger than the window, that is zero-padded.
            device: where it runs.
        """
        # Double precision makes the result the same to the last bit of an image whatever the
        # number of threads and the batch; Apple's GPUs have single precision only.
        precision = torch.float32 if device.type == "mps" else torch.float64
        self._geometry, self._size = geometry, size
        window = torch.hann_window(geometry.window, dtype=precision, device=device)
        before = (size - geometry.window) // 2
        self._window = F.pad(window, (before, size - geometry.window - before))

    def __call__(self, waves: Tensor) -> Tensor:
        """Power `(b, size // 2 + 1, frames)` of waves `(b, n)`, in the transform's precision."""
        half = self._size // 2
        # Frames cut by a view and transformed as rows: a fifth of the time of torch.stft.
        padded = F.pad(waves.to(self._window.dtype)[:, None], (half, half), mode="reflect")[:, 0]
        frames = padded.unfold(-1, self._size, self._geometry.hop)[:, : self._geometry.frames]
        spectrum = torch.fft.rfft(frames * self._window)
        power: Tensor = spectrum.real.square() + spectrum.imag.square()
        return power.transpose(1, 2)


class LinearSpectrogram:
    """Power in the bins of the Fourier transform between the lower and the upper edge."""

    def __init__(
        self, geometry: Geometry, settings: FrontEndSettings, device: torch.device
    ) -> None:
        """Prepare it.

        Raises:
            SettingsError: no bin lies between the edges.
        """
        self._spectrum = PowerSpectrum(geometry, geometry.window, device)
        hz = torch.arange(geometry.window // 2 + 1) * (geometry.rate / geometry.window)
        within = torch.nonzero((hz >= geometry.low_hz) & (hz <= geometry.high_hz))[:, 0]
        if len(within) == 0:
            raise SettingsError(
                f"front_end.low_hz and high_hz: no bin of a transform of {geometry.window} samples "
                f"at {geometry.rate} Hz lies between {geometry.low_hz:g} and {geometry.high_hz:g}."
            )
        self._bins = slice(int(within[0]), int(within[-1]) + 1)

    @property
    def height(self) -> int:
        """Number of bins between the edges."""
        return self._bins.stop - self._bins.start

    def __call__(self, waves: Tensor) -> Tensor:
        """Power `(b, height, frames)`, lowest bin first, of waves `(b, n)`."""
        return self._spectrum(waves)[:, self._bins].float()

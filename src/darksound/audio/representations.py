"""Representations of waveforms as spectrograms, by name: mel, spec, cqt."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.audio.geometry import Geometry
from darksound.errors import SettingsError
from darksound.settings import FrontEndSettings

__all__ = [
    "REPRESENTATIONS",
    "ConstantQ",
    "LinearSpectrogram",
    "MelSpectrogram",
    "PowerSpectrum",
    "PublishedConstantQ",
    "Representation",
    "mel_filters",
]


class Representation(Protocol):
    """Computes spectrograms of waveforms: of power, or of magnitude if the CQT is `published`."""

    @property
    def height(self) -> int:
        """Return the number of bands."""

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return power `(b, height, frames)`, lowest band first, of waveforms `(b, n)`."""


class PowerSpectrum:
    """Squared magnitude of the STFT: Hann window, centred frames, reflected edges."""

    def __init__(
        self, geometry: Geometry, size: int, device: torch.device, bins: slice = slice(None)
    ) -> None:
        """Prepare the window.

        Args:
            geometry: window, hop and frames.
            size: points of the transform; a shorter window is zero-padded to it.
            device: where it runs.
            bins: that are wanted, of `size // 2 + 1`.
        """
        # In double precision, images are equal to the last bit for any number of threads and any
        # batch size. Apple's GPUs have single precision only.
        precision = torch.float32 if device.type == "mps" else torch.float64
        self._geometry, self._size, self._bins = geometry, size, bins
        self._window = torch.hann_window(geometry.window, dtype=precision, device=device)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return power `(b, bins, frames)` of waveforms `(b, n)`, in double precision."""
        length, hop = self._geometry.window, self._geometry.hop
        # Samples of the transform before the window, and of the frame before the waveform.
        left = (self._size - length) // 2
        before = self._size // 2 - left
        padded = _reflect(waveforms, before, length - before, self._window.dtype)
        # A view of the frames, transformed as rows, takes a fifth of the time of torch.stft.
        frames = padded.unfold(-1, length, hop)[:, : self._geometry.frames]
        rows = frames.new_zeros(*frames.shape[:2], self._size)
        torch.mul(frames, self._window, out=rows[..., left : left + length])
        spectrum = torch.fft.rfft(rows)[..., self._bins]
        # Squares of neighbouring numbers, added into their final order, take two thirds of the time
        # of those of the real and the imaginary part.
        squares = torch.view_as_real(spectrum).square()
        power = squares.new_empty(len(squares), squares.shape[2], squares.shape[1])
        return torch.add(squares[..., 0].mT, squares[..., 1].mT, out=power)


def _reflect(x: Tensor, before: int, after: int, dtype: torch.dtype) -> Tensor:
    """Pad rows `(b, n)` by their reflection, as `F.pad` does in four times the time."""
    n = x.shape[-1]
    padded = x.new_empty(len(x), before + n + after, dtype=dtype)
    padded[:, before : before + n] = x
    padded[:, :before] = x[:, 1 : before + 1].flip(-1)
    padded[:, before + n :] = x[:, n - 1 - after : n - 1].flip(-1)
    return padded


class LinearSpectrogram:
    """Power in the bins of the STFT between the lower and the upper edge."""

    def __init__(
        self, geometry: Geometry, settings: FrontEndSettings, device: torch.device
    ) -> None:
        """Select the bins.

        Raises:
            SettingsError: there is no bin between the edges.
        """
        hz = torch.arange(geometry.window // 2 + 1) * (geometry.rate / geometry.window)
        inside = torch.nonzero((hz >= geometry.low_hz) & (hz <= geometry.high_hz))[:, 0]
        if len(inside) == 0:
            raise SettingsError(
                f"front_end.low_hz and high_hz: no bin of a transform of {geometry.window} samples "
                f"at {geometry.rate} Hz lies between {geometry.low_hz:g} and {geometry.high_hz:g}."
            )
        bins = slice(int(inside[0]), int(inside[-1]) + 1)
        self._spectrum = PowerSpectrum(geometry, geometry.window, device, bins)
        self._height = bins.stop - bins.start

    @property
    def height(self) -> int:
        """Return the number of bins between the edges."""
        return self._height

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return power `(b, height, frames)`, lowest bin first, of waveforms `(b, n)`."""
        return self._spectrum(waveforms).float()


@lru_cache(maxsize=16)
def mel_filters(
    rate: int, n_fft: int, n_bands: int, low_hz: float, high_hz: float
) -> npt.NDArray[np.float64]:
    """Return triangular filters, evenly spaced on HTK's mel scale, each of unit area (Slaney).

    As `librosa.filters.mel(htk=True, norm="slaney")`; mel = 2595 log10(1 + f / 700).

    Args:
        rate: sampling rate in Hz.
        n_fft: points of the transform.
        n_bands: number of filters.
        low_hz: lower edge of the first.
        high_hz: upper edge of the last.

    Returns:
        Weights `(n_bands, n_fft // 2 + 1)`, read-only.
    """
    lowest, highest = 2595 * np.log10(1 + np.array([low_hz, high_hz]) / 700)
    mels = np.linspace(lowest, highest, n_bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hz = np.fft.rfftfreq(n_fft, 1 / rate)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (hz - low) / (centre - low), (high - hz) / (high - centre)
    weights: npt.NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    weights *= 2 / (high - low)
    weights.setflags(write=False)
    return weights


class MelSpectrogram:
    """Power in mel bands."""

    def __init__(
        self, geometry: Geometry, settings: FrontEndSettings, device: torch.device
    ) -> None:
        """Prepare the transform and the filters.

        A window that is `auto` is zero-padded until every band contains a bin of the transform; a
        window given in samples is not.
        """
        size, weights = geometry.window, self._weights(geometry, geometry.window, settings)
        while settings.n_fft == "auto" and not weights.any(axis=1).all():
            if size >= geometry.length:
                break
            size, weights = 2 * size, self._weights(geometry, 2 * size, settings)
        used = np.flatnonzero(weights.any(axis=0))
        bins = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        self._spectrum = PowerSpectrum(geometry, size, device, bins)
        filters = torch.from_numpy(weights[:, bins].copy())
        # Sparse filters are about twenty times faster on a CPU; other devices may not support them.
        self._filters = (
            filters.to_sparse()
            if device.type == "cpu"
            else filters.to(device, torch.float32 if device.type == "mps" else None)
        )

    @property
    def height(self) -> int:
        """Return the number of mel bands."""
        return len(self._filters)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return power `(b, height, frames)`, lowest band first, of waveforms `(b, n)`."""
        spectrum = self._spectrum(waveforms)
        columns = spectrum.transpose(0, 1).flatten(start_dim=1)
        bands = torch.matmul(self._filters, columns).float()
        return bands.reshape(len(bands), len(waveforms), -1).transpose(0, 1)

    @staticmethod
    def _weights(
        geometry: Geometry, size: int, settings: FrontEndSettings
    ) -> npt.NDArray[np.float64]:
        return mel_filters(geometry.rate, size, settings.n_bands, geometry.low_hz, geometry.high_hz)


_BINS_PER_OCTAVE = 24
_C1_HZ = 32.703_195_662_574_83
# Defaults of librosa.cqt, which the published code uses.
_PUBLISHED_BINS = 84
_PUBLISHED_BINS_PER_OCTAVE = 12


class ConstantQ:
    """Squared magnitude of the constant-Q transform, 24 bins an octave.

    The lowest bin is at `low_hz`. If that is 0, it is as low as needed for the last bin to be at
    the upper edge, but not below C1 (32.7 Hz). Bins above the upper edge are left out.
    """

    def __init__(
        self, geometry: Geometry, settings: FrontEndSettings, device: torch.device
    ) -> None:
        """Choose the bins.

        Raises:
            SettingsError: there is no bin between the edges.
        """
        span = 2 ** ((settings.n_bands - 1) / _BINS_PER_OCTAVE)
        # The upper half of a bin's bandwidth must be below half the rate.
        top = min(geometry.high_hz, geometry.rate / 2 / 2 ** (1 / _BINS_PER_OCTAVE))
        self._geometry = geometry
        self._lowest = geometry.low_hz or max(top / span, _C1_HZ)
        octaves = math.log2(top / self._lowest) if self._lowest < top else -1.0
        self._bins = min(settings.n_bands, math.floor(octaves * _BINS_PER_OCTAVE + 1e-9) + 1)
        if self._bins < 1:
            raise SettingsError(
                f"front_end.low_hz and high_hz: there is no constant-Q bin between them at "
                f"{geometry.rate} Hz; set them farther apart."
            )

    @property
    def height(self) -> int:
        """Return the number of bins."""
        return self._bins

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return power `(b, height, frames)`, lowest bin first, of waveforms `(b, n)`."""
        return _constant_q(
            waveforms, self._geometry, self._lowest, self._bins, _BINS_PER_OCTAVE
        ).square_()


class PublishedConstantQ:
    """Magnitude of the constant-Q transform with the defaults of `librosa.cqt`.

    It has 84 bins, 12 an octave, from C1 (32.7 Hz).
    """

    height = _PUBLISHED_BINS

    def __init__(
        self, geometry: Geometry, settings: FrontEndSettings, device: torch.device
    ) -> None:
        """Check the rate.

        Raises:
            SettingsError: the highest bin is above half the sampling rate.
        """
        min_rate = 2 * _C1_HZ * 2 ** (_PUBLISHED_BINS / _PUBLISHED_BINS_PER_OCTAVE)
        if geometry.rate < min_rate:
            raise SettingsError(
                f"front_end.cqt is published, which needs a sampling rate of {min_rate:.0f} Hz or "
                f"more; the audio has {geometry.rate} Hz. Set it to power, or raise "
                "audio.sample_rate."
            )
        self._geometry = geometry

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return magnitudes `(b, 84, frames)`, lowest bin first, of waveforms `(b, n)`."""
        return _constant_q(
            waveforms, self._geometry, _C1_HZ, _PUBLISHED_BINS, _PUBLISHED_BINS_PER_OCTAVE
        )


def _constant_q(
    waveforms: Tensor, geometry: Geometry, low_hz: float, n_bins: int, bins_per_octave: int
) -> Tensor:
    """Return magnitudes `(b, n_bins, frames)`, lowest bin first, of waveforms `(b, n)`."""
    # Importing librosa takes a second, and only this representation needs it.
    import librosa

    spectrum = librosa.cqt(
        waveforms.cpu().numpy(),
        sr=geometry.rate,
        hop_length=geometry.hop,
        fmin=low_hz,
        n_bins=n_bins,
        bins_per_octave=bins_per_octave,
    )
    magnitude = np.abs(spectrum[..., : geometry.frames]).astype(np.float32, copy=False)
    return torch.from_numpy(magnitude).to(waveforms.device)


_Maker = Callable[[Geometry, FrontEndSettings, torch.device], Representation]
# Constant-Q transforms by the name in `front_end.cqt`.
_CONSTANT_Q: dict[str, _Maker] = {"power": ConstantQ, "published": PublishedConstantQ}


def _chosen_constant_q(
    geometry: Geometry, settings: FrontEndSettings, device: torch.device
) -> Representation:
    return _CONSTANT_Q[settings.cqt](geometry, settings, device)


#: Representations by the name in `front_end.representation`.
REPRESENTATIONS: dict[str, _Maker] = {
    "mel": MelSpectrogram,
    "spec": LinearSpectrogram,
    "cqt": _chosen_constant_q,
}

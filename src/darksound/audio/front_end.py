"""The front end: from the waveforms of ROIs to images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.audio.channels import BACKGROUND_REMOVERS, CHANNELS, ChannelInput
from darksound.audio.geometry import make_geometry
from darksound.audio.hpss import separate
from darksound.audio.representations import REPRESENTATIONS
from darksound.audio.waveform import prepare_waveform
from darksound.device import upload
from darksound.settings import AudioSettings, FrontEndSettings

__all__ = ["FrontEnd", "image_shape"]

# Images per batch. On a CPU the intermediate results of more would not fit its cache; a GPU needs
# more to be busy.
_CPU_BATCH_SIZE, _GPU_BATCH_SIZE = 8, 64


class FrontEnd:
    """Makes images of ROIs at one sampling rate.

    With the presets `thesis-2023` and `paper-2024` it makes the images of the published work
    (Poutaraud 2023; Poutaraud et al. 2024, doi 10.1016/j.ecoinf.2024.102687, section 2).

    Attributes:
        shape: `(3, height, width)` of an image.
    """

    def __init__(
        self,
        audio: AudioSettings,
        front_end: FrontEndSettings,
        rate: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Prepare windows and filters.

        Args:
            audio: `roi_s` must be a number.
            front_end: how images are made.
            rate: sampling rate of all waveforms, in Hz.
            device: where images are made and returned.

        Raises:
            SettingsError: the settings are impossible at this rate.
        """
        self._settings = front_end
        self._device = torch.device(device)
        self._geometry = make_geometry(audio, front_end, rate)
        representation = REPRESENTATIONS[front_end.representation]
        self._representation = representation(self._geometry, front_end, self._device)
        self.shape = (3, self._representation.height, self._geometry.frames)

    @torch.no_grad()
    def __call__(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> Tensor:
        """Return the images of waveforms.

        Args:
            waveforms: samples `(n,)` each, of any length, at the front end's rate.

        Returns:
            float32 `(b, 3, height, width)`, lowest frequency in the last row; in [0, 1], except
            for the channel `power`.
        """
        size = _CPU_BATCH_SIZE if self._device.type == "cpu" else _GPU_BATCH_SIZE
        batches = [
            self._images(waveforms[start : start + size])
            for start in range(0, len(waveforms), size)
        ]
        return torch.cat([torch.empty((0, *self.shape), device=self._device), *batches])

    def _images(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> Tensor:
        length, rate = self._geometry.length, self._geometry.rate
        prepared = [prepare_waveform(w, rate, length, self._settings) for w in waveforms]
        rows = [torch.from_numpy(waveform)[None] for waveform, _ in prepared]
        spans = torch.tensor([self._geometry.span(n_samples) for _, n_samples in prepared])
        # On a CPU, one transform at a time fits the cache; the steps after it are batched.
        is_on_cpu = self._device.type == "cpu"
        parts = rows if is_on_cpu else [upload(torch.cat(rows), self._device)]
        power = torch.cat([self._representation(part) for part in parts])
        channel_input = self._channel_input(power, upload(spans, self._device))
        channels = [CHANNELS[name](channel_input) for name in self._settings.channels]
        return torch.stack(channels, dim=1).flip(-2)

    def _channel_input(self, power: Tensor, spans: Tensor) -> ChannelInput:
        settings = self._settings
        if settings.remove_background:
            power = BACKGROUND_REMOVERS[settings.remove_background](power, spans)
        if not settings.hpss:
            return ChannelInput(power, power, power, spans, settings)
        harmonic, percussive = separate(power, settings.hpss_kernel, settings.hpss_margin)
        return ChannelInput(power, harmonic, percussive, spans, settings)


def image_shape(
    audio: AudioSettings, front_end: FrontEndSettings, rate: int
) -> tuple[int, int, int]:
    """Return the shape `(3, height, width)` of images at a sampling rate in Hz.

    Raises:
        SettingsError: the settings are impossible at this rate.
    """
    return FrontEnd(audio, front_end, rate).shape

"""The front end: from the waveforms of ROIs to images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.audio.channels import CHANNELS, Parts, stationary_floor
from darksound.audio.geometry import geometry
from darksound.audio.hpss import separate
from darksound.audio.representations import REPRESENTATIONS
from darksound.audio.waveform import prepare
from darksound.settings import Settings

__all__ = ["FrontEnd", "image_shape"]

# Images made at once: of more, what a step needs outgrows a CPU's cache.
_TOGETHER = 8


class FrontEnd:
    """Makes images of ROIs, all at one sampling rate.

    With the presets `thesis-2023` and `paper-2024` it gives the images of the published work
    (Poutaraud 2023; Poutaraud et al. 2024, doi 10.1016/j.ecoinf.2024.102687, section 2).

    Attributes:
        shape: `(3, height, width)` of an image.
    """

    def __init__(self, settings: Settings, rate: int, device: torch.device | str = "cpu") -> None:
        """Prepare windows and filters.

        Args:
            settings: `audio` and `front_end` are used; `audio.roi_s` must be a number.
            rate: of all waveforms to come, in Hz.
            device: where images are made and left.

        Raises:
            SettingsError: the settings cannot be met at this rate.
        """
        self._settings = settings.front_end
        self._device = torch.device(device)
        self._geometry = geometry(settings, rate)
        make = REPRESENTATIONS[self._settings.representation]
        self._representation = make(self._geometry, self._settings, self._device)
        self.shape = (3, self._representation.height, self._geometry.frames)

    @torch.no_grad()
    def __call__(self, waves: Sequence[npt.NDArray[np.float32]]) -> Tensor:
        """Images of waveforms.

        Args:
            waves: samples `(n,)` each, of any length, at the front end's rate.

        Returns:
            float32 `(b, 3, height, width)` in [0, 1]; the lowest frequency in the last row.
        """
        images = [self._images(waves[i : i + _TOGETHER]) for i in range(0, len(waves), _TOGETHER)]
        return torch.cat([torch.empty((0, *self.shape), device=self._device), *images])

    def _images(self, waves: Sequence[npt.NDArray[np.float32]]) -> Tensor:
        length = self._geometry.length
        prepared = [prepare(w, self._geometry.rate, length, self._settings) for w in waves]
        batch = torch.from_numpy(np.stack([wave for wave, _ in prepared])).to(self._device)
        spans = [self._geometry.span(samples) for _, samples in prepared]
        # A transform at a time stays within a CPU's cache; what comes after it is many small steps.
        step = 1 if self._device.type == "cpu" else len(waves)
        power = torch.cat([self._representation(some) for some in torch.split(batch, step)])
        parts = self._parts(power, spans)
        drawn = [CHANNELS[name](parts) for name in self._settings.channels]
        return torch.stack(drawn, dim=1).flip(-2)

    def _parts(self, power: Tensor, spans: list[tuple[int, int]]) -> Parts:
        settings = self._settings
        if settings.remove_background:
            power = (power - stationary_floor(power, spans, percentile=50)).clamp_min(0)
        if not settings.hpss:
            return Parts(power, power, power, spans, settings)
        harmonic, percussive = separate(power, settings.hpss_kernel, settings.hpss_margin)
        return Parts(power, harmonic, percussive, spans, settings)


def image_shape(settings: Settings, rate: int) -> tuple[int, int, int]:
    """Shape `(3, height, width)` of the images that `settings` give at a rate in Hz.

    Raises:
        SettingsError: the settings cannot be met at this rate.
    """
    return FrontEnd(settings, rate).shape

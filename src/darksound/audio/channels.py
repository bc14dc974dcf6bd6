"""The channels of an image, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from darksound.audio.levels import DECIBELS, delta, min_max, stationary_floor
from darksound.settings import FrontEndSettings

__all__ = ["CHANNELS", "Parts"]


@dataclass(frozen=True)
class Parts:
    """What channels are drawn from, each `(b, bands, frames)` of power, lowest band first.

    Attributes:
        power: the spectrogram.
        harmonic: its harmonic part; without separation the spectrogram itself.
        percussive: its percussive part; without separation the spectrogram itself.
        spans: first frame of each ROI, and the one after its last.
        settings: of the front end.
    """

    power: Tensor
    harmonic: Tensor
    percussive: Tensor
    spans: Sequence[tuple[int, int]]
    settings: FrontEndSettings

    def decibels(self, power: Tensor) -> Tensor:
        """Decibels as the settings want them."""
        return DECIBELS[self.settings.decibels](power)


def _level(parts: Parts) -> Tensor:
    return _in_range(parts.decibels(parts.harmonic), parts.settings.level_range_db)


def _floored(parts: Parts) -> Tensor:
    settings, power = parts.settings, parts.percussive
    floor = stationary_floor(power, parts.spans, settings.floor_percentile, settings.floor_bands)
    above = (power - floor).clamp_min(0)
    return _in_range(parts.decibels(above), settings.floored_range_db)


def _height(parts: Parts) -> Tensor:
    ramp = torch.linspace(0, 1, parts.power.shape[-2], device=parts.power.device)
    return ramp[:, None].expand(parts.power.shape)


def _harmonic(parts: Parts) -> Tensor:
    return min_max(parts.decibels(parts.harmonic))


def _percussive(parts: Parts) -> Tensor:
    return min_max(parts.decibels(parts.percussive))


def _delta(parts: Parts) -> Tensor:
    level = parts.decibels(parts.power)
    return min_max(delta(level) if parts.settings.hpss else level)


#: Each draws `(b, bands, frames)` in [0, 1], lowest band first; a constant image gives 0.
CHANNELS: dict[str, Callable[[Parts], Tensor]] = {
    "level": _level,
    "floored": _floored,
    "height": _height,
    "harmonic": _harmonic,
    "percussive": _percussive,
    "delta": _delta,
}


def _in_range(decibels: Tensor, range_db: float) -> Tensor:
    varied = decibels.amax(dim=(-2, -1), keepdim=True) > decibels.amin(dim=(-2, -1), keepdim=True)
    return torch.where(varied, (1 + decibels / range_db).clamp(0, 1), 0.0)

"""The channels of an image, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from darksound.audio.hpss import running_median
from darksound.settings import FrontEndSettings

__all__ = ["CHANNELS", "DECIBELS", "Parts", "delta", "min_max", "stationary_floor"]

_RANGE_DB = 80.0
_PUBLISHED_FLOOR = 1e-5


def _against_peak(power: Tensor) -> Tensor:
    peak = power.amax(dim=(-2, -1), keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
    return 10 * (power / peak).clamp_min(10 ** (-_RANGE_DB / 10)).log10()


def _published(power: Tensor) -> Tensor:
    level = 20 * power.clamp_min(_PUBLISHED_FLOOR).log10()
    peak = level.amax(dim=(-2, -1), keepdim=True)
    return (level - peak).clamp_min(-_RANGE_DB)


#: Decibels of power `(b, bands, frames)`, 0 at each image's peak. `power`: 10 log10, 80 dB of
#: range. `published`: 20 log10 of power, floored at 1e-5 before and 80 dB below the peak after,
#: which is what `librosa.amplitude_to_db(power, ref=np.max)` does.
DECIBELS: dict[str, Callable[[Tensor], Tensor]] = {"power": _against_peak, "published": _published}


def min_max(x: Tensor) -> Tensor:
    """Each image `(b, h, w)` from its least to its largest value in [0, 1]; 0 if constant."""
    low, high = x.amin(dim=(-2, -1), keepdim=True), x.amax(dim=(-2, -1), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low), 0.0)


def delta(x: Tensor, width: int = 9) -> Tensor:
    """Slope over time of each band by a line fitted to `width` frames (Savitzky-Golay, order 1).

    As `librosa.feature.delta(x, width=width, order=1)`; with fewer frames the fit takes what
    there is.

    Args:
        x: `(b, bands, frames)`.
        width: odd number of frames.
    """
    half = min(width, x.shape[-1] - (x.shape[-1] + 1) % 2) // 2
    fitted = x.shape[-1] - 2 * half
    slopes = torch.zeros_like(x.narrow(-1, 0, fitted))
    for step in range(1, half + 1):
        slopes += step * (x.narrow(-1, half + step, fitted) - x.narrow(-1, half - step, fitted))
    slopes /= 2 * sum(step**2 for step in range(1, half + 1))
    return F.pad(slopes, (half, half), mode="replicate")


def stationary_floor(
    power: Tensor, spans: Sequence[tuple[int, int]], percentile: float, bands: int = 1
) -> Tensor:
    """What each band's power seldom falls below: a percentile over the frames of the ROI.

    Args:
        power: `(b, n_bands, frames)`.
        spans: first frame of each ROI and the one after its last; silence around is no floor.
        percentile: 0 to 100, of the nearest rank.
        bands: odd number of bands that a median smooths the floor over.

    Returns:
        Power `(b, n_bands, 1)`.
    """
    floors = [
        image[:, first:stop].kthvalue(1 + round(percentile / 100 * (stop - first - 1)), -1).values
        for image, (first, stop) in zip(power, spans, strict=True)
    ]
    return running_median(torch.stack(floors), bands, -1).unsqueeze(-1)


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

"""The channels of an image, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
import scipy.signal
import torch
import torch.nn.functional as F
from torch import Tensor

from darksound.audio.hpss import running_median
from darksound.settings import FrontEndSettings

__all__ = [
    "BACKGROUND_REMOVERS",
    "CHANNELS",
    "DECIBELS",
    "UNBOUNDED_CHANNELS",
    "ChannelInput",
    "delta",
    "min_max_scale",
    "noise_floor",
]

_DYNAMIC_RANGE_DB = 80.0
_PUBLISHED_MIN_POWER = 1e-5


def _power_db(power: Tensor) -> Tensor:
    peak = power.amax(dim=(-2, -1), keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
    return 10 * (power / peak).clamp_min(10 ** (-_DYNAMIC_RANGE_DB / 10)).log10()


def _published_db(power: Tensor) -> Tensor:
    level = 20 * power.clamp_min(_PUBLISHED_MIN_POWER).log10()
    peak = level.amax(dim=(-2, -1), keepdim=True)
    return (level - peak).clamp_min(-_DYNAMIC_RANGE_DB)


#: Functions from power `(b, bands, frames)` to decibels, 0 at the maximum of each image. `power`:
#: 10 log10, with a range of 80 dB. `published`: 20 log10 of power, with a minimum power of 1e-5
#: and a range of 80 dB; equal to `librosa.amplitude_to_db(power, ref=np.max)`.
DECIBELS: dict[str, Callable[[Tensor], Tensor]] = {"power": _power_db, "published": _published_db}


def min_max_scale(x: Tensor) -> Tensor:
    """Scale each image `(b, h, w)` to [0, 1] by its minimum and maximum; 0 if it is constant."""
    low, high = x.amin(dim=(-2, -1), keepdim=True), x.amax(dim=(-2, -1), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low), 0.0)


def delta(x: Tensor, width: int = 9) -> Tensor:
    """Return the slope over time in each band, by a line fitted to `width` frames.

    This is a Savitzky-Golay filter of order 1, as `librosa.feature.delta(x, width=width, order=1)`.
    With fewer frames than `width`, the line is fitted to all of them.

    Args:
        x: `(b, bands, frames)`.
        width: odd number of frames.
    """
    half = min(width, x.shape[-1] - (x.shape[-1] + 1) % 2) // 2
    n_fits = x.shape[-1] - 2 * half
    slopes = torch.zeros_like(x.narrow(-1, 0, n_fits))
    for step in range(1, half + 1):
        slopes += step * (x.narrow(-1, half + step, n_fits) - x.narrow(-1, half - step, n_fits))
    slopes /= 2 * sum(step**2 for step in range(1, half + 1))
    return F.pad(slopes, (half, half), mode="replicate")


def noise_floor(power: Tensor, spans: Tensor, percentile: float, smooth_bands: int = 1) -> Tensor:
    """Estimate the stationary noise of each band: a percentile over the frames of the ROI.

    Args:
        power: `(b, n_bands, frames)`.
        spans: first frame of each ROI and the one after its last, `(b, 2)` on the same device;
            padding is left out.
        percentile: 0 to 100, by nearest rank.
        smooth_bands: odd number of bands of the median filter that smooths the estimate.

    Returns:
        Power `(b, n_bands, 1)`.
    """
    # NumPy selects a value image by image in a tenth of the time of torch's sort on a CPU. On a GPU
    # each selection would wait for the number of its frames.
    select = _select_in_each_image if power.device.type == "cpu" else _select_by_sorting
    return running_median(select(power, spans, percentile), smooth_bands, -1).unsqueeze(-1)


def _select_in_each_image(power: Tensor, spans: Tensor, percentile: float) -> Tensor:
    """Return the percentile `(b, n_bands)` over the frames of each span."""
    selected = []
    for image, (first, stop) in zip(power.numpy(), spans.tolist(), strict=True):
        rank = round(percentile / 100 * (stop - first - 1))
        selected.append(np.partition(image[:, first:stop], rank, axis=-1)[:, rank])
    return torch.from_numpy(np.stack(selected))


def _select_by_sorting(power: Tensor, spans: Tensor, percentile: float) -> Tensor:
    """Return the same as `_select_in_each_image`, from all images at once."""
    first, stop = spans[:, None, :1], spans[:, None, 1:]
    frame = torch.arange(power.shape[-1], device=power.device)
    outside = (frame < first) | (frame >= stop)
    # Apple's GPUs have single precision only.
    precision = torch.float32 if power.device.type == "mps" else torch.float64
    rank = (percentile / 100 * (stop - first - 1).to(precision)).round().long()
    in_order = power.masked_fill(outside, torch.inf).sort(-1).values
    return in_order.gather(-1, rank.expand(*power.shape[:2], 1)).squeeze(-1)


def _subtract_median(power: Tensor, spans: Tensor) -> Tensor:
    return (power - noise_floor(power, spans, percentile=50)).clamp_min(0)


def _attenuate_by_snr(power: Tensor, spans: Tensor) -> Tensor:
    """Multiply power S by 1 - 1 / (S/N + 1), where N is the noise of each band.

    N is the mean over all frames, opened (greyscale morphology) along the bands by a Gaussian of
    50 points, except for the two bands at either end. Equal to `maad.sound.remove_background` with
    its default parameters, which cites Boll 1979 (doi 10.1109/TASSP.1979.1163209).
    """
    # The opening adds numbers near 1 to means that may be tiny. It rounds as scikit-maad's only if
    # means are computed by NumPy, and bands are ordered from highest to lowest as in published use.
    means = power.flip(-2).cpu().numpy().mean(-1)
    gaussian = scipy.signal.windows.gaussian(50, 25)
    noise = np.stack([scipy.ndimage.grey_opening(mean, structure=gaussian) for mean in means])
    ends = [0, 1, -2, -1]
    noise[:, ends] = means[:, ends]
    # Apple's GPUs have single precision only.
    precision = torch.float32 if power.device.type == "mps" else torch.float64
    level = torch.from_numpy(noise[:, ::-1].copy()).to(power.device, precision).unsqueeze(-1)
    level = torch.where(level == 0, torch.finfo(precision).tiny, level)
    ratio = (power / level).clamp_min(0)
    return ((1 - 1 / (ratio + 1)) * power).float()


#: Functions from power `(b, bands, frames)` and spans, as in `ChannelInput`, to power without
#: stationary background, by `front_end.remove_background`.
BACKGROUND_REMOVERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "median": _subtract_median,
    "maad": _attenuate_by_snr,
}


@dataclass(frozen=True)
class ChannelInput:
    """What channels are computed from; tensors are power `(b, bands, frames)`, lowest band first.

    Attributes:
        power: the spectrogram.
        harmonic: its harmonic part; the spectrogram itself if HPSS is off.
        percussive: its percussive part; the spectrogram itself if HPSS is off.
        spans: first frame of each ROI, and the one after its last, `(b, 2)`.
        settings: of the front end.
    """

    power: Tensor
    harmonic: Tensor
    percussive: Tensor
    spans: Tensor
    settings: FrontEndSettings

    def decibels(self, power: Tensor) -> Tensor:
        """Convert power to decibels by the function that `front_end.decibels` names."""
        return DECIBELS[self.settings.decibels](power)


def _level(x: ChannelInput) -> Tensor:
    return _scale_range(x.decibels(x.harmonic), x.settings.level_range_db)


def _floored(x: ChannelInput) -> Tensor:
    settings, power = x.settings, x.percussive
    floor = noise_floor(power, x.spans, settings.floor_percentile, settings.floor_bands)
    return _scale_range(x.decibels((power - floor).clamp_min(0)), settings.floored_range_db)


def _height(x: ChannelInput) -> Tensor:
    ramp = torch.linspace(0, 1, x.power.shape[-2], device=x.power.device)
    return ramp[:, None].expand(x.power.shape)


def _harmonic(x: ChannelInput) -> Tensor:
    return min_max_scale(x.decibels(x.harmonic))


def _percussive(x: ChannelInput) -> Tensor:
    return min_max_scale(x.decibels(x.percussive))


def _delta(x: ChannelInput) -> Tensor:
    level = x.decibels(x.power)
    return min_max_scale(delta(level) if x.settings.hpss else level)


#: Functions to `(b, bands, frames)`, lowest band first. Except for `UNBOUNDED_CHANNELS`, values are
#: in [0, 1], and a constant image gives 0.
CHANNELS: dict[str, Callable[[ChannelInput], Tensor]] = {
    "level": _level,
    "floored": _floored,
    "height": _height,
    "harmonic": _harmonic,
    "percussive": _percussive,
    "delta": _delta,
    "power": lambda x: x.power,
}
#: Channels whose values are not limited to [0, 1].
UNBOUNDED_CHANNELS = frozenset({"power"})


def _scale_range(decibels: Tensor, range_db: float) -> Tensor:
    """Scale decibels from [-range_db, 0] to [0, 1]; 0 if the image is constant."""
    varies = decibels.amax(dim=(-2, -1), keepdim=True) > decibels.amin(dim=(-2, -1), keepdim=True)
    return torch.where(varies, (1 + decibels / range_db).clamp(0, 1), 0.0)

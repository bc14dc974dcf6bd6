"""From power to what an image shows: decibels, floors, slopes, and ranges of [0, 1]."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from darksound.audio.median import running_median

__all__ = ["DECIBELS", "delta", "min_max", "stationary_floor"]

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

"""Harmonic and percussive parts of a spectrogram."""

import torch
from torch import Tensor

from darksound.audio.median import running_median

__all__ = ["separate"]


def separate(power: Tensor, kernel: int, margin: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Split spectrograms by median filters along time and frequency.

    Fitzgerald 2010 (DAFx, "Harmonic/percussive separation using median filtering") with the
    margins of Driedger et al. 2014 (ISMIR) and soft masks of power 2, as
    `librosa.decompose.hpss(power, kernel_size=kernel, margin=margin, power=2)`.

    Args:
        power: `(b, bands, frames)`, not negative.
        kernel: length of both filters, odd.
        margin: of the harmonic and of the percussive mask, at least 1.

    Returns:
        The harmonic and the percussive part, each `(b, bands, frames)`.
    """
    harmonic = running_median(power, kernel, -1)
    percussive = running_median(power, kernel, -2)
    split_zeros = margin == (1, 1)
    return (
        power * _soft_mask(harmonic, percussive * margin[0], split_zeros),
        power * _soft_mask(percussive, harmonic * margin[1], split_zeros),
    )


def _soft_mask(x: Tensor, reference: Tensor, split_zeros: bool) -> Tensor:
    largest = torch.maximum(x, reference)
    empty = largest < torch.finfo(x.dtype).tiny
    largest = torch.where(empty, 1.0, largest)
    mask, rest = (x / largest).square(), (reference / largest).square()
    return torch.where(empty, 0.5 if split_zeros else 0.0, mask / (mask + rest))

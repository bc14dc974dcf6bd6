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
        _soft_mask(harmonic, percussive * margin[0], split_zeros).mul_(power),
        _soft_mask(percussive, harmonic * margin[1], split_zeros).mul_(power),
    )


def _soft_mask(x: Tensor, reference: Tensor, split_zeros: bool) -> Tensor:
    # Steps in place: getting memory for each would take as long as the step.
    largest = torch.maximum(x, reference)
    empty = largest < torch.finfo(x.dtype).tiny
    largest.masked_fill_(empty, 1.0)
    mask, rest = (x / largest).square_(), (reference / largest).square_()
    return mask.div_(rest.add_(mask)).masked_fill_(empty, 0.5 if split_zeros else 0.0)

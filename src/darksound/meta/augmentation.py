"""Augmentation of images (shift in time, masks, level) and of vectors."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from darksound.settings import AugmentationSettings, Settings
from darksound.store.contract import RowKind

__all__ = ["AUGMENTERS", "augment_images", "augment_vectors"]


def augment_images(
    images: Tensor,
    settings: AugmentationSettings,
    generator: torch.Generator,
    channels: Sequence[str] = (),
) -> Tensor:
    """Return augmented copies of images, with random numbers of their own for each image.

    An image is rolled in time, one stripe of time and one of frequency are set to its mean, and
    contrast and brightness change (time and frequency masks: Park et al. 2019, arXiv 1904.08779).

    Args:
        images: `(b, 3, h, w)` in [0, 1], on the CPU.
        settings: the strength of each change; 0 turns it off.
        generator: the only source of random numbers.
        channels: names of the three channels; `height`, a constant ramp, is left unchanged.

    Returns:
        `(b, 3, h, w)` in [0, 1].
    """
    b, _, h, w = images.shape
    shift = _uniform(b, generator, -settings.time_shift, settings.time_shift)
    rolls = (shift * w).round().int().tolist()
    out = torch.stack([image.roll(r, -1) for image, r in zip(images, rolls, strict=True)])
    masked = _stripes(b, w, settings.time_mask, generator)[:, None, None, :]
    masked = masked | _stripes(b, h, settings.frequency_mask, generator)[:, None, :, None]
    out = torch.where(masked, images.mean((2, 3), keepdim=True), out)
    contrast = _uniform(b, generator, 1 - settings.level, 1 + settings.level)
    brightness = _uniform(b, generator, -settings.level, settings.level)
    out.mul_(contrast.reshape(b, 1, 1, 1)).add_(brightness.reshape(b, 1, 1, 1)).clamp_(0, 1)
    for channel, name in enumerate(channels):
        if name == "height":
            out[:, channel] = images[:, channel]
    return out


def _uniform(n: int, generator: torch.Generator, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def _stripes(n: int, length: int, max_share: float, generator: torch.Generator) -> Tensor:
    """Return a mask `(n, length)` with one stripe a row, at most `max_share` of it wide."""
    width = (torch.rand(n, generator=generator) * (max_share * length + 1)).floor()
    start = (torch.rand(n, generator=generator) * (length - width + 1)).floor()
    position = torch.arange(length)
    return (position >= start[:, None]) & (position < (start + width)[:, None])


def augment_vectors(
    vectors: Tensor, settings: AugmentationSettings, generator: torch.Generator
) -> Tensor:
    """Return augmented copies of vectors, with random numbers of their own for each vector.

    A vector moves towards another one of the batch (mixup without mixing labels: Zhang et al.
    2018, arXiv 1710.09412), Gaussian noise is added, and some dimensions are set to the mean of
    the batch.

    Args:
        vectors: `(b, dim)` of one batch, on the CPU.
        settings: the strength of each change; 0 turns it off.
        generator: the only source of random numbers.

    Returns:
        `(b, dim)`.
    """
    b = len(vectors)
    centre = vectors.mean(0)
    deviation = (vectors - centre).square().mean(0).sqrt()
    other = vectors[torch.randperm(b, generator=generator)]
    share = settings.vector_mix * torch.rand(b, 1, generator=generator)
    out = vectors + share * (other - vectors)
    out = out + settings.vector_noise * deviation * torch.randn(out.shape, generator=generator)
    dropped = torch.rand(out.shape, generator=generator) < settings.vector_drop
    return torch.where(dropped, centre, out)


_Augmenter = Callable[[Tensor, Settings, torch.Generator], Tensor]
#: Augmentation of a batch, by the kind of its store.
AUGMENTERS: dict[RowKind, _Augmenter] = {
    "images": lambda batch, settings, generator: augment_images(
        batch, settings.augmentation, generator, settings.front_end.channels
    ),
    "vectors": lambda batch, settings, generator: augment_vectors(
        batch, settings.augmentation, generator
    ),
}

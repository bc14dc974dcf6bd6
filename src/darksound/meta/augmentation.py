"""Augmentation of images (shift in time, masks, level) and of vectors."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from darksound.device import upload
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
        images: `(b, 3, h, w)` in [0, 1], on any device.
        settings: the strength of each change; 0 turns it off.
        generator: on the CPU; the only source of random numbers.
        channels: names of the three channels; `height`, a constant ramp, is left unchanged.

    Returns:
        `(b, 3, h, w)` in [0, 1], on the device of `images`.
    """
    b, _, h, w = images.shape
    # One copy to a GPU, and the same numbers for all devices.
    numbers = torch.stack([torch.rand(b, generator=generator) for _ in range(7)])
    shift, frames, first, bands, lowest, contrast, brightness = upload(numbers, images.device)
    shift = _scale(shift, -settings.time_shift, settings.time_shift)
    out = _roll(images, (shift * w).round().int())
    masked = _stripes(frames, first, w, settings.time_mask)[:, None, None, :]
    masked = masked | _stripes(bands, lowest, h, settings.frequency_mask)[:, None, :, None]
    out = torch.where(masked, images.mean((2, 3), keepdim=True), out)
    contrast = _scale(contrast, 1 - settings.level, 1 + settings.level)
    brightness = _scale(brightness, -settings.level, settings.level)
    out.mul_(contrast.reshape(b, 1, 1, 1)).add_(brightness.reshape(b, 1, 1, 1)).clamp_(0, 1)
    for channel, name in enumerate(channels):
        if name == "height":
            out[:, channel] = images[:, channel]
    return out


def _scale(numbers: Tensor, low: float, high: float) -> Tensor:
    """Scale numbers from [0, 1] to [low, high]."""
    return low + (high - low) * numbers


def _roll(images: Tensor, shifts: Tensor) -> Tensor:
    """Return images rolled to later times by as many frames as each of `shifts` `(b,)` names."""
    if images.device.type == "cpu":
        # Copies of whole rows take less time than an index for each pixel.
        rolls = shifts.tolist()
        return torch.stack([image.roll(r, -1) for image, r in zip(images, rolls, strict=True)])
    return _roll_by_index(images, shifts)


def _roll_by_index(images: Tensor, shifts: Tensor) -> Tensor:
    width = images.shape[-1]
    source = (torch.arange(width, device=images.device) - shifts[:, None]).remainder(width)
    return images.gather(-1, source[:, None, None].long().expand(images.shape))


def _stripes(width: Tensor, start: Tensor, length: int, max_share: float) -> Tensor:
    """Return a mask `(n, length)` with one stripe a row, at most `max_share` of it wide.

    `width` and `start` are random numbers `(n,)` from 0 to 1.
    """
    width = (width * (max_share * length + 1)).floor()
    start = (start * (length - width + 1)).floor()
    position = torch.arange(length, device=width.device)
    return (position >= start[:, None]) & (position < (start + width)[:, None])


def augment_vectors(
    vectors: Tensor, settings: AugmentationSettings, generator: torch.Generator
) -> Tensor:
    """Return augmented copies of vectors, with random numbers of their own for each vector.

    A vector moves towards another one of the batch (mixup without mixing labels: Zhang et al.
    2018, arXiv 1710.09412), Gaussian noise is added, and some dimensions are set to the mean of
    the batch.

    Args:
        vectors: `(b, dim)` of one batch, on any device.
        settings: the strength of each change; 0 turns it off.
        generator: on the CPU; the only source of random numbers.

    Returns:
        `(b, dim)`, on the device of `vectors`.
    """
    b, device = len(vectors), vectors.device
    order = upload(torch.randperm(b, generator=generator), device)
    share = upload(torch.rand(b, 1, generator=generator), device)
    noise = upload(torch.randn(vectors.shape, generator=generator), device)
    dropped = upload(torch.rand(vectors.shape, generator=generator), device)
    centre = vectors.mean(0)
    deviation = (vectors - centre).square().mean(0).sqrt()
    out = vectors + settings.vector_mix * share * (vectors[order] - vectors)
    out = out + settings.vector_noise * deviation * noise
    return torch.where(dropped < settings.vector_drop, centre, out)


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

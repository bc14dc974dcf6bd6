"""What training does to images: shift in time, masks, level; and to vectors."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from darksound.settings import AugmentationSettings, Settings

__all__ = ["AUGMENTERS", "augment", "augment_vectors"]


def augment(
    images: Tensor,
    settings: AugmentationSettings,
    generator: torch.Generator,
    channels: Sequence[str] = (),
) -> Tensor:
    """Altered copies of images, each in its own way.

    An image is rolled in time, loses one stripe of time and one of frequency to its own mean,
    and changes its contrast and brightness (time and frequency masks: Park et al. 2019,
    arXiv 1904.08779).

    Args:
        images: `(b, 3, h, w)` in [0, 1], on the CPU.
        settings: how much of each; zero leaves it out.
        generator: the only source of randomness.
        channels: what the three channels show; `height` marks places, not sound, and stays.

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
    for channel, shows in enumerate(channels):
        if shows == "height":
            out[:, channel] = images[:, channel]
    return out


def _uniform(n: int, generator: torch.Generator, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def _stripes(n: int, length: int, most: float, generator: torch.Generator) -> Tensor:
    """Where one stripe a row lies, at most `most` of the length wide: `(n, length)` booleans."""
    width = (torch.rand(n, generator=generator) * (most * length + 1)).floor()
    start = (torch.rand(n, generator=generator) * (length - width + 1)).floor()
    at = torch.arange(length)
    return (at >= start[:, None]) & (at < (start + width)[:, None])


def augment_vectors(
    vectors: Tensor, settings: AugmentationSettings, generator: torch.Generator
) -> Tensor:
    """Altered copies of embeddings, each in its own way.

    Each moves towards another one of the batch (Zhang et al. 2018, arXiv 1710.09412, labels
    staying), gets Gaussian noise, and loses some dimensions to the batch's mean.

    Args:
        vectors: `(b, dim)` of one batch, on the CPU.
        settings: how much of each; zero leaves it out.
        generator: the only source of randomness.

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
    lost = torch.rand(out.shape, generator=generator) < settings.vector_drop
    return torch.where(lost, centre, out)


_Augmenter = Callable[[Tensor, Settings, torch.Generator], Tensor]
#: What training does to a batch, by the kind of its store.
AUGMENTERS: Mapping[str, _Augmenter] = MappingProxyType(
    {
        "images": lambda batch, settings, generator: augment(
            batch, settings.augmentation, generator, settings.front_end.channels
        ),
        "vectors": lambda batch, settings, generator: augment_vectors(
            batch, settings.augmentation, generator
        ),
    }
)

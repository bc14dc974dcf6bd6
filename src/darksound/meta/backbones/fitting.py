"""Images brought to the size of ImageNet's networks."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import functional as TF

__all__ = ["FITS", "SIZE"]

#: Height and width that they take.
SIZE = 224
# What the shorter side is brought to before the middle is cut out.
_SHORTER = 256


def _whole(images: Tensor) -> Tensor:
    """The whole image at 224 x 224 (bilinear, antialiased)."""
    if images.shape[2:] == (SIZE, SIZE):
        return images
    # Resizing works on one channel after the other, so other layouts would be copied twice.
    resized: Tensor = TF.resize(images.contiguous(), [SIZE, SIZE], antialias=True)
    return resized


def _crop(images: Tensor) -> Tensor:
    """The shorter side resized to 256 (bilinear, antialiased), and 224 x 224 from the centre.

    Resizing is linear along each side, so only the pixels that are seen in the crop are resized,
    by products of matrices.
    """
    height, width = images.shape[2:]
    if min(height, width) == _SHORTER:
        cropped: Tensor = TF.center_crop(images, [SIZE, SIZE])
        return cropped
    longer = _SHORTER * max(height, width) // min(height, width)
    new = (_SHORTER, longer) if height <= width else (longer, _SHORTER)
    (rows, down), (columns, across) = (
        _weights(*sizes) for sizes in zip((height, width), new, strict=True)
    )
    # Coordinates and weights are too fine for half precision.
    with torch.autocast(images.device.type, enabled=False):
        seen = images[:, :, rows, columns].float()
        return down.to(seen.device) @ (seen @ across.T.to(seen.device))


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _weights(size: int, new: int) -> tuple[slice, Tensor]:
    """Which of `size` pixels are seen in the middle of a side resized to `new`, and the weights
    `(224, seen)` that each pixel there gives them."""
    identity = torch.eye(size)[None, None]
    weights = F.interpolate(identity, (new, size), mode="bilinear", antialias=True)[0, 0]
    start = round((new - SIZE) / 2)
    weights = weights[start : start + SIZE]
    seen = torch.nonzero(weights.any(0))[:, 0]
    kept = slice(int(seen[0]), int(seen[-1]) + 1)
    return kept, weights[:, kept].contiguous()


#: By the names of `front_end.fit`: images `(b, 3, h, w)` to `(b, 3, 224, 224)`.
FITS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({"whole": _whole, "crop": _crop})

"""Harmonic and percussive parts of a spectrogram, by median filters."""

import math

import numpy as np
import torch
from torch import Tensor

from darksound.device import upload

__all__ = ["running_median", "separate"]

# For tensors smaller than this, sorting every window is faster than the network's many steps.
_MIN_NETWORK_SIZE = 4096


def running_median(x: Tensor, size: int, dim: int) -> Tensor:
    """Return the median over `size` neighbours along `dim`; edges are mirrored.

    Equal to `scipy.ndimage.median_filter(..., mode="reflect")` along one axis. The algorithm is
    that of Adams 2021 ("Fast median filters using separable sorting networks", doi
    10.1145/3450626.3459773) along one axis. Windows that start within one tile share most of
    their values. These are sorted once. Then the tile is halved repeatedly, and each half adds
    the values that only its windows share. Values that can no longer be a median are dropped, so
    a tile of t windows keeps t values. For 31 neighbours this takes about 40 minima and maxima
    per value.

    Args:
        x: any shape, of floating point, without NaN.
        size: odd number of neighbours.
        dim: axis.
    """
    if size == 1:
        return x
    n = x.shape[dim]
    mirrored = np.pad(np.arange(n), size // 2, mode="symmetric")
    if x.numel() < _MIN_NETWORK_SIZE:
        rows = x.index_select(dim, upload(torch.from_numpy(mirrored), x.device))
        return rows.unfold(dim, size, 1).median(-1).values
    tile = _floor_power_of_two((size + 1) // 2)
    mirrored = np.pad(mirrored, (0, -n % tile), mode="edge")
    rows = x.movedim(dim, 0)[upload(torch.from_numpy(mirrored), x.device)]
    # In the memory layout of the input, because operations on mixed layouts are slow.
    return _medians(rows, size, tile)[:n].movedim(0, dim).contiguous()


def _medians(rows: Tensor, size: int, tile: int) -> Tensor:
    """Return medians `(n, ...)` of windows of `rows` `(n + size - 1, ...)`; `tile` divides n."""
    n_shared, n_tiles = size - tile + 1, (len(rows) - size + 1) // tile
    n_values = _ceil_power_of_two(n_shared) * n_tiles * rows[0].numel()
    # Buffers for all steps, because allocating memory in each step would take longer than it.
    current, following, scratch = (rows.new_empty(k) for k in (n_values, n_values, n_values // 2))
    shared = _view(current, _ceil_power_of_two(n_shared), n_tiles, *rows.shape[1:])
    shared[:n_shared] = _runs(rows, tile - 1, n_shared, tile, n_tiles)
    shared[n_shared:] = torch.inf
    _sort(shared, scratch)
    # Lower or higher ranks stay below or above the median, whatever values a window adds.
    candidates = shared[(n_shared - tile) // 2 :][:tile]
    while tile > 1:
        tile //= 2
        added = _view(following, tile, n_tiles, 2, *rows.shape[1:])
        # Windows of the first half share rows before the candidates, of the second half after.
        added[:, :, 0] = _runs(rows, tile - 1, tile, 2 * tile, n_tiles)
        added[:, :, 1] = _runs(rows, size, tile, 2 * tile, n_tiles)
        _sort(added, scratch, descending=True)
        low, high = torch.split(candidates.unsqueeze(2), tile)
        _merge(torch.maximum(low, added, out=added), scratch, descending=True)
        _merge(torch.minimum(added, high, out=added), scratch)
        candidates, n_tiles = added.flatten(1, 2), 2 * n_tiles
        current, following = following, current
    return candidates[0]


def _runs(rows: Tensor, start: int, length: int, step: int, n: int) -> Tensor:
    """Return runs of rows `(length, n, ...)`: the first from `start`, the others `step` apart."""
    return rows[start:].unfold(0, length, step)[:n].movedim(-1, 0)


def _sort(x: Tensor, scratch: Tensor, descending: bool = False) -> None:
    """Sort `(2^k, ...)` along the first axis, in place.

    Bitonic sort (Batcher 1968; Knuth, TAOCP vol. 3, 5.3.4).
    """
    run = 1
    while 2 * run < len(x):
        run *= 2
        # Ascending and descending runs alternate, so that two neighbours are bitonic.
        runs = torch.unflatten(x, 0, (-1, 2, run)).movedim(2, 0)
        _merge(runs[:, :, 0], scratch)
        _merge(runs[:, :, 1], scratch, descending=True)
    _merge(x, scratch, descending)


def _merge(x: Tensor, scratch: Tensor, descending: bool = False) -> None:
    """Sort bitonic values `(2^k, ...)` along the first axis, in place.

    Values are bitonic if they ascend and then descend, or are a rotation of such values.
    """
    stride = len(x) // 2
    while stride:
        pairs = torch.unflatten(x, 0, (-1, 2, stride))
        low, high = pairs[:, int(descending)], pairs[:, int(not descending)]
        minimum = torch.minimum(low, high, out=_view(scratch, *low.shape))
        torch.maximum(low, high, out=high)
        low.copy_(minimum)
        stride //= 2


def _view(buffer: Tensor, *shape: int) -> Tensor:
    """Return the start of a flat buffer as a tensor of this shape."""
    return buffer[: math.prod(shape)].view(shape)


def _floor_power_of_two(n: int) -> int:
    """Return the largest power of two that is at most `n`."""
    return 1 << (n.bit_length() - 1)


def _ceil_power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least `n`."""
    return 1 << (n - 1).bit_length()


def separate(power: Tensor, kernel: int, margin: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Separate spectrograms into harmonic and percussive parts.

    Median filters along time and frequency (Fitzgerald 2010, DAFx, "Harmonic/percussive separation
    using median filtering") with the margins of Driedger et al. 2014 (ISMIR) and soft masks of
    power 2, as `librosa.decompose.hpss(power, kernel_size=kernel, margin=margin, power=2)`.

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
    # In place, because allocating memory for each step would take as long as the step.
    largest = torch.maximum(x, reference)
    empty = largest < torch.finfo(x.dtype).tiny
    largest.masked_fill_(empty, 1.0)
    mask, rest = (x / largest).square_(), (reference / largest).square_()
    return mask.div_(rest.add_(mask)).masked_fill_(empty, 0.5 if split_zeros else 0.0)

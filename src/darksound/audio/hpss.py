"""Harmonic and percussive parts of a spectrogram."""

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["running_median", "separate"]

# Below so many values, sorting every window is quicker than the network's many small steps.
_FEW = 4096


def running_median(x: Tensor, size: int, dim: int) -> Tensor:
    """Median over `size` neighbours along `dim`, edges mirrored with the edge itself repeated.

    Equals `scipy.ndimage.median_filter(..., mode="reflect")` along one axis, exactly. Windows
    that begin within one tile share most of their values: these are sorted once, the tile is
    halved and halved again, and each half adds what its windows share beside (after Adams 2021,
    "Fast median filters using separable sorting networks", doi 10.1145/3450626.3459773, along
    one axis). What can be no window's median any more is forgotten, so that a tile of t windows
    keeps t values. For 31 neighbours that takes some 40 minima and maxima a value, as about a
    hundred steps over whole images.

    Args:
        x: any shape, of floating point, without NaN.
        size: odd number of neighbours.
        dim: axis.
    """
    if size == 1:
        return x
    count = x.shape[dim]
    mirrored = np.pad(np.arange(count), size // 2, mode="symmetric")
    if x.numel() < _FEW:
        rows = x.index_select(dim, torch.from_numpy(mirrored).to(x.device))
        return rows.unfold(dim, size, 1).median(-1).values
    tile = _power_of_two_within((size + 1) // 2)
    mirrored = np.pad(mirrored, (0, -count % tile), mode="edge")
    rows = x.movedim(dim, 0)[torch.from_numpy(mirrored).to(x.device)]
    # In the layout of the input, since steps on mixed layouts are slow.
    return _medians(rows, size, tile)[:count].movedim(0, dim).contiguous()


def _medians(rows: Tensor, size: int, tile: int) -> Tensor:
    """Medians `(n, ...)` of the windows of `rows` `(n + size - 1, ...)`, n a multiple of `tile`."""
    shared, tiles = size - tile + 1, (len(rows) - size + 1) // tile
    room = _power_of_two_from(shared) * tiles * rows[0].numel()
    # All steps work within these; memory fresh for each would take longer than the steps.
    ours, other, spare = (rows.new_empty(n) for n in (room, room, room // 2))
    core = _shaped(ours, _power_of_two_from(shared), tiles, *rows.shape[1:])
    core[:shared] = _runs(rows, tile - 1, shared, tile, tiles)
    core[shared:] = torch.inf
    _sort(core, spare)
    # Those ranked lower or higher stay below or above the median whatever a window adds.
    kept = core[(shared - tile) // 2 :][:tile]
    while tile > 1:
        tile //= 2
        added = _shaped(other, tile, tiles, 2, *rows.shape[1:])
        # The first half's windows have rows in common before the kept, the second half's after.
        added[:, :, 0] = _runs(rows, tile - 1, tile, 2 * tile, tiles)
        added[:, :, 1] = _runs(rows, size, tile, 2 * tile, tiles)
        _sort(added, spare, falling=True)
        low, high = torch.split(kept.unsqueeze(2), tile)
        _merge(torch.maximum(low, added, out=added), spare, falling=True)
        _merge(torch.minimum(added, high, out=added), spare)
        kept, tiles = added.flatten(1, 2), 2 * tiles
        ours, other = other, ours
    return kept[0]


def _runs(rows: Tensor, start: int, length: int, step: int, n: int) -> Tensor:
    """Runs of rows, `(length, n, ...)`, the first from `start`, the others `step` apart."""
    return rows[start:].unfold(0, length, step)[:n].movedim(-1, 0)


def _sort(x: Tensor, spare: Tensor, falling: bool = False) -> None:
    """Put the values of `(2^k, ...)` in order along the first axis, in place.

    Bitonic sort (Batcher 1968; Knuth, TAOCP vol. 3, 5.3.4).
    """
    run = 1
    while 2 * run < len(x):
        run *= 2
        # Rising and falling runs in turn, so that two neighbours are bitonic.
        runs = torch.unflatten(x, 0, (-1, 2, run)).movedim(2, 0)
        _merge(runs[:, :, 0], spare)
        _merge(runs[:, :, 1], spare, falling=True)
    _merge(x, spare, falling)


def _merge(x: Tensor, spare: Tensor, falling: bool = False) -> None:
    """Put `(2^k, ...)` in order along the first axis, in place, where its values are bitonic: they
    rise and then fall, or the other way, perhaps from somewhere in between."""
    stride = len(x) // 2
    while stride:
        pairs = torch.unflatten(x, 0, (-1, 2, stride))
        low, high = pairs[:, int(falling)], pairs[:, int(not falling)]
        least = torch.minimum(low, high, out=_shaped(spare, *low.shape))
        torch.maximum(low, high, out=high)
        low.copy_(least)
        stride //= 2


def _shaped(memory: Tensor, *shape: int) -> Tensor:
    """The beginning of flat memory as a tensor."""
    return memory[: math.prod(shape)].view(shape)


def _power_of_two_within(n: int) -> int:
    """The largest power of two that is no larger than `n`."""
    return 1 << (n.bit_length() - 1)


def _power_of_two_from(n: int) -> int:
    """The smallest power of two that is no smaller than `n`."""
    return 1 << (n - 1).bit_length()


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

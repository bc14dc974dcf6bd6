"""What batch norm remembers of a training that several processes share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["SharedNorms"]


class SharedNorms:
    """Running means and variances, as if one process had seen all tasks of a step in their order.

    A task x turns what is remembered, r, into (1 - m) r + m x, with momentum m. So what a process
    adds to r in its tasks counts (1 - m) times as much for each task after them, and the sum over
    processes is what one process would remember.

    Args:
        module: a task passes each of its batch norms once.
        own: tasks of a step that this process sees.
        later: tasks that follow them, in other processes.
        tasks: of the whole step.
    """

    def __init__(self, module: nn.Module, own: int, later: int, tasks: int) -> None:
        self._norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
        self._own, self._later, self._tasks = own, later, tasks

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """A block in which this process sees its tasks of a step."""
        learning = [norm for norm in self._norms if norm.training]
        buffers, keeps = _remembered(learning)
        if not buffers:
            yield
            return
        before, counted = _flat(buffers), [_copied(norm.num_batches_tracked) for norm in learning]
        yield
        share = keeps**self._later * (_flat(buffers) - keeps**self._own * before)
        dist.all_reduce(share)
        whole = share + keeps**self._tasks * before
        parts = torch.split(whole, [buffer.numel() for buffer in buffers])
        for buffer, values in zip(buffers, parts, strict=True):
            # Past autograd, which keeps these for the way back, where training does not read them.
            buffer.data.copy_(values)
        for norm, count in zip(learning, counted, strict=True):
            if norm.num_batches_tracked is not None and count is not None:
                # A learner may have batch norms that no task passes.
                passed = norm.num_batches_tracked - count
                norm.num_batches_tracked += passed * (self._tasks - self._own) // self._own


def _remembered(norms: Sequence[_BatchNorm]) -> tuple[list[Tensor], Tensor]:
    """Running means and variances, and what a task leaves of each of their values, `(n,)`."""
    buffers, keeps = [], [torch.empty(0, dtype=torch.float64)]
    for norm in norms:
        for buffer in (norm.running_mean, norm.running_var):
            if buffer is not None and norm.momentum is not None:
                buffers.append(buffer)
                keep = torch.full_like(buffer, 1 - norm.momentum, dtype=torch.float64)
                keeps.append(keep)
    return buffers, torch.cat([keep.to(keeps[-1].device) for keep in keeps])


def _copied(count: Tensor | None) -> Tensor | None:
    return None if count is None else count.clone()


def _flat(buffers: Sequence[Tensor]) -> Tensor:
    return torch.cat([buffer.double().flatten() for buffer in buffers])

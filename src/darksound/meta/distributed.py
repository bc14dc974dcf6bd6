"""Training in several processes, such as torchrun starts: one for each GPU, or several on CPUs.

Each process passes its share of the episodes of a step through the network one by one, so that
batch norm uses the statistics of one episode at a time, as in a single process. Gradients are
averaged over all processes (`torch.nn.parallel.DistributedDataParallel`), and the running
statistics of batch norm are combined to those of a single process (`BatchNormSync`). So all
processes have the same weights at all times: those of a single process that trains on the same
steps, up to the order of floating-point sums.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from darksound.device import resolve_device
from darksound.errors import SettingsError, WorkerError
from darksound.meta.optimization import EpochMeans
from darksound.meta.regimes import Regime, StepResult
from darksound.parallel.workers import ProcessRank
from darksound.settings import ComputeSettings, TrainingSettings

__all__ = [
    "BatchNormSync",
    "DistributedRegime",
    "ProcessGroup",
    "current_process_group",
    "open_process_group",
]

T = TypeVar("T")

# Rank 0 may compute images for days while the others wait. If a process dies, torchrun ends all.
_TIMEOUT = timedelta(days=7)


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train together; a single process is a group of size 1.

    Attributes:
        rank: rank of this process, from 0.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    def shard(self, count: int) -> range:
        """Return the indices of `count` items that this rank works on, consecutive by rank."""
        return range(self._start(self.rank, count), self._start(self.rank + 1, count))

    def _start(self, rank: int, count: int) -> int:
        return rank * count // self.size

    def all_gather(self, items: Sequence[T]) -> list[T]:
        """Return the items of all ranks, in order of ranks, in each process."""
        if self.size == 1:
            return list(items)
        shards: list[list[T]] = [[] for _ in range(self.size)]
        dist.all_gather_object(shards, list(items))
        return [item for shard in shards for item in shard]

    def broadcast(self, make: Callable[[], T]) -> T:
        """Return `make()` of rank 0 in each process. The other ranks do not call `make`."""
        if self.size == 1:
            return make()
        values: list[T | None] = [make() if self.rank == 0 else None]
        dist.broadcast_object_list(values, src=0)
        (value,) = values
        return value  # type: ignore[return-value]  # None is a value that T may have

    @contextmanager
    def rank_0_first(self) -> Iterator[None]:
        """Run a block in rank 0, and then in all other ranks at once."""
        if self.size > 1 and self.rank > 0:
            dist.barrier()
        yield
        if self.size > 1 and self.rank == 0:
            dist.barrier()

    def mean(self, epoch: EpochMeans) -> EpochMeans:
        """Return the means over all ranks, with all images and the longest duration."""
        if self.size == 1:
            return epoch
        loss, accuracy, n_images, seconds = torch.tensor(
            self.all_gather([(epoch.loss, epoch.accuracy, epoch.n_images, epoch.seconds)]),
            dtype=torch.float64,
        ).T
        return EpochMeans(
            float(loss.mean()), float(accuracy.mean()), int(n_images.sum()), float(seconds.max())
        )

    def episodes_per_step(self, settings: TrainingSettings) -> int:
        """Return the number of episodes (or batches) in a step; `auto` is one for each process.

        Raises:
            SettingsError: there are fewer than processes.
        """
        episodes_per_step = settings.episodes_per_step
        if episodes_per_step == "auto":
            return self.size
        if episodes_per_step < self.size:
            raise SettingsError(
                f"training.episodes_per_step is {episodes_per_step}, and {self.size} processes "
                f"share a step; give each at least one, or start fewer processes."
            )
        return episodes_per_step


def current_process_group() -> ProcessGroup:
    """Return torch's default process group, or a group of this process alone."""
    if not dist.is_available() or not dist.is_initialized():
        return ProcessGroup()
    return ProcessGroup(dist.get_rank(), dist.get_world_size())


@contextmanager
def open_process_group(rank: ProcessRank, compute: ComputeSettings) -> Iterator[ProcessGroup]:
    """Join the process group of torchrun in a block. Each process has a GPU of its own, if any.

    The address of the group is in the environment variables that torchrun sets.

    Args:
        rank: rank of this process.
        compute: device.

    Yields:
        The process group.

    Raises:
        SettingsError: there are fewer GPUs than processes.
        WorkerError: another process ended early.
    """
    on_gpu = resolve_device(compute)[0].type == "cuda"
    if on_gpu:
        _select_gpu(rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=_TIMEOUT)
    try:
        yield current_process_group()
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise WorkerError(
            f"Another of the {rank.size} processes ended early ({error}); its messages give the "
            f"reason. Continue with --resume."
        ) from error
    dist.destroy_process_group()


def _select_gpu(rank: ProcessRank) -> None:
    n_gpus = torch.cuda.device_count()
    if rank.local_rank >= n_gpus:
        raise SettingsError(
            f"torch finds {n_gpus} GPUs on this machine, and process {rank.local_rank + 1} of it "
            f"needs one; start as many processes as there are GPUs, or use --device cpu."
        )
    torch.cuda.set_device(rank.local_rank)


class DistributedRegime:
    """A regime whose step is several steps of another regime, shared by a process group.

    The mean of the gradients of all ranks is the gradient of the mean loss of all episodes of a
    step. Episode `j` of step `i` is episode `i * n_episodes + j` of the regime.

    Args:
        regime: computes the loss of each episode.
        n_episodes: episodes (or batches) in a step, over all ranks.
        group: the processes.
    """

    def __init__(self, regime: Regime, n_episodes: int, group: ProcessGroup) -> None:
        self._regime, self._n_episodes = regime, n_episodes
        self._shard = group.shard(n_episodes)
        self._forward: nn.Module = _EpisodeSum(regime, n_episodes / group.size)
        self._batch_norm_sync: Callable[[], AbstractContextManager[None]] = nullcontext
        if group.size > 1:
            # Parameters that a loss does not use get no gradient, as in a single process.
            self._forward = DistributedDataParallel(self._forward, find_unused_parameters=True)
            self._batch_norm_sync = BatchNormSync(regime.module, self._shard, n_episodes).sync

    @property
    def module(self) -> nn.Module:
        """Return the module that is optimised."""
        return self._regime.module

    def step(self, *counters: int) -> StepResult:
        """Return the result of this rank's share of a step."""
        *epoch_counters, step = counters
        episodes = [(*epoch_counters, step * self._n_episodes + i) for i in self._shard]
        with self._batch_norm_sync():
            return StepResult(*self._forward(episodes))


class _EpisodeSum(nn.Module):
    """Several steps of a regime as the forward pass of one module, as DDP needs it."""

    def __init__(self, regime: Regime, mean_count: float) -> None:
        super().__init__()
        self.module = regime.module
        self._step, self._mean_count = regime.step, mean_count

    def forward(self, episodes: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor, int]:
        """Return summed loss and accuracy, divided by the mean number of episodes of a rank."""
        results = [self._step(*counters) for counters in episodes]
        loss = torch.stack([result.loss for result in results]).sum() / self._mean_count
        accuracy = torch.stack([result.accuracy for result in results]).sum() / self._mean_count
        return loss, accuracy, sum(result.n_images for result in results)


class BatchNormSync:
    """Combines running means and variances of all ranks to those of a single process.

    An episode with statistics x turns the running statistics r into (1 - m) r + m x, with momentum
    m. So the contribution of a rank is multiplied by (1 - m) for each episode of later ranks, and
    the sum of the contributions is what a single process would compute from all episodes in order.

    Args:
        module: each of its batch norms is passed once an episode.
        shard: episodes of a step that this rank works on.
        n_episodes: episodes of a step, over all ranks.
    """

    def __init__(self, module: nn.Module, shard: range, n_episodes: int) -> None:
        self._norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
        self._n_own, self._n_later = len(shard), n_episodes - shard.stop
        self._n_episodes = n_episodes

    @contextmanager
    def sync(self) -> Iterator[None]:
        """Run this rank's share of a step in a block, and combine the statistics after it."""
        norms = [norm for norm in self._norms if norm.training]
        buffers, decay = _running_statistics(norms)
        if not buffers:
            yield
            return
        before = _flatten(buffers)
        counts = [_copy(norm.num_batches_tracked) for norm in norms]
        yield
        contribution = decay**self._n_later * (_flatten(buffers) - decay**self._n_own * before)
        dist.all_reduce(contribution)
        combined = contribution + decay**self._n_episodes * before
        parts = torch.split(combined, [buffer.numel() for buffer in buffers])
        for buffer, values in zip(buffers, parts, strict=True):
            # `data` hides the change from autograd, which saved these buffers for the backward
            # pass, where training does not read them.
            buffer.data.copy_(values)
        for norm, count in zip(norms, counts, strict=True):
            if norm.num_batches_tracked is not None and count is not None:
                # A learner may have batch norms that no episode passes.
                n_passed = norm.num_batches_tracked - count
                n_others = self._n_episodes - self._n_own
                norm.num_batches_tracked += n_passed * n_others // self._n_own


def _running_statistics(norms: Sequence[_BatchNorm]) -> tuple[list[Tensor], Tensor]:
    """Return running means and variances, and the factor 1 - momentum of each value, `(n,)`."""
    buffers, decays = [], [torch.empty(0, dtype=torch.float64)]
    for norm in norms:
        for buffer in (norm.running_mean, norm.running_var):
            if buffer is not None and norm.momentum is not None:
                buffers.append(buffer)
                decays.append(torch.full_like(buffer, 1 - norm.momentum, dtype=torch.float64))
    device = decays[-1].device
    return buffers, torch.cat([decay.flatten().to(device) for decay in decays])


def _copy(count: Tensor | None) -> Tensor | None:
    return None if count is None else count.clone()


def _flatten(buffers: Sequence[Tensor]) -> Tensor:
    return torch.cat([buffer.double().flatten() for buffer in buffers])

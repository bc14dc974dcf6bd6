"""Training shared among processes, such as torchrun starts: one for each GPU, or some on CPUs.

Each process draws its share of the episodes of a step and passes them through the network one by
one, so that batch norm sees one episode at a time, as it does in one process; the gradients are
then averaged over all processes (`torch.nn.parallel.DistributedDataParallel`), and what batch norm
remembers is brought to what one process would (`SharedNorms`). So all processes have the same
learner at all times: the one that a single process learns from the same steps, up to the order of
sums.
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

from darksound.errors import SettingsError, WorkerError
from darksound.meta.device import resolve_device
from darksound.meta.steps import Pass, Regime, Step
from darksound.parallel.workers import ProcessRank
from darksound.settings import ComputeSettings, TrainingSettings

__all__ = ["Crew", "SharedNorms", "SharedRegime", "current_crew", "joined"]


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


T = TypeVar("T")

# The first process makes images while the others wait; where one dies, torchrun ends the others.
_PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Crew:
    """The processes that train together, as one of them sees it; one alone is a crew too.

    Attributes:
        rank: of this process, from 0.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    def own(self, count: int) -> range:
        """Which of `count` things are this process's share: consecutive ones, in order of ranks."""
        return range(self._begin(self.rank, count), self._begin(self.rank + 1, count))

    def _begin(self, rank: int, count: int) -> int:
        return rank * count // self.size

    def all_of(self, own: Sequence[T]) -> list[T]:
        """What the processes have of the things that `own` shared out, in the things' order."""
        if self.size == 1:
            return list(own)
        shares: list[list[T]] = [[] for _ in range(self.size)]
        dist.all_gather_object(shares, list(own))
        return [one for share in shares for one in share]

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` gives in the first process, in each of them; only there it is called."""
        if self.size == 1:
            return make()
        told: list[T | None] = [make() if self.rank == 0 else None]
        dist.broadcast_object_list(told, src=0)
        (value,) = told
        return value  # type: ignore[return-value]  # None is what T may be

    @contextmanager
    def first_then_others(self) -> Iterator[None]:
        """A block that the first process passes before the others begin it."""
        if self.size > 1 and self.rank > 0:
            dist.barrier()
        yield
        if self.size > 1 and self.rank == 0:
            dist.barrier()

    def mean(self, done: Pass) -> Pass:
        """What all processes' shares of a pass come to; the same in each."""
        if self.size == 1:
            return done
        loss, accuracy, images, seconds = torch.tensor(
            self.all_of([(done.loss, done.accuracy, done.images, done.seconds)]),
            dtype=torch.float64,
        ).T
        return Pass(
            float(loss.mean()), float(accuracy.mean()), int(images.sum()), float(seconds.max())
        )

    def tasks_a_step(self, training: TrainingSettings) -> int:
        """Episodes or batches whose gradients make one step.

        Raises:
            SettingsError: fewer than there are processes.
        """
        wanted = training.episodes_per_step
        if wanted == "auto":
            return self.size
        if wanted < self.size:
            raise SettingsError(
                f"training.episodes_per_step is {wanted}, and {self.size} processes share a step; "
                f"give each at least one, or start fewer processes."
            )
        return wanted


class SharedRegime:
    """A regime each step of which is several steps of another one, shared by a crew.

    The mean of all processes' gradients is the gradient of the mean loss of all tasks of a step;
    task `t` of step `i` of `n` tasks is task `i * n + t` of the regime.

    Args:
        regime: what is shared.
        tasks: its steps that make one of these.
        crew: who share them.
    """

    def __init__(self, regime: Regime, tasks: int, crew: Crew) -> None:
        self._regime, self._tasks, self._own = regime, tasks, crew.own(tasks)
        self._forward: nn.Module = _Steps(regime, tasks / crew.size)
        self._agreed: Callable[[], AbstractContextManager[None]] = nullcontext
        if crew.size > 1:
            # What a learner has and a loss does not reach keeps no gradient, as in one process.
            self._forward = DistributedDataParallel(self._forward, find_unused_parameters=True)
            own = len(self._own)
            self._agreed = SharedNorms(regime.module, own, tasks - self._own.stop, tasks).agreed

    @property
    def module(self) -> nn.Module:
        """All that is optimised."""
        return self._regime.module

    def step(self, *counters: int) -> Step:
        """This process's share of a step."""
        *before, number = counters
        own = [(*before, number * self._tasks + task) for task in self._own]
        with self._agreed():
            return Step(*self._forward(own))


class _Steps(nn.Module):
    """Several steps of a regime as one module's forward pass."""

    def __init__(self, regime: Regime, share: float) -> None:
        super().__init__()
        self.module = regime.module
        self._step, self._share = regime.step, share

    def forward(self, counters: Sequence[tuple[int, ...]]) -> tuple[Tensor, float, int]:
        """The sum of losses and of accuracies over the mean number of tasks of a process."""
        steps = [self._step(*own) for own in counters]
        loss = torch.stack([step.loss for step in steps]).sum() / self._share
        accuracy = sum(step.accuracy for step in steps) / self._share
        return loss, accuracy, sum(step.images for step in steps)


def current_crew() -> Crew:
    """The processes of torch's default group, or this one alone."""
    if not dist.is_available() or not dist.is_initialized():
        return Crew()
    return Crew(dist.get_rank(), dist.get_world_size())


@contextmanager
def joined(place: ProcessRank, compute: ComputeSettings) -> Iterator[Crew]:
    """The crew of the processes that torchrun started, each with a GPU of its own if they use any.

    Args:
        place: of this process; how it reaches the others, torchrun has told torch.
        compute: where it runs.

    Raises:
        SettingsError: there are fewer GPUs than processes.
        WorkerError: another process ended before its time.
    """
    on_gpu = resolve_device(compute)[0].type == "cuda"
    if on_gpu:
        _take_gpu(place)
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield current_crew()
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise WorkerError(
            f"Another of the {place.size} processes ended before its time ({error}); what it said "
            f"tells why. Go on with --resume."
        ) from error
    dist.destroy_process_group()


def _take_gpu(place: ProcessRank) -> None:
    count = torch.cuda.device_count()
    if place.local_rank >= count:
        raise SettingsError(
            f"This machine offers torch {count} GPUs, and process {place.local_rank + 1} of it "
            f"wants one; start as many processes as there are GPUs, or use --device cpu."
        )
    torch.cuda.set_device(place.local_rank)

"""A batch that passes a network in pieces, so that training is the same for any number of threads.

Each piece of a batch passes a replica of the network, forward and backward, in a thread of its own
whose operations use one thread each. Batch norm uses the statistics of the whole batch, for which
the pieces wait for each other, and gradients are summed in the order of the pieces. So every number
is computed by the same operations in the same order, however many threads work at a time.
"""

import threading
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, finalize

import joblib
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from darksound.parallel.threads import thread_pool, usable_threads
from darksound.parallel.workers import keep_freed_memory

__all__ = ["count_pieces", "run_in_pieces"]

# Smallest piece, on average, and largest number of pieces. Smaller pieces cost more operations.
_PIECE_ROWS, _MAX_PIECES = 12, 8

_Run = Callable[[Any, Tensor], Tensor]


def run_in_pieces(module: nn.Module, run: _Run, x: Tensor) -> Tensor:
    """Return `run(module, x)`, computed in pieces on a CPU where gradients are computed.

    The number of pieces depends on the size of the batch alone: the largest power of two that
    leaves 12 rows a piece, at most 8. As many pieces as `usable_threads` are computed at a time,
    and all where that is the number of cores.

    Args:
        module: the network. Its rows depend on each other by batch norm only, and it draws no
            random numbers.
        run: passes rows through a module like `module`, such as its method.
        x: `(b, ...)`.

    Returns:
        `(b, ...)`, row i of row i of `x`.
    """
    n_pieces = count_pieces(len(x))
    if n_pieces == 1 or x.device.type != "cpu" or not torch.is_grad_enabled():
        return run(module, x)
    parameters = list(module.parameters())
    result: Tensor = _InPieces.apply(_team_of(module, n_pieces), module, run, x, *parameters)
    return result


def count_pieces(n_rows: int) -> int:
    """Return the number of pieces of a batch of so many rows."""
    n_pieces = 1
    while n_pieces < _MAX_PIECES and 2 * n_pieces * _PIECE_ROWS <= n_rows:
        n_pieces *= 2
    return n_pieces


class _AbortedError(Exception):
    """Ends a piece because another one failed."""


class _Meeting:
    """Exchange of values among pieces, of which a limited number works at a time.

    Args:
        size: number of pieces.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: list[Any] = [None] * size
        self._changed = threading.Condition()
        self.open(size)

    def open(self, usable: int) -> None:
        """Begin a pass of all pieces, `usable` of which work at a time."""
        self._slots = threading.Semaphore(usable)
        self._n_present, self._round, self._result, self._failed = 0, 0, None, False

    def attend(self, work: Callable[[], Any]) -> Any:
        """Return the result of `work`, which is one piece's part of a pass."""
        with self._slots:
            try:
                return work()
            except BaseException:
                with self._changed:
                    self._failed = True
                    self._changed.notify_all()
                raise

    def exchange(self, rank: int, value: Any, combine: Callable[[list[Any]], Any]) -> Any:
        """Return `combine` of the values of all pieces, in order, once all have called this."""
        with self._changed:
            self._values[rank] = value
            self._n_present += 1
            current = self._round
            if self._n_present == self._size:
                self._result = combine(self._values)
                self._n_present = 0
                self._round += 1
                self._changed.notify_all()
                return self._result
            self._slots.release()
            self._changed.wait_for(lambda: self._round != current or self._failed)
            # The next exchange cannot end before this piece takes part in it.
            result, is_complete = self._result, self._round != current
        self._slots.acquire()
        if not is_complete:
            raise _AbortedError
        return result


class _Team:
    """Replicas of a module that share its parameters and buffers, and a thread for each.

    Args:
        module: to replicate.
        size: number of replicas.
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        self.size = size
        self.lock = threading.Lock()
        self.meeting = _Meeting(size)
        self.pool = thread_pool(size, "piece")
        self.replicas = [_replicate(module) for _ in range(size)]
        for rank, replica in enumerate(self.replicas):
            for part in replica.modules():
                if isinstance(part, _BatchNorm):
                    part.forward = partial(_batch_norm, part, rank, self.meeting)  # type: ignore[method-assign]

    def follow(self, module: nn.Module) -> None:
        """Give all replicas the tensors and the mode of the module, which may have changed."""
        for replica in self.replicas:
            for part, copy in zip(module.modules(), replica.modules(), strict=True):
                copy.training = part.training
                copy._buffers.update(part._buffers)
                for name, parameter in part._parameters.items():
                    own = copy._parameters[name]
                    if parameter is not None and own is not None:
                        own.data = parameter.data
                        own.requires_grad_(parameter.requires_grad)

    def map(self, work: Callable[[int], Any]) -> list[Any]:
        """Return `work(rank)` of all ranks, in order.

        Raises:
            Exception: of the first piece that failed.
        """
        usable = usable_threads()
        # Where all cores may be used, the system shares them better than a limit does.
        self.meeting.open(self.size if usable >= joblib.cpu_count() else usable)
        jobs = [partial(work, rank) for rank in range(self.size)]
        futures = [self.pool.submit(self.meeting.attend, job) for job in jobs]
        errors = [future.exception() for future in futures]
        failures = [error for error in errors if error is not None]
        if failures:
            raise next((e for e in failures if not isinstance(e, _AbortedError)), failures[0])
        return [future.result() for future in futures]


_teams: WeakKeyDictionary[nn.Module, dict[int, _Team]] = WeakKeyDictionary()
_teams_lock = threading.Lock()


def _team_of(module: nn.Module, size: int) -> _Team:
    with _teams_lock:
        teams = _teams.setdefault(module, {})
        if size not in teams:
            keep_freed_memory()
            teams[size] = _Team(module, size)
            finalize(module, teams[size].pool.shutdown, wait=False)
        return teams[size]


def _replicate(module: nn.Module) -> nn.Module:
    shared: dict[int, Any] = {
        id(parameter): nn.Parameter(parameter.detach(), parameter.requires_grad)
        for parameter in module.parameters()
    }
    shared |= {id(buffer): buffer for buffer in module.buffers()}
    return deepcopy(module, shared)


class _InPieces(torch.autograd.Function):
    """`run_in_pieces` as one operation, whose gradients are computed in pieces too."""

    @staticmethod
    def forward(
        ctx: Any, team: _Team, module: nn.Module, run: _Run, x: Tensor, *parameters: Tensor
    ) -> Tensor:
        needs_gradients = any(ctx.needs_input_grad)
        is_reduced, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
        inputs = [part.detach() for part in torch.tensor_split(x, team.size)]

        def work(rank: int) -> Tensor:
            with (
                torch.set_grad_enabled(needs_gradients),
                torch.autocast("cpu", dtype=dtype, enabled=is_reduced),
            ):
                inputs[rank].requires_grad_(x.requires_grad)
                return run(team.replicas[rank], inputs[rank])

        with team.lock:
            team.follow(module)
            ctx.outputs = team.map(work)
        ctx.team, ctx.inputs, ctx.x_needs_gradient = team, inputs, x.requires_grad
        return torch.cat([output.detach() for output in ctx.outputs])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        team: _Team = ctx.team
        parts = torch.split(gradient, [len(output) for output in ctx.outputs])
        outputs, ctx.outputs = ctx.outputs, None

        def work(rank: int) -> tuple[Tensor | None, ...]:
            leaves = [p for p in team.replicas[rank].parameters() if p.requires_grad]
            if ctx.x_needs_gradient:
                leaves.append(ctx.inputs[rank])
            return torch.autograd.grad(outputs[rank], leaves, parts[rank], allow_unused=True)

        with team.lock:
            gradients = team.map(work)
        of_x = torch.cat([piece[-1] for piece in gradients]) if ctx.x_needs_gradient else None
        # The gradient of x, if any, comes last and is not summed.
        sums = map(_sum, zip(*gradients, strict=True))
        # Arguments that need no gradient have none; x is the first tensor.
        of_parameters = [next(sums) if needed else None for needed in ctx.needs_input_grad[4:]]
        return None, None, None, of_x, *of_parameters


def _sum(gradients: tuple[Tensor | None, ...]) -> Tensor | None:
    """Return the sum in the order of the pieces; None if the parameter is not used."""
    used = [gradient for gradient in gradients if gradient is not None]
    if not used:
        return None
    total = used[0] + used[1]
    for gradient in used[2:]:
        total += gradient
    return total


def _batch_norm(norm: _BatchNorm, rank: int, meeting: _Meeting, x: Tensor) -> Tensor:
    """Return batch norm of a piece; in training mode with the statistics of all pieces."""
    if not norm.training and norm.running_mean is not None:
        return type(norm).forward(norm, x)
    result: Tensor = _JointBatchNorm.apply(x, norm.weight, norm.bias, norm, rank, meeting)
    return result


class _JointBatchNorm(torch.autograd.Function):
    """Batch norm of one piece with the statistics of all (Ioffe and Szegedy 2015, section 3)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        norm: _BatchNorm,
        rank: int,
        meeting: _Meeting,
    ) -> Tensor:
        # Running statistics that are not used define the precision of the results.
        unused = torch.zeros(2, x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))
        mean, variance = torch.batch_norm_update_stats(x, unused[0], unused[1], 0.0)
        count = x.numel() // x.shape[1]
        n, mean, variance = meeting.exchange(rank, (count, mean, variance), _join_statistics)
        if rank == 0:
            _update_running_statistics(norm, n, mean, variance)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.constants = norm.eps, n, rank, meeting
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=norm.eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        eps, n, rank, meeting = ctx.constants
        # With given statistics, the gradient is that without the terms by which they depend on x.
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, eps, [True, True, True]
        )
        joint_weight, joint_bias = meeting.exchange(rank, (of_weight, of_bias), _add_pairs)
        factor = (variance + eps).rsqrt() / -n
        if weight is not None:
            factor = factor * weight
        of_x += F.batch_norm(
            x, mean, variance, factor * joint_weight, factor * joint_bias, training=False, eps=eps
        )
        has_parameters = weight is not None
        return (
            of_x,
            of_weight if has_parameters else None,
            of_bias if has_parameters else None,
            None,
            None,
            None,
        )


def _join_statistics(pieces: list[tuple[int, Tensor, Tensor]]) -> tuple[int, Tensor, Tensor]:
    """Return number, mean and variance of all values (Chan et al. 1979, eq. 2.1)."""
    counts, means, variances = zip(*pieces, strict=True)
    n = sum(counts)
    share = torch.tensor(counts, dtype=torch.float64)[:, None] / n
    means_64 = torch.stack(means).double()
    mean = (share * means_64).sum(0)
    variance = (share * (torch.stack(variances) + (means_64 - mean).square())).sum(0)
    return n, mean.to(means[0].dtype), variance.to(means[0].dtype)


def _add_pairs(pieces: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    first, second = (torch.stack(values).sum(0) for values in zip(*pieces, strict=True))
    return first, second


def _update_running_statistics(norm: _BatchNorm, n: int, mean: Tensor, variance: Tensor) -> None:
    if norm.running_mean is None or norm.running_var is None:
        return
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked += 1
    momentum = norm.momentum
    if momentum is None:
        assert norm.num_batches_tracked is not None  # it is a buffer of the running statistics
        momentum = 1 / float(norm.num_batches_tracked)
    norm.running_mean.lerp_(mean, momentum)
    norm.running_var.lerp_(variance * (n / (n - 1)), momentum)

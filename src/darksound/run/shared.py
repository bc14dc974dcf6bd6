"""A run of several processes: rank 0 writes the run directory, the others a temporary one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from darksound.errors import SettingsError, WorkerError
from darksound.meta.distributed import ProcessGroup, open_process_group
from darksound.parallel.workers import ProcessRank
from darksound.run.directory import Request, Run, open_run
from darksound.run.manifest import Manifest
from darksound.settings import Settings

__all__ = ["SHARED_COMMANDS", "open_shared_run"]

#: Commands that several processes can execute together.
SHARED_COMMANDS = frozenset({"train"})

_RunState = tuple[Manifest, Settings] | None


@contextmanager
def open_shared_run(request: Request, rank: ProcessRank | None) -> Iterator[Run]:
    """Open a run in each of the processes that torchrun started.

    Args:
        request: the same in all processes.
        rank: rank of this process; None for a single process.

    Yields:
        In rank 0 the run; in the others a run in a temporary folder, with the same manifest and
        settings.

    Raises:
        InputError, RunError: see `open_run`.
        SettingsError: the command runs in one process only, or there are fewer GPUs than
            processes.
        WorkerError: another process ended early, or rank 0 could not open the run.
    """
    if rank is None:
        with open_run(request) as run:
            yield run
        return
    if request.command not in SHARED_COMMANDS:
        raise SettingsError(
            f"darksound {request.command} runs in one process; start it without torchrun."
        )
    with (
        open_process_group(rank, request.settings.compute) as group,
        _open_first(request, group) if group.rank == 0 else _open_other(group) as run,
    ):
        yield run


@contextmanager
def _open_first(request: Request, group: ProcessGroup) -> Iterator[Run]:
    with ExitStack() as stack:
        state: _RunState = None
        try:
            run = stack.enter_context(open_run(request))
            state = run.manifest, run.settings
        finally:
            # The others wait for this message, also where the run could not be opened.
            group.broadcast(lambda: state)
        yield run


@contextmanager
def _open_other(group: ProcessGroup) -> Iterator[Run]:
    state = group.broadcast(_no_state)
    if state is None:
        raise WorkerError("Rank 0 could not open the run; see its message.")
    with TemporaryDirectory(prefix="darksound-") as folder:
        yield Run(Path(folder), *state)


def _no_state() -> _RunState:
    return None

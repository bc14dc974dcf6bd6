"""A run that several processes work on: the first keeps it, the others have none of their own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from darksound.errors import SettingsError, WorkerError
from darksound.meta.distributed import Crew, joined
from darksound.parallel.workers import Place
from darksound.run.directory import Request, Run, open_run
from darksound.run.manifest import Manifest
from darksound.settings import Settings

__all__ = ["SHARED", "open_together"]

#: Commands that several processes may share.
SHARED = frozenset({"train"})

_Told = tuple[Manifest, Settings] | None


@contextmanager
def open_together(request: Request, place: Place | None) -> Iterator[Run]:
    """The run that was asked for, in each of the processes that torchrun started.

    Args:
        request: the same in all.
        place: of this process among them; None where it is alone.

    Yields:
        In the first process the run; in the others one in a folder that vanishes, with the same
        manifest and settings.

    Raises:
        InputError, RunError: see `open_run`.
        SettingsError: no other process can help this command, or there are fewer GPUs than
            processes.
        WorkerError: another process ended before its time, or the first could not open the run.
    """
    if place is None:
        with open_run(request) as run:
            yield run
        return
    if request.command not in SHARED:
        raise SettingsError(
            f"darksound {request.command} runs in one process; start it without torchrun."
        )
    with (
        joined(place, request.settings.compute) as crew,
        _kept(request, crew) if crew.rank == 0 else _followed(crew) as run,
    ):
        yield run


@contextmanager
def _kept(request: Request, crew: Crew) -> Iterator[Run]:
    with ExitStack() as stack:
        told: _Told = None
        try:
            run = stack.enter_context(open_run(request))
            told = run.manifest, run.settings
        finally:
            # Where there is no run, the others must not wait for one.
            crew.from_first(lambda: told)
        yield run


@contextmanager
def _followed(crew: Crew) -> Iterator[Run]:
    told = crew.from_first(_nothing)
    if told is None:
        raise WorkerError("The first process could not open the run; it says why.")
    with TemporaryDirectory(prefix="darksound-") as folder:
        yield Run(Path(folder), *told)


def _nothing() -> _Told:
    return None

"""How every command goes: settings, a run, the job, its results, and an exit status."""

import errno
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from darksound.cli.options import CommonOptions, DataOptions, RunOptions
from darksound.errors import DarksoundError
from darksound.parallel.workers import Place
from darksound.progress import duration

if TYPE_CHECKING:
    from darksound.cli.screen import Screen
    from darksound.jobs.base import Outcome
    from darksound.progress import Progress
    from darksound.run.directory import Run
    from darksound.settings import Settings

__all__ = ["Status", "endings", "perform", "place_among_processes", "settings_from", "show"]


def place_among_processes(environment: Mapping[str, str]) -> Place | None:
    """Which of torchrun's processes this is, as it says in the environment; None where alone."""
    if "TORCHELASTIC_RUN_ID" not in environment or environment["WORLD_SIZE"] == "1":
        return None
    return Place(*(int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))


# What the system refuses and a person can mend, wherever it comes up.
_MENDABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


class Status:
    """Exit statuses beyond 0, which is done."""

    OUR_FAULT = 1
    REFUSED = 2
    LEFT_OUT = 3
    INTERRUPTED = 130
    TERMINATED = 143


def perform(
    command: str,
    job: Callable[["Run", "Progress"], "Outcome"],
    common: CommonOptions,
    run: RunOptions,
    data: DataOptions,
    *groups: Mapping[str, Any],
    checkpoint: Path | None = None,
    target: Path | None = None,
    review: Path | None = None,
) -> None:
    """Open the run that was asked for, do the job in it, and show what came out.

    Args:
        command: the command's name.
        job: what it does.
        common, run, data: its options.
        groups: settings that its other options stand for, nested.
        checkpoint: the learner that it was given.
        target: a file that its result goes to, instead of the run directory.
        review: the review of an earlier run that it was given.

    Raises:
        typer.Exit: with the status of the command, where that is not 0.
    """
    began = time.monotonic()
    with endings(common) as ending:
        from darksound.run.directory import Request
        from darksound.run.manifest import Inputs
        from darksound.run.shared import open_together

        request = Request(
            command=command,
            settings=settings_from(common, data.flags(), *groups),
            inputs=Inputs(
                tuple(data.data or ()),
                *(None if p is None else str(p) for p in (data.root, checkpoint, target, review)),
            ),
            out=run.out,
            resume=run.resume,
            argv=tuple(sys.argv[1:]),
        )
        with open_together(request, place_among_processes(os.environ)) as opened:
            log = ending.run(command, opened.path)
            if opened.done:
                ending.screen.say(f"The run in {opened.path} is finished; nothing is left to do.")
                return
            with ending.screen.at_work(log) as progress:
                outcome = job(opened, progress)
        ending.screen.remark(f"Done in {duration(time.monotonic() - began)}.")
        show(outcome, ending.screen)


def show(outcome: "Outcome", screen: "Screen") -> None:
    """Show what came out.

    Raises:
        typer.Exit: with `Status.LEFT_OUT` if inputs were left out.
    """
    screen.tables(outcome.tables)
    screen.text(outcome.sentence)
    if outcome.problems:
        raise typer.Exit(Status.LEFT_OUT)


def settings_from(common: CommonOptions, *groups: Mapping[str, Any]) -> "Settings":
    """The settings in force; see `darksound.settings.load_settings`.

    Raises:
        SettingsError: as there.
    """
    from darksound.settings import load_settings
    from darksound.settings.section import merge

    flags: dict[str, Any] = {}
    for group in (common.flags(), *groups):
        flags = merge(flags, group)
    return load_settings(
        preset=common.preset or "default",
        config=common.config,
        environment=os.environ,
        assignments=common.assignments or (),
        flags=flags,
    )


class _Ending:
    """What the last words of a command need to know."""

    def __init__(self, screen: "Screen") -> None:
        self.screen = screen
        self.log: Path | None = None
        self.resume: str | None = None

    def run(self, command: str, path: Path) -> Path:
        """Note the run that is under way; its log is the answer."""
        self.log = path / "run.log"
        self.resume = f"darksound {command} --resume --out {shlex.quote(str(path))}"
        return self.log


@contextmanager
def endings(common: CommonOptions) -> Iterator[_Ending]:
    """Show what is logged meanwhile, and turn whatever ends the block into an exit status.

    Raises:
        typer.Exit: if the block raised, with the status that stands for it.
    """
    from darksound.cli.screen import screen_of

    screen = screen_of(place_among_processes(os.environ), common.verbose, common.quiet)
    ending = _Ending(screen)
    with screen.logging(), _terminable():
        try:
            yield ending
        except (typer.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            screen.say(_interrupted(ending))
            raise typer.Exit(Status.INTERRUPTED) from None
        # The outermost place there is: nothing that arrives here may end in a bare traceback.
        except Exception as error:
            raise typer.Exit(_failed(error, ending)) from None


def _failed(error: Exception, ending: _Ending) -> int:
    """Say what went wrong; the exit status for it."""
    screen = ending.screen
    if isinstance(error, DarksoundError):
        screen.error(str(error))
        return Status.REFUSED
    if isinstance(error, OSError) and error.errno in _MENDABLE:
        screen.error(f"{error.strerror}: {error.filename or 'while writing'}.")
        return Status.REFUSED
    if screen.verbose:
        screen.traceback()
    screen.error(_our_fault(error, ending))
    return Status.OUR_FAULT


def _interrupted(ending: _Ending) -> str:
    return f"Interrupted. Go on with: {ending.resume}" if ending.resume else "Interrupted."


def _our_fault(error: Exception, ending: _Ending) -> str:
    where = f" The log is {ending.log}." if ending.log is not None and ending.log.exists() else ""
    more = "" if ending.screen.verbose else " Run it again with -v to see where."
    return (
        f"darksound failed, which is its own fault: {type(error).__name__}: {error}.{where}{more}"
    )


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a polite termination close the run, as an interrupt does."""

    def leave(*_: object) -> None:
        raise SystemExit(Status.TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

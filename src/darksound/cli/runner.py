"""Run a command: load settings, open a run, call the job, print its result, set the exit status."""

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

from darksound.cli.checks import check_data, check_files, check_names
from darksound.cli.options import CommonOptions, DataOptions, Flags, RunOptions
from darksound.errors import DarksoundError
from darksound.progress import duration
from darksound.system_errors import (
    WRITING_ERRORS,
    out_of_memory,
    reading_error,
    writing_error,
)
from darksound.text import valid_text

if TYPE_CHECKING:
    from darksound.cli.screen import Screen
    from darksound.jobs.base import JobResult
    from darksound.parallel.workers import ProcessRank
    from darksound.progress import Progress
    from darksound.run.directory import Run
    from darksound.settings import Settings

__all__ = [
    "ExitStatus",
    "handle_errors",
    "load_cli_settings",
    "process_rank",
    "run_job",
    "show_result",
]


class ExitStatus:
    """Exit statuses other than 0."""

    INTERNAL_ERROR = 1
    USER_ERROR = 2
    INPUTS_SKIPPED = 3
    INTERRUPTED = 130
    TERMINATED = 143


def process_rank(environment: Mapping[str, str]) -> "ProcessRank | None":
    """Return the rank of this process among those of torchrun; None for a single process."""
    if "TORCHELASTIC_RUN_ID" not in environment or environment["WORLD_SIZE"] == "1":
        return None
    from darksound.parallel.workers import ProcessRank

    return ProcessRank(*(int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))


def run_job(
    command: str,
    job: Callable[["Run", "Progress"], "JobResult"],
    common: CommonOptions,
    run: RunOptions,
    data: DataOptions,
    *flags: Flags,
    checkpoint: Path | None = None,
    target: Path | None = None,
    review: Path | None = None,
    check: Callable[["Settings"], None] | None = None,
) -> None:
    """Open or resume a run, execute a job in it, and print the result.

    Args:
        command: name of the command.
        job: the function that does the work.
        common, run, data: options of the command.
        flags: settings of its other options.
        checkpoint: trained learner to start from.
        target: file to write the result to, instead of the run directory.
        review: review of an earlier run.
        check: raises an error for settings that this command cannot use.

    Raises:
        typer.Exit: with the exit status, if it is not 0.
    """
    start = time.monotonic()
    with handle_errors(common) as state:
        settings = load_cli_settings(common, run.flags(), data.flags(), *flags)
        check_names(settings)
        if check is not None:
            check(settings)
        check_data(data.data or ())
        check_files(checkpoint, review, data.sites)
        # Imported after the checks, because this import takes seconds.
        from darksound.run.directory import Request
        from darksound.run.manifest import Inputs
        from darksound.run.shared import open_shared_run

        request = Request(
            command=command,
            settings=settings,
            inputs=Inputs(
                tuple(data.data or ()),
                *(None if p is None else str(p) for p in (data.root, checkpoint, target, review)),
            ),
            out=run.out,
            resume=run.resume,
            argv=tuple(map(valid_text, sys.argv[1:])),
        )
        with open_shared_run(request, process_rank(os.environ)) as opened:
            state.log = opened.path / "run.log"
            state.resume = f"darksound {command} --resume --out {shlex.quote(str(opened.path))}"
            if opened.done:
                state.screen.message(f"The run in {opened.path} is finished; nothing to do.")
                return
            with state.screen.progress_with_log(state.log) as progress:
                result = job(opened, progress)
        state.screen.info(f"Done in {duration(time.monotonic() - start)}.")
        show_result(result, state.screen)


def show_result(result: "JobResult", screen: "Screen") -> None:
    """Print the result of a job.

    Raises:
        typer.Exit: with `ExitStatus.INPUTS_SKIPPED` if inputs were skipped.
    """
    screen.tables(result.tables)
    for line in result.message.splitlines():
        screen.result(line)
    warning = result.warning
    if warning is not None:
        screen.warning(warning)
        raise typer.Exit(ExitStatus.INPUTS_SKIPPED)


def load_cli_settings(common: CommonOptions, *flags: Flags) -> "Settings":
    """Return the settings from preset, config file, environment and options.

    Raises:
        SettingsError: see `darksound.settings.load_settings`.
    """
    from darksound.settings import load_settings
    from darksound.settings.section import merge

    merged: dict[str, Any] = {}
    for group in (common.flags(), *flags):
        merged = merge(merged, group)
    return load_settings(
        preset=common.preset or "default",
        config=common.config,
        environment=os.environ,
        assignments=common.assignments or (),
        flags=merged,
    )


class _CommandState:
    """What the last message of a command refers to.

    Attributes:
        screen: where messages are printed.
        log: log file of the run, if there is one.
        resume: how to resume the command, if it is possible.
    """

    def __init__(self, screen: "Screen") -> None:
        self.screen = screen
        self.log: Path | None = None
        self.resume: str | None = None

    @property
    def how_to_resume(self) -> str:
        """Return how to resume as a sentence that follows another one."""
        return "" if self.resume is None else f" Resume with: {self.resume}"


@contextmanager
def handle_errors(common: CommonOptions) -> Iterator[_CommandState]:
    """Print log messages during the block, and turn its exceptions into exit statuses.

    Yields:
        The state of the command.

    Raises:
        typer.Exit: with the status of the exception that the block raised.
    """
    from darksound.cli.screen import make_screen

    screen = make_screen(process_rank(os.environ), common.verbose, common.quiet)
    state = _CommandState(screen)
    with screen.logging(), _exit_on_signals():
        try:
            yield state
        except (typer.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            screen.message(f"Interrupted.{state.how_to_resume}")
            raise typer.Exit(ExitStatus.INTERRUPTED) from None
        except _Terminated:
            screen.message(f"Terminated.{state.how_to_resume}")
            raise typer.Exit(ExitStatus.TERMINATED) from None
        # The outermost handler: no exception may end in a traceback.
        except Exception as error:
            raise typer.Exit(_report_error(error, state)) from None


def _report_error(error: Exception, state: _CommandState) -> int:
    """Print an error; return its exit status."""
    screen = state.screen
    if isinstance(error, DarksoundError):
        screen.error(str(error))
        return ExitStatus.USER_ERROR
    if isinstance(error, OSError) and error.errno is not None:
        screen.error(_system_error(error))
        return ExitStatus.USER_ERROR
    if out_of_memory(error):
        screen.error(
            f"Memory ran out ({str(error).partition(chr(10))[0] or 'no size is known'}); close "
            "other programs, use fewer ROIs at a time, or lower --workers or "
            f"compute.batch_size.{state.how_to_resume}"
        )
        return ExitStatus.USER_ERROR
    if screen.verbose:
        screen.traceback()
    screen.error(_internal_error(error, state))
    return ExitStatus.INTERNAL_ERROR


def _internal_error(error: Exception, state: _CommandState) -> str:
    text = f"internal error: {type(error).__name__}: {error}."
    if state.log is not None and state.log.exists():
        text += f" The log is {state.log}."
    return text if state.screen.verbose else f"{text} Run it again with -v for a traceback."


def _system_error(error: OSError) -> str:
    """Return an error of the operating system that no other part has explained."""
    path = Path(os.fsdecode(error.filename)) if error.filename else None
    if error.errno in WRITING_ERRORS:
        return f"Cannot write: {writing_error(path or Path(), error)}."
    if path is None:
        return f"{reading_error(Path(), error)}."
    return f"{path}: {reading_error(path, error)}."


class _Terminated(SystemExit):
    """The system, a batch system or a closed terminal ended the process."""


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Close the run where the process is terminated or its terminal is closed."""

    def exit_process(*_: object) -> None:
        raise _Terminated(ExitStatus.TERMINATED)

    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # A process that nohup started ignores the end of its terminal.
    handled = [each for each in signals if signal.getsignal(each) is not signal.SIG_IGN]
    previous = [signal.signal(each, exit_process) for each in handled]
    try:
        yield
    finally:
        for each, handler in zip(handled, previous, strict=True):
            signal.signal(each, handler)

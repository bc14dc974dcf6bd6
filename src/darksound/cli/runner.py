"""Run a command: load settings, open a run, call the job, print its result, set the exit status."""

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

from darksound.cli.options import CommonOptions, DataOptions, Flags, RunOptions
from darksound.errors import DarksoundError
from darksound.progress import duration
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

# Errors of the operating system that the user can fix, wherever they occur.
_USER_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


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

    Raises:
        typer.Exit: with the exit status, if it is not 0.
    """
    start = time.monotonic()
    with handle_errors(common) as state:
        settings = load_cli_settings(common, data.flags(), *flags)
        _check_names(settings)
        # Imported after the check, because this import takes seconds.
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
    screen.result(result.message)
    if result.n_skipped:
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


def _check_names(settings: "Settings") -> None:
    """Check the names of registries' entries, before anything heavy is imported.

    Raises:
        SettingsError: a name is unknown; the message lists the known ones.
    """
    from darksound.cluster.clusterers import CLUSTERERS
    from darksound.cluster.reducers import REDUCERS
    from darksound.meta.backbones import family_path
    from darksound.meta.learners import learner_path
    from darksound.settings import check_name_or_path

    learner_path(settings.learner)
    family_path(settings.backbone)
    reducer, clusterer = settings.reduction.method, settings.clustering.method
    check_name_or_path("reduction.method", reducer, ("auto", *REDUCERS), "fit_transform")
    check_name_or_path("clustering.method", clusterer, ("auto", *CLUSTERERS), "fit_predict")


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
    with screen.logging(), _exit_on_sigterm():
        try:
            yield state
        except (typer.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            how = f" Resume with: {state.resume}" if state.resume else ""
            screen.message(f"Interrupted.{how}")
            raise typer.Exit(ExitStatus.INTERRUPTED) from None
        # The outermost handler: no exception may end in a traceback.
        except Exception as error:
            raise typer.Exit(_report_error(error, state)) from None


def _report_error(error: Exception, state: _CommandState) -> int:
    """Print an error; return its exit status."""
    screen = state.screen
    if isinstance(error, DarksoundError):
        screen.error(str(error))
        return ExitStatus.USER_ERROR
    if isinstance(error, OSError) and error.errno in _USER_ERRNOS:
        screen.error(f"{error.strerror}: {error.filename or 'while writing'}.")
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


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Close the run on SIGTERM, as on an interrupt."""

    def exit_process(*_: object) -> None:
        raise SystemExit(ExitStatus.TERMINATED)

    previous = signal.signal(signal.SIGTERM, exit_process)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

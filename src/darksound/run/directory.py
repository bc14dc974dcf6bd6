"""A run's directory: made, found again, locked, and closed with how it ended."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
from filelock import Timeout

from darksound.atomic import acquire_lock, remove_leftovers, write_text
from darksound.errors import DarksoundError, RunError
from darksound.rois.roi_set import Problem
from darksound.run.files import write_csv
from darksound.run.journal import Journal, kept_log
from darksound.run.manifest import Inputs, Manifest, now, read_manifest, versions, write_manifest
from darksound.run.resuming import absolute, agreed_inputs, agreed_settings, with_absolute_file
from darksound.settings import Settings, load_settings, to_toml

__all__ = ["RUNS", "Request", "Run", "lock_folder", "open_run", "write_problems"]

#: Where runs go that were given no directory, relative to the working directory.
RUNS = Path("runs")
logger = logging.getLogger(__name__)
# What may be there before a run has read its data.
_FIRST = ("run.json", "settings.toml", "journal.jsonl", "run.log", "review-given.csv", ".lock")


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        command: such as `mec`.
        settings: all settings; those that were set explicitly are held against a resumed run's.
        inputs: what to work on; on resuming, what is left out is the run's own.
        out: the run directory; None: a new one below `RUNS`, or with `resume` the newest there.
        resume: go on with a run that was stopped.
        argv: the words of the command line, for the record.
    """

    command: str
    settings: Settings
    inputs: Inputs
    out: Path | None = None
    resume: bool = False
    argv: tuple[str, ...] = ()


class Run:
    """An open run, locked for this process.

    Attributes:
        path: its directory.
        manifest: what `run.json` says.
        settings: the settings in force; a job may replace them by `adopt_settings`.
        journal: what is done so far.
        done: whether it had ended well before it was opened; then nothing is to be written.
    """

    def __init__(self, path: Path, manifest: Manifest, settings: Settings) -> None:
        self.path = path
        self.manifest = manifest
        self.settings = settings
        self.journal = Journal(path / "journal.jsonl")
        self.done = manifest.status == "done"

    @property
    def inputs(self) -> Inputs:
        """What the run works on."""
        return self.manifest.inputs

    def adopt_settings(self, settings: Settings) -> None:
        """Put these settings in force: a checkpoint brings its own front end and learner."""
        self.settings = settings
        write_text(self.path / "settings.toml", to_toml(settings))
        self._update(settings=settings.model_dump(mode="json"), seed=settings.seed)

    def note_inputs(self, inputs: Inputs) -> None:
        """Put on record what the run works on, where that was left to a default."""
        self._update(inputs=inputs)

    def note_data(self, rois: int, fingerprint: str) -> None:
        """Put on record which ROIs the run works on.

        Raises:
            RunError: it was begun with other ROIs.
        """
        before = self.manifest.fingerprint
        if before is not None and before != fingerprint:
            raise RunError(
                f"The data of {self.path} changed since it began ({self.manifest.rois} ROIs then, "
                f"{rois} now); start a new run, or bring the files back as they were."
            )
        self._update(rois=rois, fingerprint=fingerprint)

    def note_licences(self, licences: Sequence[str]) -> None:
        """Put on record the terms of models of others that take part."""
        self._update(licences=tuple(licences))

    def note_problems(self, problems: Sequence[Problem]) -> None:
        """List the inputs that were left out in `errors.csv`; without any there is no such file."""
        write_problems(self.path / "errors.csv", problems)
        self._update(problems=len(problems))

    def _update(self, **changes: object) -> None:
        # mypy cannot see which fields a mapping names.
        self.manifest = replace(self.manifest, **changes)  # type: ignore[arg-type]
        write_manifest(self.path, self.manifest)


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write the inputs that were left out and why, as CSV; remove the file if there are none."""
    if problems:
        rows = {(p.recording, p.cause): None for p in problems}
        write_csv(path, pd.DataFrame(list(rows), columns=["recording", "cause"]))
    else:
        path.unlink(missing_ok=True)


@contextmanager
def open_run(request: Request) -> Iterator[Run]:
    """Create the run that was asked for, or find it again, and close it with how it ended.

    While the block lasts the directory is locked and log records are kept in its `run.log`. A
    block that raises leaves the run `failed`, or `interrupted` on a keyboard interrupt or exit;
    one that was refused before its data were noted leaves nothing, so that the same directory
    can be given again.

    Raises:
        InputError: the data are of a split that does not exist.
        RunError: the directory belongs to something else, to another process, to a run that is
            not to be overwritten, or, with `resume`, there is none or it contradicts the request.
    """
    request = replace(
        request,
        inputs=absolute(request.inputs),
        settings=with_absolute_file(request.settings),
    )
    was_there = request.out is not None and request.out.exists()
    path = _found(request) if request.resume else _made(request)
    with ExitStack() as stack:
        stack.enter_context(lock_folder(path))
        run = _resumed(path, request) if request.resume else _begun(path, request)
        if run.done:
            yield run
            return
        remove_leftovers(path)
        stack.enter_context(kept_log(path / "run.log"))
        run.journal.append("resumed" if request.resume else "started", argv=list(request.argv))
        try:
            yield run
        except (KeyboardInterrupt, SystemExit):
            _close(run, run.manifest.ending("interrupted"))
            raise
        except BaseException as error:
            logger.debug("The run failed.", exc_info=True)
            _close(run, run.manifest.ending("failed", _reason(error)))
            if isinstance(error, DarksoundError) and run.manifest.rois is None:
                stack.callback(_forget, path, was_there)
            raise
        _close(run, run.manifest.ending("done"))


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder for this process while the block lasts.

    Raises:
        RunError: another process works in this folder, or it cannot be written to.
    """
    try:
        lock = acquire_lock(folder / ".lock")
    except Timeout:
        raise RunError(
            f"Another process is working in {folder}; wait for it, or give another --out."
        ) from None
    except OSError as error:
        raise RunError(f"Cannot write in {folder}: {error.strerror}.") from None
    try:
        yield
    finally:
        lock.release()


def _made(request: Request) -> Path:
    path = request.out or _unused(RUNS / f"{request.command}-{datetime.now():%Y%m%d-%H%M%S}")
    try:
        path.mkdir(parents=True, exist_ok=True)
        strangers = [p for p in path.iterdir() if p.name != ".lock"]
    except OSError as error:
        raise RunError(f"Cannot use {path} as a run directory: {error.strerror}.") from None
    if not strangers:
        return path
    manifest = read_manifest(path)
    if manifest is None:
        raise RunError(f"{path} is not empty and holds no darksound run; give another --out.")
    if manifest.status == "done":
        raise RunError(f"{path} holds a finished {manifest.command} run; give another --out.")
    raise RunError(
        f"{path} holds a {manifest.command} run that was not finished; go on with --resume, or "
        f"give another --out."
    )


def _unused(path: Path) -> Path:
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate


def _found(request: Request) -> Path:
    if request.out is not None:
        manifest = read_manifest(request.out)
        if manifest is None:
            raise RunError(f"There is no run in {request.out} to resume; leave --resume out.")
        if manifest.command != request.command:
            raise RunError(
                f"{request.out} holds a {manifest.command} run, not a {request.command} run; "
                f"resume it with darksound {manifest.command} --resume --out {request.out}."
            )
        return request.out
    runs = [
        (manifest.started, path)
        for path in sorted(RUNS.glob("*/"))
        if (manifest := _manifest_or_none(path)) and manifest.command == request.command
    ]
    if not runs:
        raise RunError(
            f"There is no {request.command} run in {RUNS.resolve()} to resume; give its directory "
            f"with --out."
        )
    return max(runs)[1]


def _manifest_or_none(path: Path) -> Manifest | None:
    """The manifest of a run among others, where what is none must not be in the way."""
    with suppress(RunError):
        return read_manifest(path)
    return None


def _begun(path: Path, request: Request) -> Run:
    manifest = Manifest(
        command=request.command,
        argv=request.argv,
        inputs=request.inputs,
        settings=request.settings.model_dump(mode="json"),
        seed=request.settings.seed,
        versions=versions(),
        started=now(),
    )
    write_text(path / "settings.toml", to_toml(request.settings))
    write_manifest(path, manifest)
    return Run(path, manifest, request.settings)


def _resumed(path: Path, request: Request) -> Run:
    manifest = read_manifest(path)
    if manifest is None:
        raise RunError(f"{path / 'run.json'} is gone; start a new run.")
    stored = load_settings(config=path / "settings.toml")
    settings = agreed_settings(request.settings, stored, path)
    inputs = agreed_inputs(request.inputs, manifest.inputs, path)
    run = Run(path, replace(manifest, inputs=inputs), settings)
    if not run.done:
        run.manifest = replace(
            run.manifest,
            status="running",
            ended=None,
            error=None,
            times_resumed=manifest.times_resumed + 1,
        )
        write_manifest(path, run.manifest)
    return run


def _close(run: Run, manifest: Manifest) -> None:
    run.manifest = manifest
    write_manifest(run.path, manifest)
    run.journal.append(manifest.status, error=manifest.error)


def _forget(path: Path, was_there: bool) -> None:
    for name in _FIRST:
        (path / name).unlink(missing_ok=True)
    if not was_there:
        with suppress(OSError):  # something else lies in it
            path.rmdir()
            if path.parent == RUNS:
                RUNS.rmdir()


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, DarksoundError) else f"{type(error).__name__}: {error}"

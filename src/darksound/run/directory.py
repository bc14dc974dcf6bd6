"""The run directory: create or find it, lock it, and record how the run ended."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from darksound.atomic import claiming, remove_leftovers, write_text
from darksound.errors import DarksoundError, RunError
from darksound.rois.roi_set import Problem
from darksound.run.creation import LOCK, SAVING_FILE, create_directory, is_unused, lock_folder
from darksound.run.files import PROBLEMS_FILE, write_problems
from darksound.run.journal import Journal, log_to_file
from darksound.run.manifest import (
    MANIFEST_FILE,
    Inputs,
    Manifest,
    now,
    numeric_differences,
    read_manifest,
    versions,
    write_manifest,
)
from darksound.run.resuming import (
    SETTINGS_FILE,
    check_inputs,
    digest,
    read_settings,
    resume_settings,
    with_absolute_inputs,
    with_absolute_model,
)
from darksound.settings import Settings, to_toml
from darksound.text import text_path

__all__ = [
    "RUNS",
    "Request",
    "Run",
    "open_run",
]

#: Parent of runs without --out, relative to the working directory.
RUNS = Path("runs")
logger = logging.getLogger(__name__)
# Files that may exist before a run has read its data.
_INITIAL_FILES = (
    MANIFEST_FILE,
    SETTINGS_FILE,
    "journal.jsonl",
    "run.log",
    "review-given.csv",
    LOCK,
)


@dataclass(frozen=True)
class Request:
    """A request for a run.

    Attributes:
        command: such as `mec`.
        settings: all settings; on resuming, those that were set must equal the run's.
        inputs: the inputs; on resuming, those that are given must equal the run's.
        out: the run directory; None: a new one below `RUNS`, or with `resume` the newest there.
        resume: resume an unfinished run.
        argv: arguments of the command line, for the manifest.
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
        path: the run directory.
        manifest: the content of `run.json`.
        settings: the settings of the run; `update_settings` replaces them.
        journal: the journal.
        done: whether the run was finished before it was opened; then nothing may be written.
    """

    def __init__(self, path: Path, manifest: Manifest, settings: Settings) -> None:
        self.path = path
        self.manifest = manifest
        self.settings = settings
        self.journal = Journal(path / "journal.jsonl")
        # That of another rank has no manifest.
        self._has_manifest = (path / MANIFEST_FILE).exists()
        self.done = manifest.status == "done"

    @property
    def inputs(self) -> Inputs:
        """Return the inputs of the run."""
        return self.manifest.inputs

    def update_settings(self, settings: Settings) -> None:
        """Replace the settings, such as by those of a checkpoint, and record them."""
        self.settings = settings
        # Before settings.toml, which is written again from it after a kill.
        before, changed = self.manifest.settings, settings.model_dump(mode="json")
        self._update(settings=changed, seed=settings.seed, previous_settings=digest(before))
        write_text(self.path / SETTINGS_FILE, to_toml(settings))

    def check_exists(self) -> None:
        """Check that the directory is still the one that the run started in.

        Raises:
            RunError: it was removed or moved.
        """
        if self._has_manifest and not (self.path / MANIFEST_FILE).exists():
            raise RunError(
                f"{self.path} was removed or moved while the run was working, so the run is lost; "
                f"remove what is left of it, and start the run again."
            )

    def record_inputs(self, inputs: Inputs) -> None:
        """Record the inputs, where they are a default."""
        self._update(inputs=inputs)

    def record_data(self, rois: int, fingerprint: str, recorded_s: float | None = None) -> None:
        """Record the number of ROIs, their fingerprint and the length of their recordings.

        Raises:
            RunError: the run was started with other ROIs.
        """
        before = self.manifest.fingerprint
        if before is not None and before != fingerprint:
            raise RunError(
                f"The data of {self.path} changed since it started ({self.manifest.rois} ROIs "
                f"then, {rois} now); start a new run, or restore the files."
            )
        self._update(rois=rois, fingerprint=fingerprint, recorded_s=recorded_s)

    def record_machine(self, machine: dict[str, str]) -> None:
        """Record what computes; on resuming, warn if it gives other last digits than before.

        Args:
            machine: as `darksound.meta.device.describe_machine` returns it.
        """
        if not self.manifest.machine:
            self._update(machine=machine)
            return
        current = replace(self.manifest, versions=versions(), machine=machine)
        differing = numeric_differences(self.manifest, current)
        if differing:
            logger.warning(
                "The run was started with something else than this (%s); results can differ in "
                "their last digits, and so in their clusters, from those without the stop.",
                "; ".join(differing),
            )

    def record_licences(self, licences: Sequence[str]) -> None:
        """Record the licences of third-party models that are used."""
        self._update(licences=tuple(licences))

    def record_left_out(self, rois: int) -> None:
        """Record how many ROIs the settings leave out."""
        self._update(left_out=rois)

    def record_problems(self, problems: Sequence[Problem]) -> None:
        """List skipped inputs in `errors.csv`; there is no such file where there are none."""
        write_problems(self.path / PROBLEMS_FILE, problems)
        self._update(problems=len(problems))

    def _update(self, **changes: object) -> None:
        self.check_exists()
        # mypy cannot check the fields of a mapping.
        self.manifest = replace(self.manifest, **changes)  # type: ignore[arg-type]
        write_manifest(self.path, self.manifest)


@contextmanager
def open_run(request: Request) -> Iterator[Run]:
    """Create or resume a run, and record how it ended.

    Within the block the directory is locked and log records are written to its `run.log`. An
    exception sets the status to `failed`, a keyboard interrupt or exit to `interrupted`. If the
    request is refused before the data were recorded, the files are removed, so that the same
    directory can be used again.

    Yields:
        The run.

    Raises:
        InputError: a data source does not exist, such as a split.
        RunError: the directory is not empty, is in use by another process, holds a run that
            must not be overwritten, or, with `resume`, holds no run or contradicts the request.
    """
    request = replace(
        request,
        inputs=with_absolute_inputs(request.inputs),
        settings=with_absolute_model(request.settings),
    )
    existed = request.out is not None and request.out.exists()
    with ExitStack() as stack:
        if not request.resume:
            # Before the directory, so that a refused run leaves none.
            stack.enter_context(_claimed(request.inputs))
        path = _find_directory(request) if request.resume else _new_directory(request)
        stack.enter_context(lock_folder(path))
        run = _resume(path, request) if request.resume else _start(path, request)
        if run.done:
            yield run
            return
        if request.resume:
            stack.enter_context(_claimed(run.inputs))
        remove_leftovers(path)
        stack.enter_context(log_to_file(path / "run.log"))
        run.journal.append("resumed" if request.resume else "started", argv=list(request.argv))
        try:
            yield run
        except (KeyboardInterrupt, SystemExit):
            with suppress(RunError):
                _close(run, run.manifest.ending("interrupted"))
            raise
        except BaseException as error:
            logger.debug("The run failed.", exc_info=True)
            # On a full disk this fails too, and the first error is the one to report.
            with suppress(RunError):
                _close(run, run.manifest.ending("failed", _error_text(error)))
            if isinstance(error, Exception):
                # Without the directory, its absence is the cause.
                run.check_exists()
            if isinstance(error, DarksoundError) and run.manifest.rois is None:
                stack.callback(_remove_initial_files, path, existed)
            raise
        _close(run, run.manifest.ending("done"))


def _claimed(inputs: Inputs) -> AbstractContextManager[None]:
    """Reserve the file that the result is written to, if it is not in the run directory."""
    return nullcontext() if inputs.target is None else claiming(text_path(inputs.target))


def _new_directory(request: Request) -> Path:
    path = request.out or _unused(RUNS / f"{request.command}-{datetime.now():%Y%m%d-%H%M%S}")
    create_directory(path)
    return path


def _unused(path: Path) -> Path:
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate


def _find_directory(request: Request) -> Path:
    if request.out is not None:
        manifest = read_manifest(request.out)
        if manifest is None:
            raise RunError(f"There is no run in {request.out} to resume; omit --resume.")
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
    # A directory among the runs that is not a run is skipped.
    with suppress(RunError):
        return read_manifest(path)
    return None


def _start(path: Path, request: Request) -> Run:
    # Another process may have used the directory before this one locked it.
    if not is_unused(path):
        create_directory(path)
    (path / SAVING_FILE).unlink(missing_ok=True)
    manifest = Manifest(
        command=request.command,
        argv=request.argv,
        inputs=request.inputs,
        settings=request.settings.model_dump(mode="json"),
        seed=request.settings.seed,
        versions=versions(),
        started=now(),
    )
    # The manifest first: from then on the run can be resumed, since it holds the settings too.
    write_manifest(path, manifest)
    write_text(path / SETTINGS_FILE, to_toml(request.settings))
    return Run(path, manifest, request.settings)


def _resume(path: Path, request: Request) -> Run:
    manifest = read_manifest(path)
    if manifest is None:
        raise RunError(f"{path / MANIFEST_FILE} is missing; start a new run.")
    stored = read_settings(path, manifest)
    settings = resume_settings(request.settings, stored, path)
    inputs = check_inputs(request.inputs, manifest.inputs, path)
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
    run.check_exists()
    run.manifest = manifest
    write_manifest(run.path, manifest)
    run.journal.append(manifest.status, error=manifest.error)


def _remove_initial_files(path: Path, existed: bool) -> None:
    for name in _INITIAL_FILES:
        (path / name).unlink(missing_ok=True)
    if not existed:
        with suppress(OSError):  # other files are in it
            path.rmdir()
            if path.parent == RUNS:
                RUNS.rmdir()


def _error_text(error: BaseException) -> str:
    return str(error) if isinstance(error, DarksoundError) else f"{type(error).__name__}: {error}"

"""Errors that the user can fix.

Every message says what is wrong, where, and what to do. The command line prints the message without
a traceback and exits with status 2. Any other exception is an internal error with exit status 1,
unless one recording alone causes it: `failure_cause` makes a line of `errors.csv` of it.
"""

import logging
import traceback
from pathlib import Path

__all__ = [
    "CheckpointError",
    "DarksoundError",
    "DownloadError",
    "InputError",
    "RunError",
    "SettingsError",
    "WorkerError",
    "failure_cause",
]

logger = logging.getLogger(__name__)


class DarksoundError(Exception):
    """An error that the user can fix; the base class of all errors of this package.

    Examples:
        >>> import darksound as ds
        >>> try:
        ...     ds.mec("recordings/2023")
        ... except ds.DarksoundError as error:
        ...     print(str(error).partition(". ")[0])
        There is no data 'recordings/2023': no file or folder of that name
    """


class SettingsError(DarksoundError):
    """A setting is unknown, has a value that is not allowed, or contradicts another setting.

    Examples:
        >>> import darksound as ds
        >>> try:
        ...     ds.Settings(seed=-1)
        ... except ds.SettingsError as error:
        ...     print(error)
        seed cannot be -1: input should be greater than or equal to 0.
    """


class InputError(DarksoundError):
    """A file, table, folder or class cannot be used as input.

    Examples:
        >>> import darksound as ds
        >>> try:
        ...     ds.load_rois("demo:spring")
        ... except ds.InputError as error:
        ...     print(error)
        There is no demo 'demo:spring'; there are demo:train, demo:val and demo:test (demo alone
        is demo:test).
    """


class CheckpointError(DarksoundError):
    """A checkpoint or weights file cannot be loaded, or does not match the network.

    Examples:
        >>> import darksound as ds
        >>> try:
        ...     ds.embed("demo:val", "no-such.safetensors")
        ... except ds.CheckpointError as error:
        ...     print(error)
        There is no checkpoint no-such.safetensors.
    """


class RunError(DarksoundError):
    """A run directory cannot be created, resumed, read or written.

    Examples:
        >>> import darksound as ds
        >>> try:
        ...     ds.read_run("no-such-run")
        ... except ds.RunError as error:
        ...     print(error)
        no-such-run/run.json is missing: no-such-run is not a run; name the directory that
        darksound mec wrote.
    """


class DownloadError(DarksoundError):
    """A published data set cannot be downloaded, verified or unpacked.

    Examples:
        >>> import darksound as ds
        >>> settings = ds.Settings().replace(
        ...     download={"offline": True}, compute={"data_dir": "sets"}
        ... )
        >>> try:
        ...     ds.download("darksound-2023:test", settings=settings)
        ... except ds.DownloadError as error:
        ...     print(str(error).partition(",")[0])
        darksound-2023:test is missing or damaged
    """


class WorkerError(DarksoundError):
    """A worker process or a Dask cluster is not available, or died.

    Examples:
        >>> import darksound as ds
        >>> try:
        ...     raise ds.WorkerError("A worker died; see its log.")
        ... except ds.DarksoundError as error:
        ...     print(error)
        A worker died; see its log.
    """


def failure_cause(subject: object, error: Exception) -> str:
    """Return why one recording is left out, whatever its processing raised.

    The message of an `InputError` or `SettingsError` is the cause. Any other exception is
    unexpected: the cause has its name and the line of this package where it occurred, since a
    worker process loses the traceback, which is logged at debug level.

    Args:
        subject: the recording, or a part of it, as the first words of the cause.
        error: the exception.

    Raises:
        DarksoundError: the error concerns more than this recording, such as a full disk.
    """
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, SettingsError):
        return f"{subject}: {error}"
    if isinstance(error, DarksoundError):
        raise error
    logger.debug("%s failed.", subject, exc_info=error)
    name = type(error).__name__
    text = " ".join(str(error).split()).rstrip(".")
    text = f"{name}: {text}" if text else name
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(Path(__file__).parent)
    ]
    at = f" at {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
    return f"{subject}: cannot be processed ({text}{at}); leave it out."

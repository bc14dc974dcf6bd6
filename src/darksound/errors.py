"""Errors that the user can fix.

Every message says what is wrong, where, and what to do. The command line prints the message without
a traceback and exits with status 2. Any other exception is an internal error with exit status 1.
"""

__all__ = [
    "CheckpointError",
    "DarksoundError",
    "DownloadError",
    "InputError",
    "RunError",
    "SettingsError",
    "WorkerError",
]


class DarksoundError(Exception):
    """An error that the user can fix; the base class of all errors of this package."""


class SettingsError(DarksoundError):
    """A setting is unknown, has a value that is not allowed, or contradicts another setting."""


class InputError(DarksoundError):
    """A file, table, folder or class cannot be used as input."""


class CheckpointError(DarksoundError):
    """A checkpoint or weights file cannot be loaded, or does not match the network."""


class RunError(DarksoundError):
    """A run directory cannot be created, resumed, read or written."""


class DownloadError(DarksoundError):
    """A published data set cannot be downloaded, verified or unpacked."""


class WorkerError(DarksoundError):
    """A worker process or a Dask cluster is not available, or died."""

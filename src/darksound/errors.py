"""What goes wrong, in sentences.

Every message says what is wrong, where, and what to do about it. The command line prints the
message alone and exits with 2; anything that is not a `DarksoundError` is our fault and exits 1.
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
    """Something the user can mend; the message says how."""


class SettingsError(DarksoundError):
    """A setting is unknown, impossible, or contradicts another one."""


class InputError(DarksoundError):
    """A file, table, folder or class cannot be used as it is."""


class CheckpointError(DarksoundError):
    """A checkpoint or weights file cannot be loaded, or does not fit what it is used for."""


class RunError(DarksoundError):
    """A run directory cannot be created, resumed or read."""


class DownloadError(DarksoundError):
    """A published set cannot be fetched, unpacked or verified."""


class WorkerError(DarksoundError):
    """Other processes that share the work are not there, cannot do it, or died of it."""

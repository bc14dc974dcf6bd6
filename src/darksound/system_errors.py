"""Errors of the operating system as sentences: which disk, folder or right is wrong, what to do."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from darksound.errors import DarksoundError, InputError
from darksound.progress import format_bytes

__all__ = [
    "WRITING_ERRORS",
    "cause_by_system",
    "check_readable",
    "out_of_memory",
    "reading_error",
    "writing_error",
]

# Network disks and memory cards that are gone. Some systems lack some of these numbers.
_DISK_IS_GONE = {
    getattr(errno, name)
    for name in (
        "ESTALE",
        "ENOTCONN",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "ENETUNREACH",
        "ETIMEDOUT",
        "EREMOTEIO",
        "ENODEV",
        "ENXIO",
        "ENOMEDIUM",
    )
    if hasattr(errno, name)
}
_NO_PERMISSION = {errno.EACCES, errno.EPERM}
#: Errors that occur in writing only.
WRITING_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_IN_USE = {errno.EBUSY, getattr(errno, "ETXTBSY", errno.EBUSY)}
# Libraries in Rust and C++ give the number of an error in the text of theirs.
_NUMBER = re.compile(r"(?:os error|code:|errno) (\d+)", re.IGNORECASE)
# Errors of a program, not of a disk.
_OF_PROGRAMS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)
# Enough to need a block of the disk of its own.
_PROBE_BYTES = 1 << 16


def check_readable(path: Path, error: Exception, kind: type[DarksoundError] = InputError) -> None:
    """Raise an error if it is the system, not the content of a file, that prevents its reading.

    Called where a library could not read a file, before the file is said to be damaged: many
    libraries have the same words for a file without a right to read it and for a damaged one.

    Args:
        path: the file or folder.
        error: what the library raised.
        kind: type of the error.

    Raises:
        DarksoundError: of type `kind`; the message names the cause and what to do.
    """
    cause = cause_by_system(error)
    if cause is None or cause.errno is None:
        cause = _opening_error(path)
    if cause is None:
        return
    name = Path(os.fsdecode(cause.filename)) if _has_path(cause) else path
    raise kind(f"{name}: {reading_error(name, cause)}.") from None


def reading_error(path: Path, error: OSError) -> str:
    """Return why a file or folder cannot be read, and what to do, without a full stop.

    Args:
        path: what was read, for the message.
        error: the error that the system reported.
    """
    if error.errno in _NO_PERMISSION:
        return f"no permission to read {_unreadable(path)}; give this user the right to read it"
    if error.errno == errno.ENOENT:
        return "there is no such file or folder; correct the path"
    if error.errno == errno.EIO:
        return (
            "the disk reports a read error; copy the file again from its source, and check the "
            "disk or card"
        )
    return _common(path, error)


def writing_error(path: Path, error: OSError, option: str | None = "--out") -> str:
    """Return why a file or folder cannot be written, and what to do, without a full stop.

    Args:
        path: what was written.
        error: the error that the system reported.
        option: option or setting that names another folder; None for a call from Python.
    """
    folder = _existing(path if path.is_dir() else path.parent)
    other = "choose another folder" if option is None else f"choose another folder with {option}"
    if error.errno == errno.ENOSPC:
        return f"{_full_disk(folder)}, or {other}"
    if error.errno == errno.EDQUOT:
        return (
            f"the disk quota of this user on the disk of {folder} is used up; delete files, or "
            f"{other}"
        )
    if error.errno == errno.EFBIG:
        return (
            f"the file would be larger than the disk of {folder} or a limit of this process "
            f"(ulimit -f) allows; {other}"
        )
    if error.errno == errno.EROFS:
        return f"the disk of {folder} is read-only; {other}"
    if error.errno in _NO_PERMISSION:
        return (
            f"no permission to write in {folder}; give this user the right to write there, or "
            f"{other}"
        )
    if error.errno == errno.EIO:
        return f"the disk of {folder} reports a write error; check the disk, or {other}"
    if error.errno in (errno.EEXIST, errno.EISDIR):
        return f"a file or folder of that name is in the way; {other}"
    if error.errno == errno.ENOENT:
        return f"the folder {path.parent} does not exist; create it, or {other}"
    return _common(path, error)


def cause_by_system(error: BaseException, folder: Path | None = None) -> OSError | None:
    """Return the error of the system behind an exception of a library; None if there is none.

    Libraries that write files report a full disk in types and words of their own. Where neither
    these nor the causes of the exception have the number of an error, a small file is written.

    Args:
        error: the exception.
        folder: the folder in which a file was written; None where none was.
    """
    for part in _chain(error):
        if isinstance(part, OSError) and part.errno is not None:
            return part
        found = _NUMBER.search(str(part))
        if found:
            number = int(found[1])
            return OSError(number, os.strerror(number))
    if isinstance(error, _OF_PROGRAMS):
        return None
    failed = None if folder is None else _probe(folder)
    return error if failed is None and isinstance(error, OSError) else failed


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception, of whatever library, says that memory ran out."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    name, text = type(error).__name__, str(error)
    return name in ("OutOfMemoryError", "ArrowMemoryError") or (
        isinstance(error, RuntimeError)
        and ("can't allocate memory" in text or "not enough memory" in text)
    )


def _opening_error(path: Path) -> OSError | None:
    """Return the error of opening a file or listing a folder; None where that succeeds."""
    try:
        if path.is_dir():
            os.listdir(path)
        else:
            path.open("rb").close()
    except OSError as error:
        return error
    except ValueError:  # Python's own, as the system is not even asked
        return OSError(errno.EINVAL, "no file has a NUL character in its name")
    return None


def _has_path(error: OSError) -> bool:
    return isinstance(error.filename, str | bytes) and bool(error.filename)


def _common(path: Path, error: OSError) -> str:
    """Return the cause and remedy of errors that reading and writing share."""
    number = error.errno
    for numbers, sentence in _COMMON:
        if number in numbers:
            return sentence(path)
    # Errors that libraries raise have no number, and a text of their own.
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:].rstrip(".")


def _full_disk(folder: Path) -> str:
    free = shutil.disk_usage(folder).free
    # Windows has neither this function nor a limit on the number of files.
    if hasattr(os, "statvfs"):
        status = os.statvfs(folder)
        if status.f_files and not status.f_favail:
            return f"the disk of {folder} cannot hold more files (no free inodes); delete some"
    return f"the disk of {folder} is full ({format_bytes(free)} free); free some space"


def _not_a_folder(path: Path) -> str:
    file = next((part for part in reversed(path.parents) if part.is_file()), path)
    return f"{file} is a file, not a folder; correct the path"


def _too_many_files(path: Path) -> str:
    limit = ""
    with suppress(ImportError):  # on Windows
        import resource

        limit = f" (the limit is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]})"
    return f"too many files are open{limit}; raise the limit with ulimit -n, or lower --workers"


_COMMON: tuple[tuple[set[int], Callable[[Path], str]], ...] = (
    ({errno.ENOTDIR}, _not_a_folder),
    ({errno.EMFILE, errno.ENFILE}, _too_many_files),
    ({errno.EISDIR}, lambda path: "it is a folder, not a file; correct the path"),
    (
        {errno.ENAMETOOLONG},
        lambda path: "its name or path is too long for this system; give it a shorter name",
    ),
    ({errno.ELOOP}, lambda path: "its symbolic links form a loop; correct them"),
    ({errno.ENOMEM}, lambda path: "memory ran out; close other programs, or lower --workers"),
    (_IN_USE, lambda path: "another program uses it; close that program"),
    (
        _DISK_IS_GONE,
        lambda path: "the disk does not answer; connect the network disk or the card again",
    ),
)


def _unreadable(path: Path) -> str:
    """Return the folder that cannot be entered, or `it` where that is the path itself."""
    for folder in reversed(path.absolute().parents):
        if folder.is_dir() and not os.access(folder, os.X_OK):
            return f"the folder {folder}"
    return "it"


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    for candidate in (folder, *folder.absolute().parents):
        try:
            if candidate.is_dir():
                return candidate
        except OSError:  # such as a name that is too long
            continue
    return Path(folder.anchor or ".")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _probe(folder: Path) -> OSError | None:
    """Return the error of writing a small file in a folder; None where that succeeds."""
    probe = folder / f".probe.{os.getpid()}.part"
    try:
        with probe.open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return None

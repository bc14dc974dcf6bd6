"""Free memory and disk space, and checks that a run fits in them."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from darksound.errors import RunError

__all__ = [
    "check_disk",
    "check_memory",
    "folder_size",
    "format_bytes",
    "free_disk",
    "free_memory",
]

# Limit and usage of memory that containers and batch systems set, by control groups version 2 and
# 1. psutil reports the machine's memory alone.
_CGROUP_FILES = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
_OVERRIDE = "or skip this check with --set compute.preflight_check=false"


def free_memory() -> int:
    """Return the bytes of memory that this process can still use.

    This is the available memory of the machine, or what the limit of a container leaves of it.
    """
    free = int(psutil.virtual_memory().available)
    for limit, usage in _CGROUP_FILES:
        try:
            free = min(free, int(limit.read_text()) - int(usage.read_text()))
        except (OSError, ValueError):  # no container, or one without a limit ("max")
            continue
    return max(free, 0)


def free_disk(folder: Path) -> int:
    """Return the bytes that can be written in a folder, which need not exist yet."""
    return int(psutil.disk_usage(str(_existing(folder))).free)


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder; 0 where it does not exist."""
    size = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            # Another process may be renaming or removing files.
            with suppress(FileNotFoundError):
                size += os.stat(os.path.join(directory, name)).st_size
    return size


def check_memory(activity: str, needed: float, remedy: str) -> None:
    """Raise an error if an activity needs more memory than is free.

    Args:
        activity: subject of the message, such as "Clustering 1,000,000 ROIs".
        needed: bytes.
        remedy: what the user can do, in the imperative.

    Raises:
        RunError: the memory is too small.
    """
    free = free_memory()
    if needed > free:
        raise RunError(
            f"{activity} needs about {format_bytes(needed)} of memory, and {format_bytes(free)} "
            f"are free; {remedy}, {_OVERRIDE}."
        )


def check_disk(activity: str, needed: Mapping[Path, float], remedy: str) -> None:
    """Raise an error if an activity writes more than the disks of its folders can hold.

    Args:
        activity: subject of the message.
        needed: bytes by folder; folders on one disk are added up.
        remedy: what the user can do, in the imperative.

    Raises:
        RunError: a disk is too small.
    """
    by_disk: dict[int, float] = {}
    for folder, amount in needed.items():
        disk = os.stat(_existing(folder)).st_dev
        by_disk[disk] = by_disk.get(disk, 0) + amount
        free = free_disk(folder)
        if by_disk[disk] > free:
            raise RunError(
                f"{activity} needs about {format_bytes(by_disk[disk])} on the disk of {folder}, "
                f"and {format_bytes(free)} are free; {remedy}, {_OVERRIDE}."
            )


def format_bytes(amount: float) -> str:
    """Return a number of bytes as text for messages, such as "12.3 GB"."""
    if amount < 1e6:
        return "less than 1 MB"
    return f"{amount / 1e6:.0f} MB" if amount < 1e9 else f"{amount / 1e9:.1f} GB"


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    absolute = folder.resolve()
    return next(path for path in (absolute, *absolute.parents) if path.exists())

"""How much memory and disk there is, and a refusal of what cannot fit."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from darksound.errors import RunError

__all__ = ["folder_size", "free_disk", "free_memory", "refuse_disk", "refuse_memory", "said"]

# What the kernel tells, and the limits that containers and batch systems set (version 2, 1).
_MEMORY = Path("/proc/meminfo")
_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
_GO_ON = "or go on anyway with --set compute.preflight_check=false"


def free_memory() -> int | None:
    """Bytes that this process may still take; None where the system does not tell.

    On Linux what is available, at most what a container leaves; elsewhere all that there is.
    """
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
    except OSError:
        return _all_memory()
    fields = dict(line.split(":", 1) for line in lines)
    free = int(fields["MemAvailable"].split()[0]) * 1024
    for limit, used in _LIMITS:
        try:
            free = min(free, int(limit.read_text()) - int(used.read_text()))
        except (OSError, ValueError):  # no container, or one without a limit ("max")
            continue
    return max(free, 0)


def _all_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def free_disk(folder: Path) -> int:
    """Bytes that can be written in a folder, which need not be there yet."""
    return shutil.disk_usage(_there(folder)).free


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where it is not there."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            # Another process may be renaming or removing files.
            with suppress(FileNotFoundError):
                size += os.stat(os.path.join(place, name)).st_size
    return size


def refuse_memory(what: str, needed: float, remedy: str) -> None:
    """Refuse what needs more memory than is free.

    Args:
        what: is to be done, such as "Clustering 1,000,000 ROIs".
        needed: bytes.
        remedy: what can be done about it, as an imperative.

    Raises:
        RunError: it does not fit.
    """
    free = free_memory()
    if free is not None and needed > free:
        raise RunError(
            f"{what} needs about {said(needed)} of memory, and {said(free)} are free; {remedy}, "
            f"{_GO_ON}."
        )


def refuse_disk(what: str, needed: Mapping[Path, float], remedy: str) -> None:
    """Refuse what needs more room in folders than their disks have.

    Args:
        what: is to be done.
        needed: bytes in each folder; those of one disk are added up.
        remedy: what can be done about it, as an imperative.

    Raises:
        RunError: it does not fit.
    """
    disks: dict[int, float] = {}
    for folder, amount in needed.items():
        disk = os.stat(_there(folder)).st_dev
        disks[disk] = disks.get(disk, 0) + amount
        free = free_disk(folder)
        if disks[disk] > free:
            raise RunError(
                f"{what} needs about {said(disks[disk])} on the disk of {folder}, and "
                f"{said(free)} are free; {remedy}, {_GO_ON}."
            )


def said(amount: float) -> str:
    """Bytes as a person says them."""
    if amount < 1e6:
        return "less than 1 MB"
    return f"{amount / 1e6:.0f} MB" if amount < 1e9 else f"{amount / 1e9:.1f} GB"


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    whole = folder.resolve()
    return next(place for place in (whole, *whole.parents) if place.exists())

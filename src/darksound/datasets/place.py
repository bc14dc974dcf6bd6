"""Putting a folder where it belongs, in one rename, without ever losing a good one."""

import os
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from darksound.datasets.marker import complete, is_pending
from darksound.datasets.space import writing

__all__ = ["heal", "is_hurt", "move_in", "settle_on_disk"]

_BEFORE = ".{name}.before-"
_KEPT = ".{name}.kept-"


def move_in(new: Path, final: Path, keep_old: bool) -> Path | None:
    """Put a folder in its place and mark it complete.

    A folder that is there already is first moved aside, and back if anything goes wrong; whoever
    is killed in between leaves it where `heal` finds it.

    Args:
        new: the folder, on the same disk, with its marker pending.
        final: its place.
        keep_old: whether what was there before holds something that nobody else has.

    Returns:
        Where what was there before was kept; None where it was not.

    Raises:
        DownloadError: the disk does not let it.
    """
    stamp = f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    before = final.with_name(_BEFORE.format(name=final.name) + stamp)
    kept = final.with_name(_KEPT.format(name=final.name) + stamp)
    with writing(final.parent):
        with suppress(OSError):  # it is not there, or not empty
            final.rmdir()
        there = final.exists()
        if there:
            os.rename(final, before)
        try:
            os.rename(new, final)
        except OSError:
            if there:
                os.rename(before, final)
            raise
        complete(final)
        if not there:
            return None
        if keep_old:
            os.rename(before, kept)
            return kept
        shutil.rmtree(before, ignore_errors=True)
    return None


def is_hurt(final: Path) -> bool:
    """Whether a killed process left something half-done with this place, or one is at it."""
    return bool(_asides(final)) or is_pending(final)


def heal(final: Path) -> None:
    """Finish or undo what a killed process began with this place.

    Raises:
        DownloadError: the disk does not let it.
    """
    asides = _asides(final)
    with writing(final.parent):
        if asides and not final.exists():
            os.rename(asides.pop(), final)
        if is_pending(final):
            complete(final)
        for aside in asides:
            shutil.rmtree(aside, ignore_errors=True)


def _asides(final: Path) -> list[Path]:
    return sorted(final.parent.glob(_BEFORE.format(name=final.name) + "*"))


def settle_on_disk(folder: Path) -> None:
    """Bring all that was written below a folder from memory to the disk."""
    if hasattr(os, "sync"):
        os.sync()
        return
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())

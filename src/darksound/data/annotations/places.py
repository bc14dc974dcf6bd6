"""Which recording an annotation belongs to."""

import re
from pathlib import Path, PureWindowsPath

from darksound.audio.files import SUFFIXES
from darksound.errors import InputError

__all__ = ["recording_beside", "recording_named"]

# `x.Table.1.selections.txt`, `x.selections.txt`, `x.BirdNET.selection.table.txt`, `x.txt`.
_ENDINGS = re.compile(
    r"(\.BirdNET)?(\.Table\.\d+)?(\.selections?)?(\.table)?(\.results)?\.txt$", re.IGNORECASE
)


def recording_beside(path: Path, folder: Path) -> Path:
    """The recording that an annotation file is named after.

    Args:
        path: of the annotation file.
        folder: where recordings are sought.

    Raises:
        InputError: there is none, or several.
    """
    stem = _ENDINGS.sub("", path.name)
    if Path(stem).suffix.lower() in SUFFIXES and (folder / stem).is_file():
        return folder / stem
    found = [
        file
        for file in sorted(folder.iterdir())
        if file.stem.casefold() == stem.casefold() and file.suffix.lower() in SUFFIXES
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"{path}: there is no recording called {stem} in {folder}.")
    names = ", ".join(file.name for file in found)
    raise InputError(f"{path}: may belong to any of {names}; leave one of them in the folder.")


def recording_named(name: str, folder: Path) -> Path:
    """The recording that an annotation names, by its path or by its name alone.

    Args:
        name: as it was written, on whatever system.
        folder: where recordings are sought.

    Raises:
        InputError: there is none.
    """
    alone = PureWindowsPath(name).name
    for place in (folder / name, folder / name.replace("\\", "/"), folder / alone):
        if place.is_file():
            return place
    below = sorted(folder.rglob(alone))
    if len(below) == 1:
        return below[0]
    several = f"; there are {len(below)} of that name below it" if below else ""
    raise InputError(f"there is no recording {name} in {folder}{several}.")

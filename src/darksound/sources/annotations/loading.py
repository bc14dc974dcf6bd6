"""Annotation files, alone or in a folder beside their recordings, as a source of ROIs."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from types import MappingProxyType

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.errors import InputError
from darksound.rois.roi_set import Problem, RoiSet, as_roi_table
from darksound.sources.annotations import Mark
from darksound.sources.annotations.audacity import is_audacity, read_audacity
from darksound.sources.annotations.raven import is_raven, read_raven
from darksound.sources.contract import Request, Source
from darksound.sources.recordings import find_recordings
from darksound.sources.tables import usable_rows
from darksound.sources.untimed import all_left_out
from darksound.store.readers import DispatchReader

__all__ = [
    "ANNOTATIONS",
    "FORMATS",
    "load_annotations",
    "read_marks",
    "recording_beside",
    "recording_named",
]

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


logger = logging.getLogger(__name__)

_SUFFIX = ".txt"
_NUMBERS = dict.fromkeys(("start_s", "end_s", "low_hz", "high_hz"), "float64")
_COLUMNS = {"line": "int64", "root": "str", "recording": "str", **_NUMBERS, "label": "str"}


@dataclass(frozen=True)
class Format:
    """A format of annotation files.

    Attributes:
        tells: whether a file is of it, from its first line.
        read: the marks of its lines; the second argument names the column of labels, or is None.
    """

    tells: Callable[[str], bool]
    read: Callable[[Sequence[str], str | None], list[Mark]]


#: Formats by name, asked in this order.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {"raven": Format(is_raven, read_raven), "audacity": Format(is_audacity, read_audacity)}
)


def read_marks(path: Path, label_column: str | None = None) -> list[Mark]:
    """What an annotation file says.

    Args:
        path: of the file.
        label_column: of a Raven table, that holds the label; None for the first usual one.

    Raises:
        InputError: the file cannot be read, or is of no known format.
    """
    lines = _lines(path)
    form = _format(lines)
    if form is None:
        raise InputError(f"{path}: neither a Raven selection table nor Audacity labels.")
    try:
        return form.read(lines, label_column)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def load_annotations(place: Path, request: Request) -> RoiSet:
    """ROIs of one annotation file, or of all in a folder and below.

    Args:
        place: the file or folder.
        request: `root` is where recordings are sought, in the folder below it that is called like
            that of their annotation file, if there is one; else beside their annotation files.

    Raises:
        InputError: there are no annotations, or none of them can be used.
    """
    place = place.resolve()
    files = [place] if place.is_file() else _below(place)
    if not files:
        raise InputError(
            f"{place}: no annotations there: Raven selection tables or Audacity labels, as .txt "
            "files beside their recordings."
        )
    parts: list[pd.DataFrame] = []
    problems: list[Problem] = []
    for file in files:
        rows, more = _rows(file, place, request)
        problems += more
        used, more, _ = usable_rows(rows, file, request)
        problems += more
        parts.append(used)
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        if problems:
            raise all_left_out(str(place), problems)
        raise InputError(f"{place}: nothing is marked there.")
    if place.is_dir():
        _tell_unannotated(place, table)
    return RoiSet(as_roi_table(table), DispatchReader(), tuple(problems))


def _rows(file: Path, place: Path, request: Request) -> tuple[pd.DataFrame, list[Problem]]:
    """Rows of one annotation file, indexed by line less 2, and what could not be placed."""
    below = place if place.is_dir() else file.parent
    folder = _home(file, below, request.root)
    roots = (below, *([] if request.root is None else [request.root.resolve()]), folder)
    rows: list[dict[str, object]] = []
    problems: list[Problem] = []
    recordings: dict[str | None, Path | InputError] = {}
    try:
        marks = read_marks(file, request.settings.rois.label_column)
    except InputError as error:
        marks, problems = [], [Problem(file.name, str(error))]
    for mark in marks:
        if mark.recording not in recordings:
            found = _recording(file, folder, mark.recording)
            recordings[mark.recording] = found
            if isinstance(found, InputError):
                problems.append(Problem(mark.recording or file.name, str(found)))
        recording = recordings[mark.recording]
        if isinstance(recording, Path):
            rows.append(_row(mark, recording, roots))
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.set_index("line"), problems


def _home(file: Path, below: Path, root: Path | None) -> Path:
    """Where a file's recordings are sought: beside it, or in the same folder below `root`."""
    if root is None:
        return file.parent
    root = root.resolve()
    same = root / file.parent.relative_to(below)
    return same if same.is_dir() else root


def _row(mark: Mark, recording: Path, roots: Sequence[Path]) -> dict[str, object]:
    root = next((r for r in roots if recording.is_relative_to(r)), recording.parent)
    return {
        "line": mark.line - 2,
        "root": str(root),
        "recording": recording.relative_to(root).as_posix(),
        "start_s": mark.start_s,
        "end_s": mark.end_s,
        "low_hz": mark.low_hz,
        "high_hz": mark.high_hz,
        "label": mark.label,
    }


def _recording(file: Path, folder: Path, name: str | None) -> Path | InputError:
    try:
        return recording_beside(file, folder) if name is None else recording_named(name, folder)
    except InputError as error:
        return error


def _below(folder: Path) -> list[Path]:
    """Annotation files in a folder and below, sorted."""
    texts = (file for file in folder.rglob("*") if file.suffix.lower() == _SUFFIX)
    return sorted(file for file in texts if file.is_file() and _is_annotation(file))


def _is_annotation(file: Path) -> bool:
    try:
        return _format(_lines(file)) is not None
    except InputError:
        return False


def _format(lines: Sequence[str]) -> Format | None:
    first = next((line for line in lines if line.strip()), "")
    return next((form for form in FORMATS.values() if form.tells(first)), None)


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        # What older programs write on Windows.
        return content.decode("cp1252", errors="replace").splitlines()


def _tell_unannotated(folder: Path, table: pd.DataFrame) -> None:
    recordings, _ = find_recordings(folder)
    without = len(set(recordings) - set(table["recording"]))
    if without:
        logger.warning(
            "%d of %d recordings in %s have no annotations and give no ROIs.",
            without,
            len(recordings),
            folder,
        )


def _matches(spec: str) -> bool:
    path = Path(spec)
    return path.suffix.lower() == _SUFFIX and path.is_file() and _is_annotation(path)


ANNOTATIONS = Source(
    written="a Raven selection table or Audacity labels (.txt)",
    matches=_matches,
    identity=lambda spec: str(Path(spec).resolve()),
    load=lambda spec, request: load_annotations(Path(spec), request),
)

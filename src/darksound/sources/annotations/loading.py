"""Load annotation files, one or all in a folder, as a source of ROIs."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.audio.names import recording_text
from darksound.errors import InputError
from darksound.rois.roi_set import TEXT_DTYPE, Problem, RoiSet, as_roi_table
from darksound.sources.annotations import Annotation
from darksound.sources.annotations.audacity import is_audacity, read_audacity
from darksound.sources.annotations.raven import is_raven, read_raven
from darksound.sources.contract import LoadOptions, Source, path_identity
from darksound.sources.listing import find_recordings
from darksound.sources.tables import usable_rows
from darksound.sources.untimed import no_usable_input
from darksound.store.readers import DispatchReader
from darksound.system_errors import reading_error
from darksound.text import path_text, text_path

__all__ = [
    "ANNOTATIONS",
    "ANNOTATION_FORMATS",
    "AnnotationFormat",
    "find_recording_by_name",
    "find_recording_of_file",
    "load_annotations",
    "read_annotations",
]

logger = logging.getLogger(__name__)

# `x.Table.1.selections.txt`, `x.selections.txt`, `x.BirdNET.selection.table.txt`, `x.txt`.
_ENDINGS = re.compile(
    r"(\.BirdNET)?(\.Table\.\d+)?(\.selections?)?(\.table)?(\.results)?\.txt$", re.IGNORECASE
)
_SUFFIX = ".txt"
_NUMBERS = dict.fromkeys(("start_s", "end_s", "low_hz", "high_hz"), "float64")
_COLUMNS = {
    "line": "int64",
    "root": TEXT_DTYPE,
    "recording": TEXT_DTYPE,
    **_NUMBERS,
    "label": TEXT_DTYPE,
}


@dataclass(frozen=True)
class AnnotationFormat:
    """A format of annotation files.

    Attributes:
        matches: return whether a file has this format, from its first line.
        read: return the annotations of a file's lines; the second argument is the name of the
            column of labels, or None.
    """

    matches: Callable[[str], bool]
    read: Callable[[Sequence[str], str | None], list[Annotation]]


#: Formats by name; the first that matches a file reads it.
ANNOTATION_FORMATS: dict[str, AnnotationFormat] = {
    "raven": AnnotationFormat(is_raven, read_raven),
    "audacity": AnnotationFormat(is_audacity, read_audacity),
}


def find_recording_of_file(path: Path, folder: Path) -> Path:
    """Return the recording that an annotation file is named after.

    Args:
        path: the annotation file.
        folder: where to search.

    Raises:
        InputError: there is no such recording, or several.
    """
    stem = _ENDINGS.sub("", path.name)
    if Path(stem).suffix.lower() in SUFFIXES and (folder / stem).is_file():
        return folder / stem
    matches = [
        file
        for file in sorted(folder.iterdir())
        if file.stem.casefold() == stem.casefold() and file.suffix.lower() in SUFFIXES
    ]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise InputError(f"{path}: there is no recording called {stem} in {folder}.")
    names = ", ".join(file.name for file in matches)
    raise InputError(f"{path}: may belong to any of {names}; leave one of them in the folder.")


def find_recording_by_name(name: str, folder: Path) -> Path:
    """Return the recording with a path or file name that an annotation gives.

    Args:
        name: path or file name, written on any operating system.
        folder: where to search.

    Raises:
        InputError: there is no such recording, or several.
    """
    file_name = PureWindowsPath(name).name
    for path in (folder / name, folder / name.replace("\\", "/"), folder / file_name):
        if path.is_file():
            return path
    matches = sorted(folder.rglob(file_name))
    if len(matches) == 1:
        return matches[0]
    several = f"; there are {len(matches)} with that name below it" if matches else ""
    raise InputError(f"there is no recording {name} in {folder}{several}.")


def read_annotations(path: Path, label_column: str | None = None) -> list[Annotation]:
    """Return the annotations of a file.

    Args:
        path: the file.
        label_column: column of the labels in a Raven table; None for the first usual one.

    Raises:
        InputError: the file cannot be read, or has no known format.
    """
    lines = _lines(path)
    annotation_format = _format_of(lines)
    if annotation_format is None:
        raise InputError(f"{path}: neither a Raven selection table nor Audacity labels.")
    try:
        return annotation_format.read(lines, label_column)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def load_annotations(path: Path, options: LoadOptions) -> RoiSet:
    """Return the ROIs of one annotation file, or of all in a folder and below.

    Args:
        path: the file or folder.
        options: recordings are searched for below its `root`, in the subfolder with the name of
            the annotation file's folder if there is one; if `root` is None, beside the annotation
            file.

    Raises:
        InputError: there are no annotations, or none can be used.
    """
    path = path.resolve()
    files = [path] if path.is_file() else _annotation_files(path)
    if not files:
        raise InputError(
            f"{path}: no annotations there; supply Raven selection tables or Audacity labels, as "
            ".txt files beside their recordings."
        )
    parts: list[pd.DataFrame] = []
    problems: list[Problem] = []
    for file in files:
        rows, file_problems = _rows(file, path, options)
        usable, row_problems, _ = usable_rows(rows, file, options)
        problems += file_problems + row_problems
        parts.append(usable)
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        if problems:
            raise no_usable_input(str(path), problems)
        raise InputError(f"{path}: has no annotations.")
    if path.is_dir():
        _warn_of_unannotated(path, table)
    return RoiSet(as_roi_table(table), DispatchReader(), tuple(problems))


def _rows(file: Path, path: Path, options: LoadOptions) -> tuple[pd.DataFrame, list[Problem]]:
    """Return rows of one annotation file, indexed by line minus 2, and its problems."""
    base = path if path.is_dir() else file.parent
    folder = _search_folder(file, base, options.root)
    roots = (base, *([] if options.root is None else [options.root.resolve()]), folder)
    rows: list[dict[str, object]] = []
    problems: list[Problem] = []
    recordings: dict[str | None, Path | InputError] = {}
    try:
        annotations = read_annotations(file, options.settings.rois.label_column)
    except InputError as error:
        annotations, problems = [], [Problem(file.name, str(error))]
    for annotation in annotations:
        name = annotation.recording
        if name not in recordings:
            recordings[name] = _recording_or_error(file, folder, name)
            if isinstance(recordings[name], InputError):
                problems.append(Problem(name or file.name, str(recordings[name])))
        recording = recordings[name]
        if isinstance(recording, Path):
            rows.append(_row(annotation, recording, roots))
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.set_index("line"), problems


def _search_folder(file: Path, base: Path, root: Path | None) -> Path:
    """Return where to search for a file's recordings: beside it, or below `root`."""
    if root is None:
        return file.parent
    root = root.resolve()
    same_subfolder = root / file.parent.relative_to(base)
    return same_subfolder if same_subfolder.is_dir() else root


def _row(annotation: Annotation, recording: Path, roots: Sequence[Path]) -> dict[str, object]:
    root = next((r for r in roots if recording.is_relative_to(r)), recording.parent)
    return {
        "line": annotation.line - 2,
        "root": path_text(root),
        "recording": recording_text(recording.relative_to(root)),
        "start_s": annotation.start_s,
        "end_s": annotation.end_s,
        "low_hz": annotation.low_hz,
        "high_hz": annotation.high_hz,
        "label": annotation.label,
    }


def _recording_or_error(file: Path, folder: Path, name: str | None) -> Path | InputError:
    try:
        if name is None:
            return find_recording_of_file(file, folder)
        return find_recording_by_name(name, folder)
    except InputError as error:
        return error


def _annotation_files(folder: Path) -> list[Path]:
    """Return the annotation files in a folder and below, sorted."""
    texts = (file for file in folder.rglob("*") if file.suffix.lower() == _SUFFIX)
    return sorted(file for file in texts if file.is_file() and _is_annotation_file(file))


def _is_annotation_file(file: Path) -> bool:
    try:
        return _format_of(_lines(file)) is not None
    except InputError:
        return False


def _format_of(lines: Sequence[str]) -> AnnotationFormat | None:
    first = next((line for line in lines if line.strip()), "")
    formats = ANNOTATION_FORMATS.values()
    return next((each for each in formats if each.matches(first)), None)


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {reading_error(path, error)}.") from None
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        # The encoding of older programs on Windows.
        return content.decode("cp1252", errors="replace").splitlines()


def _warn_of_unannotated(folder: Path, table: pd.DataFrame) -> None:
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
    path = text_path(spec)
    return path.suffix.lower() == _SUFFIX and path.is_file() and _is_annotation_file(path)


ANNOTATIONS = Source(
    syntax="a Raven selection table or Audacity labels (.txt)",
    matches=_matches,
    identity=path_identity,
    load=lambda spec, options: load_annotations(text_path(spec), options),
)

"""Load annotation files, one or all in a folder, as a source of ROIs."""

import logging
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.audio.names import recording_path, recording_text
from darksound.errors import InputError
from darksound.rois.listing import find_recordings, list_files
from darksound.rois.roi_set import TEXT_DTYPE, Problem, RoiSet, as_roi_table
from darksound.rois.text_files import read_text
from darksound.rois.text_tables import is_separator_line
from darksound.sources.annotations import Annotation, Annotations
from darksound.sources.annotations.audacity import is_audacity, read_audacity
from darksound.sources.annotations.birdnet import is_birdnet, read_birdnet
from darksound.sources.annotations.kaleidoscope import is_kaleidoscope, read_kaleidoscope
from darksound.sources.annotations.raven import is_raven, read_raven
from darksound.sources.contract import LoadOptions, Source, path_identity
from darksound.sources.finding import RecordingFinder
from darksound.sources.rows import usable_rows
from darksound.sources.untimed import no_usable_input
from darksound.store.readers import DispatchReader
from darksound.text import path_text, text_path

__all__ = [
    "ANNOTATIONS",
    "ANNOTATION_FORMATS",
    "AnnotationFormat",
    "load_annotations",
    "read_annotations",
]

logger = logging.getLogger(__name__)

# `x.Table.1.selections.txt`, `x.selections.txt`, `x.BirdNET.selection.table.txt`, `x.txt`,
# `x.BirdNET.results.csv`, `x.BirdNET.results.r.csv`.
_ENDINGS = re.compile(
    r"(\.BirdNET)?(\.Table\.\d+)?(\.selections?)?(\.table)?(\.results)?(\.r)?\.(txt|csv)$",
    re.IGNORECASE,
)
_TEXT, _CSV = ".txt", ".csv"
_KIND = "annotations"
# The start of a file that shows its format.
_SNIFFED_BYTES = 1 << 16
_NUMBERS = dict.fromkeys(("start_s", "end_s", "low_hz", "high_hz"), "float64")
_COLUMNS = {
    "place": TEXT_DTYPE,
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
        read: return the annotations of a file; the second argument is the name of the column of
            labels, or None.
        suffixes: of its files.
    """

    matches: Callable[[str], bool]
    read: Callable[[Path, str | None], Annotations]
    suffixes: tuple[str, ...] = (_TEXT,)


#: Formats by name; the first that matches a file reads it.
ANNOTATION_FORMATS: dict[str, AnnotationFormat] = {
    "raven": AnnotationFormat(is_raven, read_raven),
    "audacity": AnnotationFormat(is_audacity, read_audacity),
    "kaleidoscope": AnnotationFormat(is_kaleidoscope, read_kaleidoscope, (_CSV, _TEXT)),
    "birdnet": AnnotationFormat(is_birdnet, read_birdnet, (_CSV, _TEXT)),
}


def read_annotations(path: Path, label_column: str | None = None) -> Annotations:
    """Return the annotations of a file, and why some of its rows cannot be read.

    Args:
        path: the file.
        label_column: column of the labels in a Raven table; None for the first usual one.

    Raises:
        InputError: the file cannot be read, or has no known format.
    """
    annotation_format = _format_of(path)
    if annotation_format is None:
        raise InputError(
            f"{path_text(path)}: neither a Raven selection table, Audacity labels, nor a CSV file "
            "of Kaleidoscope or BirdNET."
        )
    try:
        return annotation_format.read(path, label_column)
    except InputError as error:
        text = str(error)
        named = text if text.startswith(path_text(path)) else f"{path_text(path)}: {text}"
        raise InputError(named) from None


def load_annotations(path: Path, options: LoadOptions) -> RoiSet:
    """Return the ROIs of one annotation file, or of all in a folder and below.

    A ROI that several tables have, or one table twice, is there once.

    Args:
        path: the file or folder.
        options: recordings are searched for below its `root`, in the subfolder with the name of
            the annotation file's folder if there is one; if `root` is None, beside the annotation
            file.

    Raises:
        InputError: there are no annotations, or none can be used.
    """
    path = path.resolve()
    problems: list[Problem] = []
    files = [path] if path.is_file() else _annotation_files(path, problems)
    if not files:
        raise InputError(
            f"{path_text(path)}: no annotations there; supply Raven selection tables or Audacity "
            "labels (.txt), or CSV files of Kaleidoscope or BirdNET, beside their recordings."
        )
    finders: dict[Path, RecordingFinder] = {}
    rows: list[dict[str, object]] = []
    without: list[tuple[str, str]] = []
    for file in files:
        file_rows, file_problems = _rows(file, path, options, finders, without)
        rows += file_rows
        problems += file_problems
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    places = table.pop("place").tolist()
    causes: pd.Series[str] = pd.Series(None, index=table.index, dtype=TEXT_DTYPE)
    used = usable_rows(table, causes, places.__getitem__, options, without)
    table = used.table
    problems += used.problems
    if table.empty:
        if problems:
            raise no_usable_input(path_text(path), problems)
        raise InputError(f"{path_text(path)}: has no annotations.")
    if path.is_dir():
        _warn_of_unannotated(path, {*table["recording"], *(name for _, name in without)})
    return RoiSet(as_roi_table(table), DispatchReader(), tuple(problems), used.effort)


def _rows(
    file: Path,
    path: Path,
    options: LoadOptions,
    finders: dict[Path, RecordingFinder],
    without: list[tuple[str, str]],
) -> tuple[list[dict[str, object]], list[Problem]]:
    """Return rows of one annotation file, and its problems.

    Root and recording of a file without annotations, in which nothing was found, are added to
    `without`.
    """
    base = path if path.is_dir() else file.parent
    folder = _search_folder(file, base, options.root)
    finder = finders.setdefault(folder, RecordingFinder(folder))
    roots = (base, *([] if options.root is None else [options.root.resolve()]), folder)
    try:
        annotations = read_annotations(file, options.settings.rois.label_column)
    except InputError as error:
        return [], [Problem(path_text(file.name), str(error))]

    def place(line: int) -> str:
        return f"{path_text(file)}, row {line}"

    rows: list[dict[str, object]] = []
    problems = [
        Problem(path_text(file.name), f"{place(line)}: {cause}; left out.")
        for line, cause in sorted(annotations.broken.items())
    ]
    if not annotations.marks and not annotations.broken:
        silent = _recording_or_error(file, finder, None)
        if isinstance(silent, Path):
            without.append(_root_and_name(silent, roots))
    recordings: dict[str | None, Path | InputError] = {}
    for annotation in annotations.marks:
        name = annotation.recording
        if name not in recordings:
            recordings[name] = found = _recording_or_error(file, finder, name)
            if isinstance(found, InputError):
                problems.append(Problem(name or path_text(file.name), str(found)))
        recording = recordings[name]
        if isinstance(recording, Path):
            row = _row(annotation, recording, roots)
            rows.append({"place": place(annotation.line), **row})
    return rows, problems


def _search_folder(file: Path, base: Path, root: Path | None) -> Path:
    """Return where to search for a file's recordings: beside it, or below `root`."""
    if root is None:
        return file.parent
    root = root.resolve()
    same_subfolder = root / file.parent.relative_to(base)
    return same_subfolder if same_subfolder.is_dir() else root


def _row(annotation: Annotation, recording: Path, roots: Sequence[Path]) -> dict[str, object]:
    root, name = _root_and_name(recording, roots)
    return {
        "root": root,
        "recording": name,
        "start_s": annotation.start_s,
        "end_s": annotation.end_s,
        "low_hz": annotation.low_hz,
        "high_hz": annotation.high_hz,
        "label": annotation.label,
    }


def _root_and_name(recording: Path, roots: Sequence[Path]) -> tuple[str, str]:
    root = next((r for r in roots if recording.is_relative_to(r)), recording.parent)
    return path_text(root), recording_text(recording.relative_to(root))


def _recording_or_error(file: Path, finder: RecordingFinder, name: str | None) -> Path | InputError:
    try:
        if name is None:
            return _recording_of_file(file, finder)
        return finder.find_anywhere(name)
    except InputError as error:
        return InputError(str(error) if name is None else f"{path_text(file)}: {error}")


def _recording_of_file(file: Path, finder: RecordingFinder) -> Path:
    """Return the recording that an annotation file is named after.

    Raises:
        InputError: there is no such recording, or several.
    """
    stem = _ENDINGS.sub("", recording_text(file.name))
    folder = path_text(finder.root)
    if Path(stem).suffix.lower() in SUFFIXES:
        path = recording_path(finder.root, stem)
        if path.is_file():
            return path
    matches = finder.find_by_stem(stem)
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise InputError(f"{path_text(file)}: there is no recording called {stem} in {folder}.")
    names = ", ".join(path_text(match.name) for match in matches)
    raise InputError(
        f"{path_text(file)}: may belong to any of {names}; leave one of them in the folder."
    )


def _annotation_files(folder: Path, problems: list[Problem]) -> list[Path]:
    """Return the annotation files in a folder and below, sorted; note folders that fail."""
    listed = list_files(folder)
    problems += listed.problems
    files = (path for _, path in listed.with_suffix([_TEXT, _CSV]).files)
    return sorted(file for file in files if file.is_file() and _is_annotation_file(file))


def _is_annotation_file(file: Path) -> bool:
    try:
        return _format_of(file) is not None
    except InputError:
        return False


def _format_of(path: Path) -> AnnotationFormat | None:
    """Return the format of a file, from its suffix and its first line; None without one.

    Raises:
        InputError: the file cannot be read.
    """
    text = read_text(path, _KIND, _SNIFFED_BYTES)
    lines = (line for line in text.split("\n") if line.strip())
    first = next((line for line in lines if not is_separator_line(line)), "")
    # Files of other suffixes are annotations too, if they are given by name in Python.
    suffix = path.suffix.lower() if path.suffix.lower() in (_TEXT, _CSV) else _TEXT
    formats = (each for each in ANNOTATION_FORMATS.values() if suffix in each.suffixes)
    return next((each for each in formats if each.matches(first)), None)


def _warn_of_unannotated(folder: Path, annotated: Collection[str]) -> None:
    recordings, _ = find_recordings(folder)
    without = len(set(recordings) - set(annotated))
    if without:
        logger.warning(
            "%d of %d recordings in %s have no annotations and give no ROIs.",
            without,
            len(recordings),
            path_text(folder),
        )


def _matches(spec: str) -> bool:
    path = text_path(spec)
    return path.suffix.lower() in (_TEXT, _CSV) and path.is_file() and _is_annotation_file(path)


ANNOTATIONS = Source(
    syntax="a Raven selection table, Audacity labels (.txt), or a CSV file of Kaleidoscope or "
    "BirdNET",
    matches=_matches,
    identity=path_identity,
    load=lambda spec, options: load_annotations(text_path(spec), options),
)

"""Read Raven selection tables, of one recording or of several."""

import csv
from collections.abc import Mapping, Sequence

from darksound.errors import InputError
from darksound.sources.annotations import Annotation

__all__ = ["is_raven", "read_raven"]

_START, _END = "begin time (s)", "end time (s)"
_LOW, _HIGH = "low freq (hz)", "high freq (hz)"
_OFFSET = "file offset (s)"
_RECORDINGS = ("begin path", "begin file")
# Users choose the name of this column; the first that a table has is used.
_LABEL_COLUMNS = (
    "annotation", "label", "species", "call type", "sound type", "common name", "type", "tags"
)  # fmt: skip


def is_raven(first: str) -> bool:
    """Return whether a file may be a selection table, from its first line."""
    names = [name.strip().casefold() for name in first.split("\t")]
    return _START in names and _END in names


def read_raven(lines: Sequence[str], label_column: str | None = None) -> list[Annotation]:
    """Return the selections of a table, each once, even if several views list it.

    In a table of several recordings, `Begin File` or `Begin Path` names the recording of each
    selection, and `File Offset (s)` is the start in that recording.

    Args:
        lines: lines of the file, with the header.
        label_column: column of the labels; None for the first of the usual ones.

    Raises:
        InputError: a line does not have the format, or a column is missing.
    """
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    names = [name.strip().casefold() for name in next(rows)]
    if label_column is not None and label_column.casefold() not in names:
        raise InputError(f"there is no column {label_column!r}; there are {', '.join(names)}.")
    candidates = _LABEL_COLUMNS if label_column is None else (label_column.casefold(),)
    label = next((name for name in candidates if name in names), None)
    selections: dict[object, Annotation] = {}
    for number, cells in enumerate(rows, start=2):
        if any(cell.strip() for cell in cells):
            row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
            key = row.get("selection") or number
            selections.setdefault(key, _annotation(number, row, row.get(label) if label else None))
    annotations = list(selections.values())
    if _OFFSET not in names and len({each.recording for each in annotations}) > 1:
        raise InputError(
            "the table has several recordings, but no column 'File Offset (s)' with the start of a "
            "selection in its recording; add the column in Raven and save the table again."
        )
    return annotations


def _annotation(number: int, row: Mapping[str, str], label: str | None) -> Annotation:
    start, end = _time(number, row, _START), _time(number, row, _END)
    offset = _optional(row, _OFFSET)
    if offset is not None:
        start, end = offset, offset + (end - start)
    recording = next((row[name] for name in _RECORDINGS if row.get(name)), None)
    low, high = _optional(row, _LOW), _optional(row, _HIGH)
    return Annotation(number, start, end, low, high, label or None, recording)


def _time(number: int, row: Mapping[str, str], name: str) -> float:
    value = _optional(row, name)
    if value is None:
        raise InputError(f"line {number} has {row.get(name)!r} for {name!r}, which is not a time.")
    return value


def _optional(row: Mapping[str, str], name: str) -> float | None:
    try:
        return float(row.get(name, ""))
    except ValueError:
        return None

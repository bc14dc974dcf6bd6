"""Raven's selection tables, of one recording or of several."""

import csv
from collections.abc import Mapping, Sequence

from darksound.errors import InputError
from darksound.sources.annotations import Mark

__all__ = ["is_raven", "read_raven"]

_START, _END = "begin time (s)", "end time (s)"
_LOW, _HIGH = "low freq (hz)", "high freq (hz)"
_OFFSET = "file offset (s)"
_FILES = ("begin path", "begin file")
# Raven leaves the name of the column to whoever annotates.
_LABELS = (
    "annotation", "label", "species", "call type", "sound type", "common name", "type", "tags"
)  # fmt: skip


def is_raven(first: str) -> bool:
    """Whether a file may be a selection table, from its first line."""
    names = [name.strip().casefold() for name in first.split("\t")]
    return _START in names and _END in names


def read_raven(lines: Sequence[str], label_column: str | None = None) -> list[Mark]:
    """The selections of a table, each once, though every view may list it.

    A table over several recordings names each selection's in `Begin File` or `Begin Path`, and
    where it starts there in `File Offset (s)`.

    Args:
        lines: of the file, with the header.
        label_column: that holds the label; None for the first of the usual ones.

    Raises:
        InputError: a line is not of the format, or a column is missing.
    """
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    names = [name.strip().casefold() for name in next(rows)]
    if label_column is not None and label_column.casefold() not in names:
        raise InputError(f"there is no column {label_column!r}; there are {', '.join(names)}.")
    wanted = _LABELS if label_column is None else (label_column.casefold(),)
    label = next((name for name in wanted if name in names), None)
    marks: dict[object, Mark] = {}
    for number, cells in enumerate(rows, start=2):
        if any(cell.strip() for cell in cells):
            row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
            key = row.get("selection") or number
            marks.setdefault(key, _mark(number, row, row.get(label) if label else None))
    found = list(marks.values())
    if _OFFSET not in names and len({mark.recording for mark in found}) > 1:
        raise InputError(
            "it spans several recordings, but has no column 'File Offset (s)' that says where in "
            "each a selection starts; add it in Raven and save the table again."
        )
    return found


def _mark(number: int, row: Mapping[str, str], label: str | None) -> Mark:
    start, end = _time(number, row, _START), _time(number, row, _END)
    offset = _optional(row, _OFFSET)
    if offset is not None:
        start, end = offset, offset + (end - start)
    recording = next((row[name] for name in _FILES if row.get(name)), None)
    low, high = _optional(row, _LOW), _optional(row, _HIGH)
    return Mark(number, start, end, low, high, label or None, recording)


def _time(number: int, row: Mapping[str, str], name: str) -> float:
    value = _optional(row, name)
    if value is None:
        raise InputError(f"line {number} has {row.get(name)!r} for {name!r}, which is no time.")
    return value


def _optional(row: Mapping[str, str], name: str) -> float | None:
    try:
        return float(row.get(name, ""))
    except ValueError:
        return None

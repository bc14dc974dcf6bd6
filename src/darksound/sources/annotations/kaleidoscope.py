"""Read CSV files of Kaleidoscope, and those that BirdNET-Analyzer and others write like them.

`INDIR`, `FOLDER` and `IN FILE` name the recording, `OFFSET` and `DURATION` are the start and length
in seconds (Kaleidoscope Pro 5 User Guide, output files).
"""

from pathlib import Path

import pandas as pd

from darksound.rois.cells import parse_numbers
from darksound.rois.text_tables import TextTable, read_text_table
from darksound.sources.annotations import Annotation, Annotations
from darksound.sources.annotations.columns import chosen_labels, has_columns, joined_causes

__all__ = ["is_kaleidoscope", "read_kaleidoscope"]

_FILE, _OFFSET, _DURATION = "in file", "offset", "duration"
_FOLDERS = ("indir", "folder")
_LOW, _HIGH = "fmin", "fmax"
_NUMBERS = (_OFFSET, _DURATION, _LOW, _HIGH)
# Of these, the first that has a value in a row counts: what a person wrote is before what a program
# did. Kaleidoscope adds asterisks to names of columns.
_LABELS = (
    "manual id", "manual id*", "top1match", "top1match*", "auto id", "auto id*", "common_name",
    "scientific_name",
)  # fmt: skip
_NO_LABELS = frozenset({"", "noid", "nocall"})
# Calls of bats have columns of zero crossings, and frequencies in kHz.
_OF_BATS = "fc"


def is_kaleidoscope(first: str) -> bool:
    """Return whether a file may be of Kaleidoscope, from its first line."""
    return has_columns(first, {_FILE, _OFFSET, _DURATION})


def read_kaleidoscope(path: Path, label_column: str | None = None) -> Annotations:
    """Return the detections of a file; those without a length are left out.

    Args:
        path: the file.
        label_column: column of the labels; None for the manual identification of each row, else
            the best match, else the automatic identification.

    Raises:
        InputError: the file cannot be read, or a column is missing.
    """
    columns = (_FILE, *_FOLDERS, *_NUMBERS, *_LABELS)
    table = read_text_table(
        path, "a CSV file of Kaleidoscope", columns, (_FILE, _OFFSET, _DURATION), fold=True
    )
    cells = table.cells
    labels = chosen_labels(cells, label_column, _LABELS, _NO_LABELS)
    numbers, causes = parse_numbers(
        cells[[name for name in _NUMBERS if name in cells.columns]],
        (_OFFSET, _DURATION),
        commas=table.separator != ",",
    )
    for name in (_OFFSET, _DURATION):
        causes[causes.isna() & numbers[name].isna()] = f"has no {name.upper()}"
    causes[causes.isna() & (cells[_FILE] == "")] = f"has no {_FILE.upper()}"
    scale = 1000.0 if _OF_BATS in cells.columns else 1.0
    bounds = numbers.reindex(columns=[_LOW, _HIGH]) * scale
    # Zeros stand for frequencies that were not measured.
    bounds = bounds.where(bounds > 0).astype(object)
    bounds = bounds.where(bounds.notna(), None)
    marks = [
        Annotation(int(row), start, start + length, low, high, label, recording)
        for row, label, recording, (start, length), (low, high), cause in zip(
            cells.index.tolist(),
            labels,
            _recordings(table),
            numbers[[_OFFSET, _DURATION]].to_numpy().tolist(),
            bounds.to_numpy().tolist(),
            causes.isna(),
            strict=True,
        )
        if cause
    ]
    return Annotations(marks, joined_causes(table, causes))


def _recordings(table: TextTable) -> list[str]:
    """Return the path of the recording of each row, in its folders as far as they are given."""
    cells = table.cells
    parts = pd.DataFrame(
        {name: cells[name] for name in (*_FOLDERS, _FILE) if name in cells.columns}
    )
    return [
        "/".join(text.replace("\\", "/").rstrip("/") for text in row if text)
        for row in parts.itertuples(index=False, name=None)
    ]

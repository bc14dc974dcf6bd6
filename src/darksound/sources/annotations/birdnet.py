"""Read CSV files of BirdNET-Analyzer: its own (`csv`), and those for R (`r`).

Its selection tables are Raven's (see `darksound.sources.annotations.raven`), and its files in the
form of Kaleidoscope are read as such.
"""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from darksound.rois.cells import parse_numbers
from darksound.rois.text_tables import read_text_table
from darksound.sources.annotations import Annotation, Annotations
from darksound.sources.annotations.columns import chosen_labels, has_columns, joined_causes

__all__ = ["is_birdnet", "read_birdnet"]


@dataclass(frozen=True)
class _Form:
    """Names of the columns of a form.

    Attributes:
        start: start in seconds.
        end: end in seconds.
        recordings: path of the recording; the first that is there.
        labels: names of species; the first that has a value in a row.
        required: columns that show the form.
    """

    start: str
    end: str
    recordings: tuple[str, ...]
    labels: tuple[str, ...]
    required: Set[str]


_FORMS = (
    _Form(
        "start (s)", "end (s)", ("file",), ("common name", "scientific name"),
        frozenset({"start (s)", "end (s)", "confidence"}),
    ),
    _Form(
        "start", "end", ("filepath",), ("common_name", "scientific_name"),
        frozenset({"filepath", "start", "end", "confidence"}),
    ),
)  # fmt: skip
_NO_LABELS = frozenset({""})
#: What BirdNET writes in place of a species where it found none.
_NO_CALL = "nocall"


def is_birdnet(first: str) -> bool:
    """Return whether a file may be of BirdNET, from its first line."""
    return any(has_columns(first, form.required) for form in _FORMS)


def read_birdnet(path: Path, label_column: str | None = None) -> Annotations:
    """Return the detections of a file; rows of recordings without any are no detections.

    Args:
        path: the file. Files without a column of recordings belong to the one of their name.
        label_column: column of the labels; None for common names.

    Raises:
        InputError: the file cannot be read, or a column is missing.
    """
    names = {name for form in _FORMS for name in (form.start, form.end, *form.recordings)}
    table = read_text_table(
        path, "a CSV file of BirdNET", (*sorted(names), "confidence"), fold=True
    )
    cells = table.cells
    form = next(form for form in _FORMS if form.required <= set(cells.columns))
    labels = chosen_labels(cells, label_column, form.labels, _NO_LABELS)
    numbers, causes = parse_numbers(
        cells[[form.start, form.end]], (form.start, form.end), commas=table.separator != ","
    )
    for name in (form.start, form.end):
        causes[causes.isna() & numbers[name].isna()] = f"has no {name}"
    column = next((name for name in form.recordings if name in cells.columns), None)
    recordings = [None] * len(cells) if column is None else [text or None for text in cells[column]]
    marks = [
        Annotation(int(row), start, end, None, None, label, recording)
        for row, label, recording, (start, end), is_usable in zip(
            cells.index.tolist(),
            labels,
            recordings,
            numbers.to_numpy().tolist(),
            causes.isna(),
            strict=True,
        )
        if is_usable and (label or "").casefold() != _NO_CALL
    ]
    return Annotations(marks, joined_causes(table, causes))

"""Read Raven selection tables, of one recording or of several."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from darksound.errors import InputError
from darksound.rois.cells import parse_numbers
from darksound.rois.text_tables import read_text_table
from darksound.sources.annotations import Annotation, Annotations
from darksound.sources.annotations.columns import has_columns, joined_causes

__all__ = ["is_raven", "read_raven"]

_START, _END = "begin time (s)", "end time (s)"
_LOW, _HIGH = "low freq (hz)", "high freq (hz)"
_OFFSET = "file offset (s)"
_TIMES = (_START, _END, _OFFSET)
_NUMBERS = (*_TIMES, _LOW, _HIGH)
_SPECIES_CODE = "species code"
_RECORDINGS = ("begin path", "begin file")
# Users choose the name of this column; the first that a table has is used.
_LABEL_COLUMNS = (
    "annotation", "label", "species", "call type", "sound type", "common name", "type", "tags"
)  # fmt: skip


def is_raven(first: str) -> bool:
    """Return whether a file may be a selection table, from its first line."""
    return has_columns(first, {_START, _END})


def read_raven(path: Path, label_column: str | None = None) -> Annotations:
    """Return the selections of a table, each once, even if several views list it.

    In a table of several recordings, `Begin File` or `Begin Path` names the recording of each
    selection, and `File Offset (s)` is the start in that recording. Tables that were put under each
    other have several selections of one number.

    Args:
        path: the file.
        label_column: column of the labels; None for the first of the usual ones.

    Raises:
        InputError: the file cannot be read, or a column is missing.
    """
    table = read_text_table(
        path,
        "a Raven selection table",
        (*_NUMBERS, "selection", "view", *_RECORDINGS),
        (_START, _END),
        fold=True,
    )
    cells = table.cells
    label = _label_column(list(cells.columns), label_column)
    numbers, causes = parse_numbers(
        cells[[name for name in _NUMBERS if name in cells.columns]],
        _TIMES,
        commas=table.separator != ",",
    )
    for name in (_START, _END):
        causes[causes.isna() & numbers[name].isna()] = f"has no {name}"
    recordings = _recordings(cells)
    if recordings.nunique() > 1:
        if _OFFSET not in cells.columns:
            raise InputError(
                "the table has several recordings, but no column 'File Offset (s)' with the start "
                "of a selection in its recording; add the column in Raven and save the table again."
            )
        causes[causes.isna() & numbers[_OFFSET].isna()] = f"has no {_OFFSET}"
    usable = causes.isna() & ~_is_no_call(cells)
    marks = _marks(cells[usable], numbers[usable], recordings[usable], label)
    return Annotations(list(marks), joined_causes(table, causes))


def _label_column(names: list[str], label_column: str | None) -> str | None:
    if label_column is not None and label_column.casefold() not in names:
        raise InputError(f"there is no column {label_column!r}; there are {', '.join(names)}.")
    candidates = _LABEL_COLUMNS if label_column is None else (label_column.casefold(),)
    return next((name for name in candidates if name in names), None)


def _is_no_call(cells: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows stand for a recording in which BirdNET found nothing."""
    if _SPECIES_CODE not in cells.columns:
        return pd.Series(False, cells.index)
    return cells[_SPECIES_CODE].str.casefold() == "nocall"


def _recordings(cells: pd.DataFrame) -> "pd.Series[str]":
    """Return the recording that each row names, by path if it has one; empty where it has none."""
    recordings = pd.Series("", index=cells.index)
    for name in _RECORDINGS:
        if name in cells.columns:
            recordings = recordings.where(recordings != "", cells[name])
    return recordings


def _marks(
    cells: pd.DataFrame, numbers: pd.DataFrame, recordings: "pd.Series[str]", label: str | None
) -> Iterator[Annotation]:
    """Yield each selection, as the first view shows it."""
    times = numbers[[_START, _END]].to_numpy()
    if _OFFSET in numbers.columns:
        offsets = numbers[_OFFSET].to_numpy()
        lengths = times[:, 1] - times[:, 0]
        shifted = np.stack([offsets, offsets + lengths], axis=1)
        times = np.where(np.isnan(offsets)[:, np.newaxis], times, shifted)
    bounds = numbers.reindex(columns=[_LOW, _HIGH]).astype(object)
    bounds = bounds.where(bounds.notna(), None)
    texts = cells.reindex(columns=["selection", "view", label or ""], fill_value="")
    # Views of one selection that were seen, by recording, number and times.
    seen: dict[tuple[str, str, float, float], set[str]] = {}
    for row, recording, (start, end), (low, high), (selection, view, title) in zip(
        cells.index.tolist(),
        recordings,
        times.tolist(),
        bounds.to_numpy(),
        texts.to_numpy(),
        strict=True,
    ):
        key = (recording, selection, start, end)
        views = seen.get(key)
        if selection and views is not None and view not in views:
            views.add(view)
            continue
        seen[key] = {view}
        yield Annotation(row, start, end, low, high, title or None, recording or None)

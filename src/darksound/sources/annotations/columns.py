"""Columns of annotation files: which there are, labels in several of them, and broken rows."""

from collections.abc import Collection, Sequence, Set

import pandas as pd

from darksound.errors import InputError
from darksound.rois.cells import title_text
from darksound.rois.text_tables import SEPARATORS, TextTable

__all__ = ["chosen_labels", "has_columns", "joined_causes", "titles_of"]


def titles_of(line: str, separator: str) -> set[str]:
    """Return the titles of columns in a header, in lower case."""
    return {title_text(cell.strip(' "')).casefold() for cell in line.split(separator)}


def has_columns(line: str, names: Set[str]) -> bool:
    """Return whether a header has columns of these names, with any usual separator."""
    return any(names <= titles_of(line, separator) for separator in SEPARATORS)


def chosen_labels(
    cells: pd.DataFrame,
    label_column: str | None,
    candidates: Sequence[str],
    no_labels: Collection[str],
) -> list[str | None]:
    """Return the label of each row: of the first column that has one.

    Args:
        cells: text, with names of columns in lower case.
        label_column: the only column of labels; None for the candidates.
        candidates: names of columns, the first that counts first.
        no_labels: texts in lower case that are no labels.

    Raises:
        InputError: there is no such column.
    """
    if label_column is not None and label_column.casefold() not in cells.columns:
        raise InputError(
            f"there is no column {label_column!r}; there are {', '.join(map(str, cells.columns))}."
        )
    wanted = candidates if label_column is None else (label_column.casefold(),)
    columns = [cells[name] for name in wanted if name in cells.columns]
    labels: list[str | None] = [None] * len(cells)
    for column in columns:
        labels = [
            label or (text if text.casefold() not in no_labels else None)
            for label, text in zip(labels, column, strict=True)
        ]
    return labels


def joined_causes(table: TextTable, causes: "pd.Series[str]") -> dict[int, str]:
    """Return why rows are left out, by their number: those not read, and those without numbers."""
    return dict(table.broken) | {int(str(row)): text for row, text in causes.dropna().items()}

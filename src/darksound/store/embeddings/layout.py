"""The contract of layouts of embeddings, and what reading several of them has in common."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.rois.cells import TIMES, parse_columns, parse_numbers
from darksound.rois.roi_set import SCHEMA, Problem
from darksound.text import path_text

__all__ = [
    "COLUMN_NAMES",
    "FIRST_ROW",
    "NUMBERED",
    "Embeddings",
    "Layout",
    "TableRows",
    "rename_columns",
    "split_vectors",
    "validate_embeddings",
]

logger = logging.getLogger(__name__)

# Names of other tools for columns of the ROI table.
_ALIASES = {
    "recording": ("recording", "file_path", "filepath", "file", "filename", "audio_file", "path"),
    "start_s": ("start_s", "start", "start_time", "Begin Time (s)"),
    "end_s": ("end_s", "end", "end_time", "End Time (s)"),
}
_VECTOR_COLUMNS = ("embedding", "embeddings", "vector", "features")
#: Names that columns may have.
COLUMN_NAMES = (
    *SCHEMA.names,
    *_VECTOR_COLUMNS,
    *(name for all_ in _ALIASES.values() for name in all_),
)
#: Names of columns that each hold one dimension.
NUMBERED = re.compile(r"(.*?)(\d+)")
#: Number of the first row of a table; the header is row 1.
FIRST_ROW = 2
_SHOWN = 3


@dataclass(frozen=True)
class TableRows:
    """A table of embeddings as it was read.

    Attributes:
        rows: its cells, text or other types; the index is the number of each row.
        broken: why the cells of a row are missing, by its number.
        commas: whether a comma may be a decimal sign wherever it is.
    """

    rows: pd.DataFrame
    broken: Mapping[int, str]
    commas: bool = True


@dataclass(frozen=True)
class Embeddings:
    """Embeddings, and the recordings and times that they belong to.

    Attributes:
        vectors: float32 `(n, dim)`.
        rows: `n` rows with `recording`, and optionally `start_s`, `end_s` and further columns of
            the ROI table. Without columns, the vectors are in the order of some ROIs.
        root: folder that recordings are relative to.
        model: name of the embedding model, if the file contains it.
        causes: why rows are known to be unusable, by their index in `rows`.
        problems: rows that were left out.
        commas: whether a comma in `rows` may be a decimal sign wherever it is.
    """

    vectors: npt.NDArray[np.float32]
    rows: pd.DataFrame
    root: Path
    model: str | None = None
    causes: Mapping[int, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    commas: bool = True

    @property
    def has_times(self) -> bool:
        """Return whether rows name recordings and times."""
        return {"recording", "start_s", "end_s"} <= set(self.rows.columns)


@dataclass(frozen=True)
class Layout:
    """A layout of files with embeddings.

    Attributes:
        description: names the layout in messages.
        matches: returns whether a path has this layout.
        read: returns the embeddings of a path.
    """

    description: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Embeddings]


def validate_embeddings(embeddings: Embeddings, path: Path) -> Embeddings:
    """Return the embeddings with recordings as text and times as numbers.

    Rows that cannot be used become problems. Without recordings and times, row i belongs to ROI i,
    so none is left out, and the vectors of unusable rows are NaN.

    Raises:
        InputError: there are none, they are not vectors of numbers, their rows do not match, or
            none can be used.
    """
    vectors, rows = embeddings.vectors, embeddings.rows
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise InputError(
            f"{path_text(path)}: an array of shape {vectors.shape} does not hold row vectors."
        )
    if len(rows.columns) and len(rows) != len(vectors):
        raise InputError(
            f"{path_text(path)}: there are {len(vectors)} embeddings, but {len(rows)} rows that "
            "describe them."
        )
    rows, causes = _typed_rows(rows, commas=embeddings.commas)
    for row, cause in embeddings.causes.items():
        causes[row] = cause
    bad = causes.reindex(rows.index).notna().to_numpy()
    if not embeddings.has_times:
        if causes.notna().any():
            shown = "; ".join(f"row {row} {cause}" for row, cause in causes.dropna().items())
            logger.warning("%s: rows that are not embeddings: %s.", path_text(path), shown)
        return replace(embeddings, rows=rows.reset_index(drop=True))
    numbers = [int(str(row)) for row in rows.index[bad]]
    problems = [
        Problem(
            path_text(path) if pd.isna(name) else str(name),
            f"{path_text(path)}, row {row}: {causes[row]}; left out.",
        )
        for row, name in zip(numbers, rows["recording"][bad], strict=True)
    ]
    if bad.all():
        raise InputError(
            f"{path_text(path)}: none of its {len(rows)} rows can be used. The first causes: "
            + " ".join(problem.cause for problem in problems[:_SHOWN])
        )
    return replace(
        embeddings,
        vectors=vectors[~bad] if bad.any() else vectors,
        rows=rows[~bad].reset_index(drop=True),
        problems=(*embeddings.problems, *problems),
    )


def _typed_rows(rows: pd.DataFrame, *, commas: bool) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Return rows with recordings as text and times as numbers, and causes of unusable rows."""
    rows, causes = parse_columns(rows, commas=commas)

    def note(bad: "pd.Series[bool]", cause: str) -> None:
        causes[bad & causes.isna()] = cause

    if "recording" in rows.columns:
        note(rows["recording"].isna(), "names no recording")
    for name in rows.columns.intersection(list(TIMES)):
        note(rows[name].isna(), f"has no {name}")
        note(~np.isfinite(rows[name]), f"has a {name} that is not finite")
    if set(TIMES) <= set(rows.columns):
        note(rows["start_s"] < 0, "starts before the recording does")
        note(rows["end_s"] <= rows["start_s"], "does not end after it starts")
    return rows, causes


def rename_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with recording and time columns named as in the ROI table."""
    columns = {str(name).lower(): name for name in reversed(table.columns)}
    renamed = {}
    for name, aliases in _ALIASES.items():
        matching = [columns[alias.lower()] for alias in aliases if alias.lower() in columns]
        if matching:
            renamed[matching[0]] = name
    return table.rename(columns=renamed)


def split_vectors(
    table: TableRows, path: Path
) -> tuple[npt.NDArray[np.float32], pd.DataFrame, dict[int, str]]:
    """Return the vectors in a table, its other columns, and why rows have no vector.

    Vectors are one column of lists, one column of numbers separated by commas or blanks, or one
    column a dimension, named by a number at its end.

    Returns:
        Vectors float32 `(n, dim)`, NaN for rows without one; the other columns `(n, ...)`; the
        cause by the number of each row without one.

    Raises:
        InputError: there are none, or they have several lengths.
    """
    rows, causes = table.rows, dict(table.broken)
    for name in (name for name in _VECTOR_COLUMNS if name in rows.columns):
        vectors, more_causes = _from_lists(rows[name], path)
        return vectors, rows.drop(columns=name), more_causes | causes
    rows = rows.set_axis(rows.columns.map(str), axis=1)
    numbered = _numbered(list(rows.columns))
    if not numbered:
        raise InputError(
            f"{path_text(path)}: no embeddings in its columns {', '.join(rows.columns)}; store "
            "them as lists in a column 'embedding', or as one column a dimension named by numbers."
        )
    columns = rows[numbered]
    if all(pd.api.types.is_numeric_dtype(dtype) for dtype in columns.dtypes):
        vectors = columns.to_numpy(np.float32)
    else:
        numbers, number_causes = parse_numbers(columns, commas=table.commas)
        vectors = numbers.to_numpy(np.float32)
        causes = {int(str(row)): text for row, text in number_causes.dropna().items()} | causes
        if len(causes) == len(rows):
            raise InputError(f"{path_text(path)}: the columns {numbered[0]} ... are not numbers.")
    return vectors, rows.drop(columns=numbered), causes


def _numbered(names: list[str]) -> list[str]:
    """Return the largest group of names that differ only in the number at their end, sorted."""
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        if match := NUMBERED.fullmatch(name):
            groups.setdefault(match[1], {})[int(match[2])] = name
    largest = max(groups.values(), key=len, default={})
    return [largest[number] for number in sorted(largest)]


def _from_lists(
    column: "pd.Series[Any]", path: Path
) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    """Return the vectors `(n, dim)` in a column, and why rows have none, by number."""
    vectors: dict[int, npt.NDArray[np.float32]] = {}
    causes: dict[int, str] = {}
    for row, cell in zip(column.index.tolist(), column, strict=True):
        try:
            vectors[row] = _parse_vector(cell)
        except (ValueError, TypeError):
            causes[row] = f"has other values than numbers in {column.name!r}"
    if causes and not vectors:
        raise InputError(
            f"{path_text(path)}: the column {column.name!r} holds other values than numbers."
        )
    # A vector that was cut off leaves out its row; half of them are another model.
    lengths = Counter(map(len, vectors.values()))
    length, count = lengths.most_common(1)[0] if lengths else (0, 0)
    if len(lengths) > 1 and 2 * count <= len(vectors):
        raise InputError(
            f"{path_text(path)}: embeddings of several lengths, {sorted(lengths)[:5]}."
        )
    causes |= {
        row: f"has an embedding of {len(vector)} numbers, where others have {length}"
        for row, vector in vectors.items()
        if len(vector) != length
    }
    missing = np.full(length, np.nan, np.float32)
    return np.array(
        [missing if row in causes else vectors[row] for row in column.index], np.float32
    ).reshape(len(column), length), causes


def _parse_vector(cell: object) -> npt.NDArray[np.float32]:
    if isinstance(cell, str):
        text = cell.strip().strip("[]()").replace(",", " ")
        return np.array(text.split(), dtype=np.float32)
    return np.asarray(cell, dtype=np.float32).reshape(-1)

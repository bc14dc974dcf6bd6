"""The contract of layouts of embeddings, and what reading several of them has in common."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.rois.roi_set import as_text

__all__ = ["Embeddings", "Layout", "rename_columns", "split_vectors", "validate_embeddings"]

# Names of other tools for columns of the ROI table.
_ALIASES = {
    "recording": ("recording", "file_path", "filepath", "file", "filename", "audio_file", "path"),
    "start_s": ("start_s", "start", "start_time", "Begin Time (s)"),
    "end_s": ("end_s", "end", "end_time", "End Time (s)"),
}
_VECTOR_COLUMNS = ("embedding", "embeddings", "vector", "features")


@dataclass(frozen=True)
class Embeddings:
    """Embeddings, and the recordings and times that they belong to.

    Attributes:
        vectors: float32 `(n, dim)`.
        rows: `n` rows with `recording`, and optionally `start_s`, `end_s` and further columns of
            the ROI table. Without columns, the vectors are in the order of some ROIs.
        root: folder that recordings are relative to.
        model: name of the embedding model, if the file contains it.
    """

    vectors: npt.NDArray[np.float32]
    rows: pd.DataFrame
    root: Path
    model: str | None = None

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

    Raises:
        InputError: there are none, they are not vectors of numbers, or their rows do not match.
    """
    vectors, rows = embeddings.vectors, embeddings.rows.reset_index(drop=True)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise InputError(f"{path}: an array of shape {vectors.shape} does not hold row vectors.")
    if len(rows.columns) and len(rows) != len(vectors):
        raise InputError(
            f"{path}: there are {len(vectors)} embeddings, but {len(rows)} rows that describe them."
        )
    if "recording" in rows.columns:
        rows["recording"] = as_text(rows["recording"])
    for name in ("start_s", "end_s"):
        if name not in rows.columns:
            continue
        rows[name] = pd.to_numeric(rows[name], errors="coerce").astype(np.float64)
        if rows[name].isna().any():
            row = int(np.argmax(rows[name].isna()))
            raise InputError(f"{path}: {name} of row {row + 1} is not a number.")
    return replace(embeddings, rows=rows)


def rename_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with recording and time columns named as in the ROI table."""
    columns = {str(name).lower(): name for name in reversed(table.columns)}
    renamed = {}
    for name, aliases in _ALIASES.items():
        matching = [columns[alias.lower()] for alias in aliases if alias.lower() in columns]
        if matching:
            renamed[matching[0]] = name
    return table.rename(columns=renamed)


def split_vectors(table: pd.DataFrame, path: Path) -> tuple[npt.NDArray[np.float32], pd.DataFrame]:
    """Return the vectors in a table, float32 `(n, dim)`, and its other columns.

    Vectors are one column of lists, one column of numbers separated by commas or blanks, or one
    column a dimension, named by a number at its end.

    Raises:
        InputError: there are none, or they have several lengths.
    """
    for name in (name for name in _VECTOR_COLUMNS if name in table.columns):
        return _from_lists(table[name], path), table.drop(columns=name)
    numbered = _numbered([str(name) for name in table.columns])
    if not numbered:
        raise InputError(
            f"{path}: no embeddings in its columns {', '.join(map(str, table.columns))}; store "
            "them as lists in a column 'embedding', or as one column a dimension named by numbers."
        )
    table = table.set_axis(table.columns.map(str), axis=1)
    try:
        vectors = table[numbered].to_numpy(np.float32)
    except ValueError:
        raise InputError(f"{path}: the columns {numbered[0]} ... are not numbers.") from None
    return vectors, table.drop(columns=numbered)


def _numbered(names: list[str]) -> list[str]:
    """Return the largest group of names that differ only in the number at their end, sorted."""
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        if match := re.fullmatch(r"(.*?)(\d+)", name):
            groups.setdefault(match[1], {})[int(match[2])] = name
    largest = max(groups.values(), key=len, default={})
    return [largest[number] for number in sorted(largest)]


def _from_lists(column: "pd.Series[Any]", path: Path) -> npt.NDArray[np.float32]:
    try:
        vectors = [_parse_vector(cell) for cell in column]
    except ValueError:
        raise InputError(
            f"{path}: the column {column.name!r} holds other values than numbers."
        ) from None
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1:
        raise InputError(f"{path}: embeddings of several lengths, {sorted(lengths)[:5]}.")
    return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)


def _parse_vector(cell: object) -> npt.NDArray[np.float32]:
    if isinstance(cell, str):
        text = cell.strip().strip("[]()").replace(",", " ")
        return np.array(text.split(), dtype=np.float32)
    return np.asarray(cell, dtype=np.float32).reshape(-1)

"""What a file of embeddings holds, whatever its layout."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError

__all__ = ["Embeddings", "Layout", "checked", "named_as_ours", "take_vectors"]

#: Names that others give to the columns that place a row.
_ALIASES = {
    "recording": ("recording", "file_path", "filepath", "file", "filename", "audio_file", "path"),
    "start_s": ("start_s", "start", "start_time", "Begin Time (s)"),
    "end_s": ("end_s", "end", "end_time", "End Time (s)"),
}
_LISTS = ("embedding", "embeddings", "vector", "features")


@dataclass(frozen=True)
class Embeddings:
    """Vectors and the stretches of recordings that they are of.

    Attributes:
        vectors: float32 `(n, dim)`.
        rows: `n` rows with `recording` and maybe `start_s`, `end_s` and more columns of the ROI
            table; without `recording` the vectors stand in the order of some ROIs.
        root: folder that recordings are relative to.
        model: what made the vectors, where the file says so.
    """

    vectors: npt.NDArray[np.float32]
    rows: pd.DataFrame
    root: Path
    model: str | None = None

    @property
    def placed(self) -> bool:
        """Whether rows name recordings and times."""
        return {"recording", "start_s", "end_s"} <= set(self.rows.columns)


@dataclass(frozen=True)
class Layout:
    """A way of keeping embeddings.

    Attributes:
        written: how a person names it, for messages.
        matches: whether a path is of this layout.
        read: what it holds.
    """

    written: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Embeddings]


def checked(found: Embeddings, path: Path) -> Embeddings:
    """The embeddings if they are usable, recordings being text and times numbers.

    Raises:
        InputError: there are none, they are no vectors of numbers, or their rows do not fit.
    """
    vectors, rows = found.vectors, found.rows.reset_index(drop=True)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise InputError(f"{path}: embeddings of shape {vectors.shape} are no rows of vectors.")
    if len(rows.columns) and len(rows) != len(vectors):
        raise InputError(
            f"{path}: {len(vectors)} embeddings, but {len(rows)} rows that say what they are of."
        )
    if "recording" in rows.columns:
        rows["recording"] = rows["recording"].astype(str)
    for name in ("start_s", "end_s"):
        if name not in rows.columns:
            continue
        rows[name] = pd.to_numeric(rows[name], errors="coerce").astype(np.float64)
        if rows[name].isna().any():
            row = int(np.argmax(rows[name].isna()))
            raise InputError(f"{path}: {name} of row {row + 1} is no number.")
    return replace(found, rows=rows)


def named_as_ours(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns that place a row named as in the ROI table."""
    names = {str(name).lower(): name for name in reversed(table.columns)}
    renamed = {}
    for ours, theirs in _ALIASES.items():
        found = [names[name.lower()] for name in theirs if name.lower() in names]
        if found:
            renamed[found[0]] = ours
    return table.rename(columns=renamed)


def take_vectors(table: pd.DataFrame, path: Path) -> tuple[npt.NDArray[np.float32], pd.DataFrame]:
    """The vectors in a table `(n, dim)`, and its other columns.

    Vectors are a column of lists, a column of numbers separated by commas or blanks, or one
    column a dimension, named by a number at its end.

    Raises:
        InputError: there are none, or they are of several lengths.
    """
    for name in (name for name in _LISTS if name in table.columns):
        return _from_lists(table[name], path), table.drop(columns=name)
    numbered = _numbered([str(name) for name in table.columns])
    if not numbered:
        raise InputError(
            f"{path}: no embeddings in its columns {', '.join(map(str, table.columns))}; keep "
            "them as lists in a column 'embedding', or as one column a dimension named by numbers."
        )
    table = table.set_axis(table.columns.map(str), axis=1)
    try:
        vectors = table[numbered].to_numpy(np.float32)
    except ValueError:
        raise InputError(f"{path}: the columns {numbered[0]} ... are no numbers.") from None
    return vectors, table.drop(columns=numbered)


def _numbered(names: list[str]) -> list[str]:
    """The largest set of names that differ by the number at their end, in its order."""
    sets: dict[str, dict[int, str]] = {}
    for name in names:
        if found := re.fullmatch(r"(.*?)(\d+)", name):
            sets.setdefault(found[1], {})[int(found[2])] = name
    largest = max(sets.values(), key=len, default={})
    return [largest[number] for number in sorted(largest)]


def _from_lists(column: "pd.Series[Any]", path: Path) -> npt.NDArray[np.float32]:
    try:
        parsed = [_parsed(cell) for cell in column]
    except ValueError:
        raise InputError(f"{path}: the column {column.name!r} holds more than numbers.") from None
    lengths = {len(vector) for vector in parsed}
    if len(lengths) > 1:
        raise InputError(f"{path}: embeddings of several lengths, {sorted(lengths)[:5]}.")
    return np.stack(parsed) if parsed else np.zeros((0, 0), np.float32)


def _parsed(cell: object) -> npt.NDArray[np.float32]:
    if isinstance(cell, str):
        text = cell.strip().strip("[]()").replace(",", " ")
        return np.array(text.split(), dtype=np.float32)
    return np.asarray(cell, dtype=np.float32).reshape(-1)

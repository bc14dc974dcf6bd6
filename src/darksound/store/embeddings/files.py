"""Embeddings in one table, or in an array with a table beside it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.errors import InputError
from darksound.store.embeddings.layout import Embeddings, Layout, rename_columns, split_vectors
from darksound.system_errors import check_readable
from darksound.text import library_path

__all__ = ["ARRAY", "TABLE"]


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        with library_path(path) as file:
            table: pd.DataFrame = pq.read_table(file).to_pandas()
    except (OSError, pa.ArrowException) as error:
        check_readable(path, error)
        raise InputError(f"{path}: cannot be read as a Parquet table ({error}).") from None
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, encoding="utf-8-sig", sep=_separator(path))
    except (OSError, ValueError) as error:
        check_readable(path, error)
        raise InputError(f"{path}: cannot be read as a CSV table ({error}).") from None


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as lines:
        header = lines.readline()
    return max(",;\t", key=header.count)


_TABLE_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
}


def _read_table(path: Path) -> Embeddings:
    vectors, rows = split_vectors(_TABLE_READERS[path.suffix.lower()](path), path)
    return Embeddings(vectors, rename_columns(rows), path.parent)


def _read_array(path: Path) -> Embeddings:
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        check_readable(path, error)
        raise InputError(f"{path}: cannot be read as an array ({error}).") from None
    if not np.issubdtype(vectors.dtype, np.number):
        raise InputError(f"{path}: an array of {vectors.dtype}, not of numbers.")
    table = _table_beside(path)
    rows = pd.DataFrame() if table is None else rename_columns(_TABLE_READERS[table.suffix](table))
    return Embeddings(vectors.astype(np.float32, copy=False), rows, path.parent)


def _table_beside(path: Path) -> Path | None:
    """Return the table that describes the rows of an array, if there is one."""
    names = [f"{path.stem}{suffix}" for suffix in (".rois.parquet", *_TABLE_READERS)]
    # A run has fixed names for both.
    candidates = [path.with_name(name) for name in (*names, "rois.parquet")]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


#: `darksound embed` writes such tables.
TABLE = Layout(
    "a .parquet or .csv table with the embeddings in its columns",
    lambda path: path.is_file() and path.suffix.lower() in _TABLE_READERS,
    _read_table,
)
#: `darksound embed` and `darksound mec` write such arrays.
ARRAY = Layout(
    "a .npy array with a table of its rows beside it",
    lambda path: path.is_file() and path.suffix.lower() == ".npy",
    _read_array,
)

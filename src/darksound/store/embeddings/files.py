"""Embeddings in one table, or in an array with a table beside it."""

from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.errors import InputError
from darksound.rois.text_tables import read_text_table
from darksound.store.embeddings.layout import (
    COLUMN_NAMES,
    FIRST_ROW,
    NUMBERED,
    Embeddings,
    Layout,
    TableRows,
    rename_columns,
    split_vectors,
)
from darksound.system_errors import check_readable
from darksound.text import library_path, path_text

__all__ = ["ARRAY", "TABLE"]


# NumPy parses headers as Python code, which may be none in a damaged file.
_ARRAY_ERRORS = (
    OSError, ValueError, EOFError, MemoryError, OverflowError, SyntaxError, TokenError
)  # fmt: skip


def _read_parquet(path: Path) -> TableRows:
    try:
        with library_path(path) as file:
            rows: pd.DataFrame = pq.read_table(file).to_pandas(ignore_metadata=True)
    except (OSError, ValueError, ArithmeticError, pa.ArrowException) as error:
        check_readable(path, error)
        raise InputError(
            f"{path_text(path)}: cannot be read as a Parquet table ({error})."
        ) from None
    return TableRows(rows.set_axis(pd.RangeIndex(FIRST_ROW, len(rows) + FIRST_ROW)), {})


def _read_csv(path: Path) -> TableRows:
    table = read_text_table(path, "a CSV table", COLUMN_NAMES, numbers=NUMBERED)
    broken = pd.Index(list(table.broken), dtype="int64")
    # Rows that cannot be read keep their place, since row i may belong to row i of an array.
    rows = table.cells.reindex(table.cells.index.union(broken)) if len(broken) else table.cells
    return TableRows(rows, table.broken, commas=table.separator != ",")


_TABLE_READERS: dict[str, Callable[[Path], TableRows]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
}


def _read_table(path: Path) -> Embeddings:
    table = _TABLE_READERS[path.suffix.lower()](path)
    vectors, rows, causes = split_vectors(table, path)
    return Embeddings(
        vectors, rename_columns(rows), path.parent, causes=causes, commas=table.commas
    )


def _read_array(path: Path) -> Embeddings:
    try:
        vectors = np.load(path, allow_pickle=False)
    except _ARRAY_ERRORS as error:
        check_readable(path, error)
        raise InputError(f"{path_text(path)}: cannot be read as an array ({error}).") from None
    if not np.issubdtype(vectors.dtype, np.number):
        raise InputError(f"{path_text(path)}: an array of {vectors.dtype}, not of numbers.")
    vectors = vectors.astype(np.float32, copy=False)
    beside = _table_beside(path)
    if beside is None:
        return Embeddings(vectors, pd.DataFrame(), path.parent)
    table = _TABLE_READERS[beside.suffix](beside)
    return Embeddings(
        vectors, rename_columns(table.rows), path.parent, causes=table.broken, commas=table.commas
    )


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

"""Embeddings in one table, or in an array with a table beside it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.errors import InputError
from darksound.store.embeddings.content import Embeddings, Layout, named_as_ours, take_vectors

__all__ = ["ARRAY", "TABLE"]


def _parquet(path: Path) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as a Parquet table ({error}).") from None
    return table


def _csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, encoding="utf-8-sig", sep=_separator(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a CSV table ({error}).") from None


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as lines:
        header = lines.readline()
    return max(",;\t", key=header.count)


_TABLES: Mapping[str, Callable[[Path], pd.DataFrame]] = MappingProxyType(
    {".parquet": _parquet, ".csv": _csv}
)


def _read_table(path: Path) -> Embeddings:
    vectors, rows = take_vectors(_TABLES[path.suffix.lower()](path), path)
    return Embeddings(vectors, named_as_ours(rows), path.parent)


def _read_array(path: Path) -> Embeddings:
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as an array ({error}).") from None
    if not np.issubdtype(vectors.dtype, np.number):
        raise InputError(f"{path}: an array of {vectors.dtype}, not of numbers.")
    beside = _beside(path)
    rows = pd.DataFrame() if beside is None else named_as_ours(_TABLES[beside.suffix](beside))
    return Embeddings(vectors.astype(np.float32, copy=False), rows, path.parent)


def _beside(path: Path) -> Path | None:
    """The table that says what the rows of an array are."""
    names = [f"{path.stem}{suffix}" for suffix in (".rois.parquet", *_TABLES)]
    # A run keeps both under fixed names.
    places = [path.with_name(name) for name in (*names, "rois.parquet")]
    return next((place for place in places if place.is_file()), None)


#: `darksound embed` writes such tables.
TABLE = Layout(
    "a .parquet or .csv table with the embeddings in its columns",
    lambda path: path.is_file() and path.suffix.lower() in _TABLES,
    _read_table,
)
#: `darksound embed` and `darksound mec` write such arrays.
ARRAY = Layout(
    "a .npy array with a table of its rows beside it",
    lambda path: path.is_file() and path.suffix.lower() == ".npy",
    _read_array,
)

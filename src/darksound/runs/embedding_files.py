"""Embeddings on disk: with their ROIs in one Parquet file, or as an array with a table beside."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.atomic import replacing
from darksound.errors import RunError
from darksound.runs.contents import write_parquet

__all__ = ["FORMATS", "write_embeddings"]

_COLUMNS = ["roi_id", "recording", "start_s", "end_s", "label"]

_Parts = Iterable[npt.NDArray[np.float32]]
_Writer = Callable[[Path, pd.DataFrame, int, _Parts], None]


def write_embeddings(path: Path, table: pd.DataFrame, dim: int, parts: _Parts) -> None:
    """Write embeddings in the format that the suffix of `path` names, one part after the other.

    Args:
        path: `.parquet`: columns roi_id, recording, start_s, end_s, label, and `embedding`, a
            list of fixed length; `.npy`: the array, with those columns in `NAME.rois.parquet`.
        table: the ROI table, `n` rows.
        dim: length of an embedding.
        parts: consecutive rows `(m, dim)` that make `(n, dim)` together.

    Raises:
        RunError: there is no such format, or the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise RunError(f"Embeddings cannot be written as {path}; use {' or '.join(FORMATS)}.")
    FORMATS[path.suffix](path, table[_COLUMNS], dim, parts)


def _parquet(path: Path, table: pd.DataFrame, dim: int, parts: _Parts) -> None:
    about = pa.Table.from_pandas(table, preserve_index=False)
    vector = pa.list_(pa.float32(), dim)
    schema, start = about.schema.append(pa.field("embedding", vector)), 0
    with replacing(path) as beside, pq.ParquetWriter(beside, schema) as writer:
        for part in parts:
            values = pa.array(np.ascontiguousarray(part).reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(values, type=vector)
            rows = about.slice(start, len(part)).append_column(schema.field("embedding"), column)
            writer.write_table(rows)
            start += len(part)


def _array(path: Path, table: pd.DataFrame, dim: int, parts: _Parts) -> None:
    write_parquet(path.with_name(f"{path.stem}.rois.parquet"), table)
    with replacing(path) as beside, beside.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(table), dim)}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, "<f4").data)


#: Writers by suffix.
FORMATS: Mapping[str, _Writer] = MappingProxyType({".parquet": _parquet, ".npy": _array})

"""Embeddings on disk: with their ROIs in one Parquet file, or as an array with a table beside."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.atomic import replacing
from darksound.errors import RunError
from darksound.runs.contents import write_array, write_parquet

__all__ = ["FORMATS", "write_embeddings"]

_COLUMNS = ["roi_id", "recording", "start_s", "end_s", "label"]

_Writer = Callable[[Path, pd.DataFrame, npt.NDArray[np.float32]], None]


def write_embeddings(path: Path, table: pd.DataFrame, embeddings: npt.NDArray[np.float32]) -> None:
    """Write embeddings in the format that the suffix of `path` names.

    Args:
        path: `.parquet`: columns roi_id, recording, start_s, end_s, label, and `embedding`, a
            list of fixed length; `.npy`: the array, with those columns in `NAME.rois.parquet`.
        table: the ROI table, `n` rows.
        embeddings: `(n, dim)`.

    Raises:
        RunError: there is no such format, or the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise RunError(f"Embeddings cannot be written as {path}; use {' or '.join(FORMATS)}.")
    FORMATS[path.suffix](path, table[_COLUMNS], embeddings)


def _parquet(path: Path, table: pd.DataFrame, embeddings: npt.NDArray[np.float32]) -> None:
    values = pa.array(np.ascontiguousarray(embeddings).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(values, embeddings.shape[1])
    columns = pa.Table.from_pandas(table, preserve_index=False)
    with replacing(path) as beside:
        pq.write_table(columns.append_column("embedding", vectors), beside)


def _array(path: Path, table: pd.DataFrame, embeddings: npt.NDArray[np.float32]) -> None:
    write_parquet(path.with_name(f"{path.stem}.rois.parquet"), table)
    write_array(path, embeddings)


#: Writers by suffix.
FORMATS: Mapping[str, _Writer] = MappingProxyType({".parquet": _parquet, ".npy": _array})

"""Writers of single files: JSON, CSV, Parquet, arrays, tables of ROIs and of embeddings."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.atomic import replacing, write_text
from darksound.errors import RunError
from darksound.rois.roi_set import Problem, write_roi_table
from darksound.rois.spreadsheets import csv_text, unescape
from darksound.text import library_path, valid_text

__all__ = [
    "EMBEDDING_FORMATS",
    "PROBLEMS_FILE",
    "ROI_FORMATS",
    "as_json",
    "read_problems",
    "table_beside",
    "write_array",
    "write_csv",
    "write_embeddings",
    "write_json",
    "write_parquet",
    "write_problems",
    "write_roi_parquet",
]


#: Inputs of a run that were left out or used in part, with the causes.
PROBLEMS_FILE = "errors.csv"


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON, keys in the given order; NaN and infinities become null."""
    write_text(path, json.dumps(as_json(content), indent=2, ensure_ascii=False) + "\n")


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write a `.npy` file that `numpy.load` opens without pickle."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV as `darksound.rois.spreadsheets.csv_text` returns it."""
    write_text(path, csv_text(table))


def write_parquet(path: Path, table: pd.DataFrame, schema: pa.Schema | None = None) -> None:
    """Write a Parquet file without the index, with the column types of `schema` if given."""
    content = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
    with replacing(path) as temporary, library_path(temporary, "wb") as file:
        pq.write_table(content, file)


def write_roi_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a ROI table as Parquet with exactly the ROI schema."""
    with replacing(path) as temporary:
        write_roi_table(table, temporary)


#: Writers of a ROI table by suffix.
ROI_FORMATS: dict[str, Callable[[Path, pd.DataFrame], None]] = {
    ".parquet": write_roi_parquet,
    ".csv": write_csv,
}


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write skipped inputs and the causes as CSV; remove the file where there are none."""
    if problems:
        rows = {(p.recording, p.cause): None for p in problems}
        write_csv(path, pd.DataFrame(list(rows), columns=["recording", "cause"]))
    else:
        path.unlink(missing_ok=True)


def read_problems(path: Path) -> tuple[Problem, ...]:
    """Return the skipped inputs that `write_problems` wrote; none where there is no file.

    Raises:
        KeyError, ValueError, csv.Error: the file is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["recording"], row["cause"]) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return ()
    if any(None in row for row in rows):
        raise ValueError("a row has too few cells")
    return tuple(Problem(*map(unescape, row)) for row in rows)


def as_json(value: Any) -> Any:
    """Return a value as JSON holds it: no arrays, NaN and infinities as null, and valid text."""
    if isinstance(value, dict):
        return {valid_text(str(key)): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, str):
        return valid_text(value)
    return value


_COLUMNS = ["roi_id", "recording", "start_s", "end_s", "label"]

_Parts = Iterable[npt.NDArray[np.float32]]
_Writer = Callable[[Path, pd.DataFrame, int, _Parts], None]


def write_embeddings(path: Path, table: pd.DataFrame, dim: int, parts: _Parts) -> None:
    """Write embeddings in the format of the suffix, one part after the other.

    Args:
        path: `.parquet`: columns roi_id, recording, start_s, end_s, label, and `embedding`, a
            list of fixed length; `.npy`: the array, with those columns in `NAME.rois.parquet`.
        table: the ROI table, `n` rows.
        dim: length of an embedding.
        parts: consecutive rows, float32 `(m, dim)`, `n` rows in total.

    Raises:
        RunError: the suffix is not supported, or the file cannot be written.
    """
    if path.suffix not in EMBEDDING_FORMATS:
        raise RunError(
            f"Embeddings cannot be written as {path}; use {' or '.join(EMBEDDING_FORMATS)}."
        )
    EMBEDDING_FORMATS[path.suffix](path, table[_COLUMNS], dim, parts)


def _write_embeddings_parquet(path: Path, table: pd.DataFrame, dim: int, parts: _Parts) -> None:
    metadata = pa.Table.from_pandas(table, preserve_index=False)
    vector = pa.list_(pa.float32(), dim)
    schema, start = metadata.schema.append(pa.field("embedding", vector)), 0
    with (
        replacing(path) as temporary,
        library_path(temporary, "wb") as file,
        pq.ParquetWriter(file, schema) as writer,
    ):
        for part in parts:
            values = pa.array(np.ascontiguousarray(part).reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(values, type=vector)
            rows = metadata.slice(start, len(part))
            writer.write_table(rows.append_column(schema.field("embedding"), column))
            start += len(part)


def _write_embeddings_npy(path: Path, table: pd.DataFrame, dim: int, parts: _Parts) -> None:
    write_parquet(table_beside(path), table)
    with replacing(path) as temporary, temporary.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(table), dim)}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, "<f4").data)


def table_beside(path: Path) -> Path:
    """Return the path of the table beside embeddings in a `.npy` file."""
    return path.with_name(f"{path.stem}.rois.parquet")


#: Writers of embeddings by suffix.
EMBEDDING_FORMATS: dict[str, _Writer] = {
    ".parquet": _write_embeddings_parquet,
    ".npy": _write_embeddings_npy,
}

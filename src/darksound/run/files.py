"""The state of a MEC run on disk: one file, so that it is whole or the one before."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from darksound.atomic import replacing, write_bytes, write_text
from darksound.cluster.state import MecState
from darksound.errors import RunError
from darksound.rois.roi_set import write_roi_table

__all__ = [
    "EMBEDDING_FORMATS",
    "ROI_FORMATS",
    "read_mec_state",
    "write_array",
    "write_csv",
    "write_embeddings",
    "write_json",
    "write_mec_state",
    "write_parquet",
]


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented, keys in the order given; a NaN becomes null."""
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n")


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write a `.npy` file that `numpy.load` opens without pickle."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV with a header and no index; missing values are empty."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet file without pandas' index."""
    with replacing(path) as beside:
        table.to_parquet(beside, index=False, engine="pyarrow")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _rois_as_parquet(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as beside:
        write_roi_table(table, beside)


#: Writers by suffix; a file is whole or not there.
ROI_FORMATS: Mapping[str, Callable[[Path, pd.DataFrame], None]] = MappingProxyType(
    {".parquet": _rois_as_parquet, ".csv": write_csv}
)


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
    if path.suffix not in EMBEDDING_FORMATS:
        raise RunError(
            f"Embeddings cannot be written as {path}; use {' or '.join(EMBEDDING_FORMATS)}."
        )
    EMBEDDING_FORMATS[path.suffix](path, table[_COLUMNS], dim, parts)


def _embeddings_as_parquet(path: Path, table: pd.DataFrame, dim: int, parts: _Parts) -> None:
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
EMBEDDING_FORMATS: Mapping[str, _Writer] = MappingProxyType(
    {".parquet": _embeddings_as_parquet, ".npy": _array}
)


_META = "state"
_ARRAY = "array:"


def write_mec_state(path: Path, state: MecState) -> None:
    """Write the state after an iteration.

    Raises:
        RunError: the disk is full, or the folder cannot be written to.
    """
    meta, arrays, tensors = state.to_parts()
    packed = {name: value.contiguous() for name, value in tensors.items()}
    packed |= {f"{_ARRAY}{name}": torch.tensor(value) for name, value in arrays.items()}
    content = save(packed, metadata={_META: json.dumps(meta)})
    write_bytes(path, content)


def read_mec_state(path: Path) -> MecState | None:
    """The state that was written last, or None where no iteration was finished.

    Raises:
        RunError: the file is damaged, or of another version.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads(file.metadata()[_META])
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}); start the run anew.") from None
    arrays = {
        name.removeprefix(_ARRAY): value.numpy()
        for name, value in found.items()
        if name.startswith(_ARRAY)
    }
    tensors = {name: value for name, value in found.items() if not name.startswith(_ARRAY)}
    return MecState.from_parts(meta, arrays, tensors)

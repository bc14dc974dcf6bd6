"""Whole files of what a run leaves behind: JSON, arrays and tables."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.atomic import replacing, write_text

__all__ = ["write_array", "write_csv", "write_json", "write_parquet"]


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

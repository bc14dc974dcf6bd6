"""Readers of the tables and arrays of a MEC run, which check what they read.

Results are opened by scripts, spreadsheets and synchronised folders, so that a file may be damaged,
or be that of another run. What does not have the form that darksound writes is an error.
"""

import csv
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from darksound.cluster.metrics import NOISE
from darksound.cluster.result import CLUSTER_SCHEMA
from darksound.errors import InputError, RunError
from darksound.run.files import write_parquet
from darksound.system_errors import check_readable
from darksound.text import library_path

__all__ = [
    "check_tree",
    "damage_of",
    "read_clusters",
    "read_embeddings",
    "read_iterations",
    "read_map_before",
    "read_tree",
    "write_tree",
]

# Libraries raise any of these for content that is not what they expect.
_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    InputError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    csv.Error,
    tokenize.TokenError,
    pa.ArrowException,
)
# Numbers of clusters above this are not those of a run, and arrays of this length still fit.
_MAX_CLUSTER = 10_000_000
_TREE_COLUMNS = ("left", "right", "height", "size")


@contextmanager
def damage_of(path: Path) -> Iterator[None]:
    """Turn the errors of reading a file of a run into one that names it.

    Raises:
        RunError: the file cannot be read, or is damaged.
    """
    try:
        yield
    except _ERRORS as error:
        check_readable(path, error, RunError)
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(
            f"{path} is damaged ({cause.rstrip('.')}); restore it from a copy, or run darksound "
            f"mec again."
        ) from None


def read_clusters(path: Path) -> pd.DataFrame:
    """Return the table of clusters, columns of `CLUSTER_SCHEMA`.

    In runs of earlier versions, which have no superclusters, each cluster is one of its own; and
    no stability is known.

    Raises:
        RunError: the file is damaged.
    """
    with damage_of(path), library_path(path) as file:
        table = pq.read_table(file).to_pandas()
        if "supercluster" not in table.columns and "cluster" in table.columns:
            table["supercluster"] = table["cluster"]
        if "stability" not in table.columns:
            table["stability"] = np.nan
        missing = [name for name in CLUSTER_SCHEMA.names if name not in table.columns]
        if missing:
            raise ValueError(f"it lacks the column(s) {', '.join(missing)}")
        for field in CLUSTER_SCHEMA:
            _check_column(table[field.name], field)
        if not table["probability"].between(0, 1).all():
            raise ValueError("a probability is not between 0 and 1")
        # Parquet returns a nullable integer column with missing values as floats.
        types = {"cluster": "int64", "assigned_cluster": "Int64", "supercluster": "int64"}
        clusters: pd.DataFrame = table.astype(types)
        return clusters


def _check_column(values: "pd.Series[Any]", field: pa.Field) -> None:
    missing = values.isna()
    if pa.types.is_string(field.type):
        if not values.map(lambda value: isinstance(value, str)).all():
            raise ValueError(f"{field.name} is not text")
        return
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if not (numeric or missing.all()):
        raise ValueError(f"{field.name} is not a number")
    if not field.nullable and missing.any():
        raise ValueError(f"{field.name} is missing in {int(missing.sum())} rows")
    present = values[~missing].to_numpy(np.float64)
    if not np.isfinite(present).all():
        raise ValueError(f"{field.name} is infinite")
    if pa.types.is_integer(field.type):
        known = (present == np.round(present)) & (present >= NOISE) & (present <= _MAX_CLUSTER)
        if not known.all():
            raise ValueError(f"{field.name} has numbers that are no clusters")


def read_iterations(path: Path) -> pd.DataFrame:
    """Return the table of iterations; `kept` is boolean, and true for one of them.

    Raises:
        RunError: the file is damaged.
    """
    with damage_of(path):
        # pandas' own parser may change the last digit of a number.
        table = pyarrow.csv.read_csv(pa.BufferReader(path.read_bytes()))
        for field in table.schema:
            if not (
                pa.types.is_null(field.type)
                or pa.types.is_integer(field.type)
                or pa.types.is_floating(field.type)
                or (field.name == "kept" and pa.types.is_boolean(field.type))
            ):
                raise ValueError(f"{field.name} is not a number")
        fields = [
            field.with_type(pa.float64()) if pa.types.is_null(field.type) else field
            for field in table.schema
        ]
        iterations: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas().astype({"kept": bool})
        if int(iterations["kept"].sum()) != 1:
            raise ValueError("not exactly one iteration is the kept one")
        if iterations["iteration"].tolist() != list(range(len(iterations))):
            raise ValueError("its iterations are not numbered from 0")
        return iterations


def read_embeddings(path: Path) -> npt.NDArray[np.floating[Any]]:
    """Return the embeddings `(n, dim)`, memory-mapped.

    Raises:
        RunError: the file is damaged.
    """
    with damage_of(path):
        array = np.lib.format.open_memmap(path, mode="r")
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"it holds {array.dtype} of shape {array.shape}, not vectors")
        return array


def read_map_before(path: Path, roi_ids: "pd.Series[str]") -> npt.NDArray[np.float32] | None:
    """Return the map coordinates `(n, 2)` of iteration 0; None where there is no such file.

    Raises:
        RunError: the file is damaged, or of other ROIs.
    """
    if not path.exists():
        return None
    with damage_of(path), library_path(path) as file:
        points = pq.read_table(file).to_pandas()
        if points["roi_id"].tolist() != roi_ids.tolist():
            raise ValueError("it is not of the ROIs of this run")
        coordinates: npt.NDArray[np.float32] = points[["x", "y"]].to_numpy(np.float32)
        return coordinates


def write_tree(path: Path, tree: npt.NDArray[np.float64]) -> None:
    """Write merges `(m - 1, 4)` as in SciPy's `linkage`, columns `left, right, height, size`.

    Raises:
        RunError: the file cannot be written.
    """
    columns = dict(zip(_TREE_COLUMNS, tree.T, strict=True))
    whole = {name: columns[name].astype(np.int64) for name in ("left", "right", "size")}
    write_parquet(path, pd.DataFrame({**columns, **whole}))


def read_tree(path: Path, clusters: pd.DataFrame) -> npt.NDArray[np.float64] | None:
    """Return the merges `(m - 1, 4)` of ROIs or clusters; None where there is no such file.

    Args:
        path: the file.
        clusters: one row a ROI, with its `cluster`.

    Raises:
        RunError: the file is damaged, or of other ROIs.
    """
    if not path.exists():
        return None
    with damage_of(path), library_path(path) as file:
        table = pq.read_table(file).to_pandas()
        tree: npt.NDArray[np.float64] = table[list(_TREE_COLUMNS)].to_numpy(np.float64)
        leaves = len(tree) + 1
        if leaves != len(clusters) and leaves != max(1, int(clusters["cluster"].max()) + 1):
            raise ValueError("it is neither of the ROIs nor of the clusters of this run")
        check_tree(tree)
        return tree


def check_tree(tree: npt.NDArray[np.float64]) -> None:
    """Raise ValueError for merges that are not those of a tree."""
    n = len(tree) + 1
    nodes = np.sort(tree[:, :2].ravel())
    later = (tree[:, :2] >= n + np.arange(n - 1)[:, None]).any()
    if not np.array_equal(nodes, np.arange(2 * n - 2)) or later or not np.isfinite(tree).all():
        raise ValueError("its merges are not those of a tree")

"""Tables of effort and of sites: which recordings were looked at, and where they were made.

A ROI table has no row for a recording without a ROI. Whether nothing was found, or nobody looked,
is in the table of effort, with one row a recording.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.errors import InputError
from darksound.rois.roi_set import RoiSet, as_text
from darksound.text import library_path

__all__ = [
    "EFFORT_SCHEMA",
    "SITE_SCHEMA",
    "as_effort_table",
    "as_site_table",
    "counted_effort",
    "current_effort",
    "merged_effort",
    "read_columns",
]

#: One row a recording that was looked at, also those without a ROI. `recorded_at` is its start as
#: in the ROI table. `duration_s` is its length by its header, `used_s` the seconds in which ROIs
#: were searched for, and `lost_s` those that are missing, could not be read or have no sound at
#: all; length and loss are missing where the header cannot be read. `quality_flags` are the
#: flags seen in any of its chunks, `rain_share` and `wind_share` the shares of its seconds in
#: chunks with that flag; they are known after segmentation only. `n_rois` counts its ROIs.
EFFORT_SCHEMA = pa.schema(
    [
        pa.field("root", pa.string(), nullable=False),
        pa.field("recording", pa.string(), nullable=False),
        pa.field("site", pa.string()),
        pa.field("recorder", pa.string()),
        pa.field("recorded_at", pa.string()),
        pa.field("duration_s", pa.float64()),
        pa.field("used_s", pa.float64(), nullable=False),
        pa.field("lost_s", pa.float64()),
        pa.field("quality_flags", pa.string()),
        pa.field("rain_share", pa.float64()),
        pa.field("wind_share", pa.float64()),
        pa.field("n_rois", pa.int64(), nullable=False),
    ]
)

#: One row a site: coordinates in degrees (WGS 84), first and last time of the deployment (ISO
#: 8601), name of the time zone; then any covariates, numbers or text, which have no type here.
SITE_SCHEMA = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("latitude", pa.float64()),
        pa.field("longitude", pa.float64()),
        pa.field("start", pa.string()),
        pa.field("end", pa.string()),
        pa.field("time_zone", pa.string()),
    ]
)

_KEYS = ["root", "recording"]


def as_effort_table(columns: pd.DataFrame | dict[str, Any]) -> pd.DataFrame:
    """Return a table with exactly the columns of `EFFORT_SCHEMA`, index 0..n-1.

    Args:
        columns: at least `root` and `recording`. Without `used_s` or `n_rois`, these are 0; other
            columns are missing.
    """
    return _typed(columns, EFFORT_SCHEMA)


def as_site_table(columns: pd.DataFrame | dict[str, Any]) -> pd.DataFrame:
    """Return a table with the columns of `SITE_SCHEMA` first, then all others as covariates.

    Args:
        columns: at least `site`.
    """
    table = pd.DataFrame(columns).reset_index(drop=True)
    known = _typed(table, SITE_SCHEMA)
    return pd.concat([known, table.drop(columns=known.columns, errors="ignore")], axis=1)


def _typed(columns: pd.DataFrame | dict[str, Any], schema: pa.Schema) -> pd.DataFrame:
    table = pd.DataFrame(columns).reset_index(drop=True)
    out = pd.DataFrame(index=table.index)
    for column in schema:
        values = table.get(column.name, pd.Series(np.nan, table.index))
        if pa.types.is_string(column.type):
            out[column.name] = as_text(values)
        elif pa.types.is_integer(column.type):
            out[column.name] = values.fillna(0).astype("int64")
        else:
            numbers = values.astype("float64")
            out[column.name] = numbers if column.nullable else numbers.fillna(0.0)
    return out


def counted_effort(effort: pd.DataFrame, rois: pd.DataFrame) -> pd.DataFrame:
    """Return a table of effort with the number of ROIs of each recording as it is now.

    Args:
        effort: columns of `EFFORT_SCHEMA`.
        rois: the ROI table.
    """
    counts = rois.groupby(_KEYS).size().rename("n_rois").reset_index()
    merged = effort.drop(columns="n_rois").merge(counts, on=_KEYS, how="left", validate="m:1")
    return as_effort_table(merged)


def current_effort(rois: RoiSet) -> pd.DataFrame | None:
    """Return the effort of a set with the number of its ROIs; None where it is not known."""
    return None if rois.effort is None else counted_effort(rois.effort, rois.table)


def merged_effort(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Return the effort of several sources as one table; None without any.

    A recording of several sources has one row, with the longest time that was used.
    """
    known = [table for table in tables if table is not None]
    if not known:
        return None
    table = pd.concat(known, ignore_index=True)
    first = table.sort_values("used_s", ascending=False, kind="stable").drop_duplicates(_KEYS)
    return as_effort_table(first.sort_index())


def read_columns(path: Path, schema: pa.Schema) -> pd.DataFrame | None:
    """Return the table in a Parquet file that has the columns of a schema; None without a file.

    Raises:
        InputError: the file is not such a table.
    """
    if not path.exists():
        return None
    with library_path(path) as file:
        table = pq.read_table(file).to_pandas()
    missing = [name for name in schema.names if name not in table.columns]
    if missing:
        raise InputError(f"it lacks the column(s) {', '.join(missing)}")
    return as_effort_table(table) if schema is EFFORT_SCHEMA else as_site_table(table)

"""One table of all ROIs and their clusters, as CSV or Parquet."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.report.exports.base import ExportContent, ExportCounts, in_chunks, provenance
from darksound.report.site_clock import SiteClock
from darksound.rois.roi_set import SCHEMA
from darksound.rois.spreadsheets import csv_text
from darksound.text import library_path

__all__ = ["CsvTable", "ParquetTable"]

_STAGE = "table"
_FIELDS = pa.schema(
    [
        *SCHEMA,
        pa.field("cluster", pa.int64()),
        pa.field("supercluster", pa.int64()),
        pa.field("group", pa.int64()),
        pa.field("name", pa.string()),
        pa.field("probability", pa.float64()),
        pa.field("outlier_score", pa.float64()),
        pa.field("assigned_cluster", pa.int64()),
        pa.field("assigned_probability", pa.float64()),
        pa.field("x", pa.float32()),
        pa.field("y", pa.float32()),
        # Of the start of the ROI, by the clock of its site.
        pa.field("date", pa.string()),
        pa.field("time", pa.string()),
        # Effort of its recording.
        pa.field("recording_s", pa.float64()),
        pa.field("used_s", pa.float64()),
        pa.field("lost_s", pa.float64()),
        pa.field("rain_share", pa.float64()),
        pa.field("wind_share", pa.float64()),
    ]
)
_KEYS = ["root", "recording"]
_EFFORT = {
    "duration_s": "recording_s",
    **{name: name for name in ("used_s", "lost_s", "rain_share", "wind_share")},
}
# Excel takes a CSV file without it for one in the code page of the country.
_BYTE_ORDER_MARK = "\ufeff"
_NS = 1_000_000_000


@dataclass(frozen=True)
class CsvTable:
    """CSV with run, settings hash and version in every row (see `Exporter`)."""

    suffix: ClassVar[str | None] = ".csv"
    hint: ClassVar[str] = "Any spreadsheet, R and pandas open it; --data takes it too."

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write one row a ROI, with the root of its recording as in the ROI table.

        The file begins with a byte order mark, so that Excel shows accents, unless it is for
        programs.
        """
        source = dict(provenance(content.result))
        done = 0
        content.progress(_STAGE, 0, len(content.table))
        with target.open("w", encoding="utf-8", newline="") as file:
            file.write("" if content.raw_csv else _BYTE_ORDER_MARK)
            for part in in_chunks(_table(content)):
                part = part.assign(**source)
                file.write(csv_text(part, header=done == 0, raw=content.raw_csv))
                done += len(part)
                content.progress(_STAGE, done, len(content.table))
        return ExportCounts(1, done)


@dataclass(frozen=True)
class ParquetTable:
    """Parquet with run, settings hash and version in its metadata (see `Exporter`)."""

    suffix: ClassVar[str | None] = ".parquet"
    hint: ClassVar[str] = "pandas, Arrow, DuckDB and R open it; --data takes it too."

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write one row a ROI, in row groups."""
        source = provenance(content.result)
        metadata = {f"darksound.{k.removeprefix('darksound_')}": v for k, v in source.items()}
        schema = _FIELDS.with_metadata(metadata)
        done = 0
        content.progress(_STAGE, 0, len(content.table))
        with library_path(target, "wb") as file, pq.ParquetWriter(file, schema) as writer:
            for part in in_chunks(_table(content)):
                writer.write_table(_arrow(part, schema))
                done += len(part)
                content.progress(_STAGE, done, len(content.table))
        return ExportCounts(1, done)


def _table(content: ExportContent) -> pd.DataFrame:
    """Return the ROIs with their own date and time, and with the effort of their recordings."""
    table, effort = content.table, content.result.effort
    clock = SiteClock(table, content.result.sites)
    starts = clock.starts + np.round(table["start_s"].to_numpy() * _NS).astype(np.int64)
    times = pd.Series(clock.local(np.arange(len(table)), starts), table.index)
    known = times.where(clock.is_known)
    table = table.assign(
        date=known.dt.strftime("%Y-%m-%d"), time=known.dt.floor("s").dt.strftime("%H:%M:%S")
    )
    if effort is None:
        return table.reindex(columns=_FIELDS.names)
    of_recordings = effort[[*_KEYS, *_EFFORT]].rename(columns=_EFFORT)
    return table.merge(of_recordings, on=_KEYS, how="left").reindex(columns=_FIELDS.names)


def _arrow(part: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    table = pa.Table.from_pandas(part, schema=schema, preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)

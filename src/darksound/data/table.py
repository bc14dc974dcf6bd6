"""The ROI table: its columns, its identifiers and its files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.errors import InputError

__all__ = ["SCHEMA", "as_roi_table", "read_roi_table", "roi_ids", "write_roi_table"]

#: One row a ROI. `root` says what `recording` is relative to: a folder, or `demo:<split>`.
#: `recorded_at` is when the recording (not the ROI) starts, ISO 8601, with an offset from UTC only
#: where the recorder gave one; `recorder` and `gain` are in its words; `flags` are those of the
#: chunk that the ROI lies in, separated by spaces.
SCHEMA = pa.schema(
    [
        pa.field("roi_id", pa.string(), nullable=False),
        pa.field("root", pa.string(), nullable=False),
        pa.field("recording", pa.string(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64(), nullable=False),
        pa.field("low_hz", pa.float32()),
        pa.field("high_hz", pa.float32()),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
        pa.field("snr_db", pa.float32()),
        pa.field("recorded_at", pa.string()),
        pa.field("recorder", pa.string()),
        pa.field("gain", pa.string()),
        pa.field("flags", pa.string()),
    ]
)
_PANDAS = {"string": "str", "double": "float64", "float": "float32"}


def roi_ids(
    recordings: Sequence[str],
    starts: npt.ArrayLike,
    ends: npt.ArrayLike,
    lows: npt.ArrayLike = np.nan,
    highs: npt.ArrayLike = np.nan,
) -> list[str]:
    """Stable ids: a hash of the recording's relative path, start and end in microseconds.

    Frequency bounds, in Hz, are hashed too where both are known: two ROIs may sound at once.
    """
    count = len(recordings)
    start_us = np.round(np.asarray(starts, dtype=np.float64) * 1e6).astype(np.int64)
    end_us = np.round(np.asarray(ends, dtype=np.float64) * 1e6).astype(np.int64)
    low = np.broadcast_to(np.asarray(lows, dtype=np.float32), count).tolist()
    high = np.broadcast_to(np.asarray(highs, dtype=np.float32), count).tolist()
    texts = [
        f"{name}\0{start}\0{end}" + ("" if np.isnan(a + b) else f"\0{a:.3f}\0{b:.3f}")
        for name, start, end, a, b in zip(recordings, start_us, end_us, low, high, strict=True)
    ]
    return [hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in texts]


def as_roi_table(columns: pd.DataFrame | dict[str, Any]) -> pd.DataFrame:
    """A table with all columns of `SCHEMA` and nothing else, ids made where they are missing.

    Args:
        columns: at least `root`, `recording`, `start_s` and `end_s`.

    Raises:
        InputError: a required column is missing, times are not finite, or end before start.
    """
    given = pd.DataFrame(columns).reset_index(drop=True)
    missing = [n for n in ("root", "recording", "start_s", "end_s") if n not in given.columns]
    if missing:
        raise InputError(f"The ROI table lacks the column(s) {', '.join(missing)}.")
    out = pd.DataFrame(index=given.index)
    for field in SCHEMA:
        values = given[field.name] if field.name in given.columns else None
        if values is None:
            values = pd.Series(np.nan if pa.types.is_floating(field.type) else None, given.index)
        out[field.name] = values.astype(cast(Any, _PANDAS[str(field.type)]))
    bad = ~(np.isfinite(out["start_s"]) & (out["end_s"] > out["start_s"]) & (out["start_s"] >= 0))
    if bad.any():
        row = out[bad].iloc[0]
        raise InputError(
            f"{row['recording']}: a ROI from {row['start_s']} to {row['end_s']} s is impossible; "
            f"times must be finite, not negative, and end after they start "
            f"({int(bad.sum())} such rows)."
        )
    without = out["roi_id"].isna()
    if without.any():
        rows = out[without]
        out.loc[without, "roi_id"] = roi_ids(
            rows["recording"].tolist(),
            rows["start_s"],
            rows["end_s"],
            rows["low_hz"],
            rows["high_hz"],
        )
    return out


def write_roi_table(table: pd.DataFrame, path: Path) -> None:
    """Write the table as Parquet with exactly `SCHEMA`."""
    pq.write_table(pa.Table.from_pandas(table, schema=SCHEMA, preserve_index=False), path)


def read_roi_table(path: Path) -> pd.DataFrame:
    """Read a table that `write_roi_table` wrote.

    Raises:
        InputError: the file is missing or no ROI table.
    """
    try:
        return as_roi_table(pq.read_table(path).to_pandas())
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"Cannot read the ROI table {path}: {error}") from None

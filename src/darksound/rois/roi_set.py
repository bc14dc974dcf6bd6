"""A set of ROIs: the table, how to hear its rows, and what was left out while making it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.audio.files import AudioInfo
from darksound.errors import InputError

__all__ = [
    "SCHEMA",
    "Problem",
    "Reader",
    "RoiSet",
    "as_roi_table",
    "read_roi_table",
    "roi_ids",
    "write_roi_table",
]

#: One row a ROI. `root` says what `recording` is relative to: a folder, or `demo:<split>`.
#: `recorded_at` is when the recording (not the ROI) starts, ISO 8601, with an offset from UTC only
#: where the recorder gave one; `recorder` and `gain` are in its words; `quality_flags` are those of the
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
        pa.field("quality_flags", pa.string()),
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
    for column in SCHEMA:
        values = given[column.name] if column.name in given.columns else None
        if values is None:
            values = pd.Series(np.nan if pa.types.is_floating(column.type) else None, given.index)
        out[column.name] = values.astype(cast(Any, _PANDAS[str(column.type)]))
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


class Reader(Protocol):
    """Sound by recording and time, whatever keeps it: files, or a synthesiser."""

    def read(
        self, root: str, recording: str, start_s: float, end_s: float, rate: int | None
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Mono samples `(n,)` of a stretch and their rate, resampled to `rate` unless None.

        Raises:
            InputError: the recording cannot be read, or holds no usable samples there.
        """

    def stamp(self, root: str, recording: str) -> str:
        """What changes when the recording does: for a file its size and time."""

    def info(self, root: str, recording: str) -> AudioInfo:
        """Length, rate and channels of the recording.

        Raises:
            InputError: the recording is missing or no sound.
        """


@dataclass(frozen=True)
class Problem:
    """An input that was left out, and why."""

    recording: str
    cause: str


@dataclass(frozen=True)
class RoiSet:
    """The one currency between rooms; arrays travel beside it, row i being row i of `table`.

    Attributes:
        table: rows as in `darksound.rois.roi_set.SCHEMA`, index 0..n-1.
        reader: how to hear them.
        problems: inputs that were left out on the way here.
    """

    table: pd.DataFrame
    reader: Reader
    problems: tuple[Problem, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.table)

    def take(
        self, rows: npt.NDArray[np.int64] | Sequence[int], problems: Sequence[Problem] = ()
    ) -> "RoiSet":
        """The set of these rows, in this order, with more problems noted."""
        table = self.table.iloc[np.asarray(rows, dtype=np.int64)].reset_index(drop=True)
        return RoiSet(table, self.reader, (*self.problems, *problems))

    @property
    def durations(self) -> npt.NDArray[np.float64]:
        """Seconds that each ROI lasts, `(n,)`."""
        start, end = (self.table[key].to_numpy(dtype=np.float64) for key in ("start_s", "end_s"))
        lasted: npt.NDArray[np.float64] = end - start
        return lasted

    @property
    def labels(self) -> npt.NDArray[np.object_] | None:
        """Labels `(n,)`, None where a ROI has none; None altogether when no ROI has one."""
        column = self.table["label"]
        if column.isna().all():
            return None
        return column.astype(object).where(column.notna(), None).to_numpy()

"""A set of ROIs: its table, the reader of its sound, and unusable inputs; text in tables."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.audio.files import AudioInfo
from darksound.audio.names import composed
from darksound.errors import InputError
from darksound.settings.audio import ChannelMix
from darksound.system_errors import check_readable
from darksound.text import library_path, valid_text

__all__ = [
    "SCHEMA",
    "TEXT_DTYPE",
    "Problem",
    "Reader",
    "RoiSet",
    "as_roi_table",
    "as_text",
    "clean_labels",
    "read_roi_table",
    "roi_ids",
    "with_distinct_ids",
    "write_roi_table",
]

_PANDAS_3 = int(pd.__version__.partition(".")[0]) >= 3

#: Type of columns of text or missing values: pandas 3 has one for text; with pandas 2, `str` would
#: turn missing values into the text "nan" or "None".
TEXT_DTYPE: Any = "str" if _PANDAS_3 else object


def as_text(values: "pd.Series[Any]") -> "pd.Series[str]":
    """Return values as text; missing values stay missing."""
    if _PANDAS_3:
        return values.astype("str")
    # The column may be of a type that cannot hold text, such as a category.
    text: pd.Series[Any] = values.astype(object).map(str, na_action="ignore").astype(object)
    return text.where(text.notna(), np.nan)


#: One row a ROI. `recording` is relative to `root`, which is a folder or `demo:<split>`. `site` is
#: the place of the recording, where it is known.
#: `recorded_at` is the start of the recording (not of the ROI), ISO 8601, with an offset from UTC
#: only if the recorder wrote one. `recorder` and `gain` are copied from the recorder.
#: `quality_flags` are the flags of the chunk that the ROI lies in, separated by spaces.
#: Segmentation adds the loudest frequency, whether the ROI is part of a chorus, the probability
#: that it is an animal's call, and the `start-end` of each unit in seconds of the recording,
#: separated by spaces, of a ROI of several units.
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
        pa.field("site", pa.string()),
        pa.field("recorded_at", pa.string()),
        pa.field("recorder", pa.string()),
        pa.field("gain", pa.string()),
        pa.field("quality_flags", pa.string()),
        pa.field("peak_hz", pa.float32()),
        pa.field("chorus", pa.bool_()),
        pa.field("call_score", pa.float32()),
        pa.field("units", pa.string()),
    ]
)
# Types in pandas of columns that are not text; `boolean` may have missing values.
_DTYPES: dict[str, Any] = {"double": "float64", "float": "float32", "bool": "boolean"}
# Blanks that do not break a line are blanks; marks without a width are none.
_BLANKS = dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ") | dict.fromkeys(
    map(ord, "\u200b\u2060\ufeff")
)


def roi_ids(
    recordings: Sequence[str],
    starts: npt.ArrayLike,
    ends: npt.ArrayLike,
    lows: npt.ArrayLike = np.nan,
    highs: npt.ArrayLike = np.nan,
) -> list[str]:
    """Return stable ids `(n,)`: hashes of the recording's relative path, start and end.

    Both forms of a name with accents, composed and decomposed, give the same ids.

    Times are in seconds and hashed in microseconds. Frequency bounds, in Hz, are hashed too where
    both are known, because two ROIs may overlap in time.
    """
    count = len(recordings)
    start_us = np.round(np.asarray(starts, dtype=np.float64) * 1e6).astype(np.int64)
    end_us = np.round(np.asarray(ends, dtype=np.float64) * 1e6).astype(np.int64)
    low = np.broadcast_to(np.asarray(lows, dtype=np.float32), count).tolist()
    high = np.broadcast_to(np.asarray(highs, dtype=np.float32), count).tolist()
    texts = [
        f"{composed(name)}\0{start}\0{end}" + ("" if np.isnan(a + b) else f"\0{a:.3f}\0{b:.3f}")
        for name, start, end, a, b in zip(recordings, start_us, end_us, low, high, strict=True)
    ]
    return [hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in texts]


def as_roi_table(columns: pd.DataFrame | dict[str, Any]) -> pd.DataFrame:
    """Return a table with exactly the columns of `SCHEMA`; missing ids are computed.

    Args:
        columns: at least `root`, `recording`, `start_s` and `end_s`.

    Raises:
        InputError: a required column is missing, times are not finite, or a ROI ends before it
            starts.
    """
    table = pd.DataFrame(columns).reset_index(drop=True)
    missing = [n for n in ("root", "recording", "start_s", "end_s") if n not in table.columns]
    if missing:
        raise InputError(f"The ROI table lacks the column(s) {', '.join(missing)}.")
    out = pd.DataFrame(index=table.index)
    for column in SCHEMA:
        values = table.get(column.name, pd.Series(np.nan, table.index))
        dtype = _DTYPES.get(str(column.type))
        out[column.name] = as_text(values) if dtype is None else values.astype(dtype)
    start, end = out["start_s"], out["end_s"]
    bad = ~(np.isfinite(start) & np.isfinite(end) & (end > start) & (start >= 0))
    if bad.any():
        row = out[bad].iloc[0]
        raise InputError(
            f"{row['recording']}: a ROI from {row['start_s']} to {row['end_s']} s is impossible; "
            f"times must be finite, not negative, and end after they start "
            f"({int(bad.sum())} such rows)."
        )
    out["label"] = clean_labels(out["label"])
    no_id = out["roi_id"].isna()
    if no_id.any():
        out.loc[no_id, "roi_id"] = _ids_of_rows(out[no_id], out["recording"][no_id])
    return with_distinct_ids(out, no_id)


def with_distinct_ids(table: pd.DataFrame, changeable: "pd.Series[bool]") -> pd.DataFrame:
    """Return the table with other ids for ROIs whose ids are equal.

    ROIs with the same times that differ in one bound get ids that hash the known bound too; ROIs of
    two roots get ids that hash the name of the root, or its whole path where names are equal.

    Args:
        table: with the columns of `SCHEMA`.
        changeable: whether the id of each row `(n,)` may be replaced.

    Raises:
        InputError: ROIs are equal, or ids that may not be replaced are.
    """
    if not table["roi_id"].duplicated().any():
        return table
    table = table.copy()
    bounds = table["low_hz"].map(str) + "\0" + table["high_hz"].map(str)
    same_root = table.duplicated(["root", "roi_id"], keep=False)
    for names, shared in (
        (table["recording"] + "\0" + bounds, same_root),
        (table["root"].map(lambda root: Path(root).name) + "/" + table["recording"], None),
        (table["root"] + "/" + table["recording"], None),
    ):
        shared = table["roi_id"].duplicated(keep=False) if shared is None else shared
        shared &= changeable
        if shared.any():
            table.loc[shared, "roi_id"] = _ids_of_rows(table[shared], names[shared])
    repeated = table["roi_id"].duplicated()
    if repeated.any():
        row = table[repeated].iloc[0]
        raise InputError(
            f"{row['recording']}: the ROI from {row['start_s']:g} to {row['end_s']:g} s has the "
            f"roi_id of another one, {row['roi_id']} ({int(repeated.sum())} such rows); every ROI "
            "may be there once."
        )
    return table


def _ids_of_rows(rows: pd.DataFrame, names: "pd.Series[str]") -> list[str]:
    columns = (rows[column] for column in ("start_s", "end_s", "low_hz", "high_hz"))
    return roi_ids(names.tolist(), *columns)


def clean_labels(labels: "pd.Series[str]") -> "pd.Series[str]":
    """Return labels without blanks around them, in composed form; missing where nothing is left.

    Otherwise `wren ` would be another class than `wren`.
    """
    cleaned = {label: _clean(label) for label in labels.dropna().unique()}
    if all(label == clean for label, clean in cleaned.items()):
        return labels
    return as_text(labels.map(cleaned))


def _clean(label: str) -> str | None:
    return unicodedata.normalize("NFC", label).translate(_BLANKS).strip() or None


def write_roi_table(table: pd.DataFrame, path: Path) -> None:
    """Write a ROI table as Parquet with exactly the columns of `SCHEMA`."""
    content = pa.Table.from_pandas(table, schema=SCHEMA, preserve_index=False)
    with library_path(path, "wb") as file:
        pq.write_table(content, file)


def read_roi_table(path: Path) -> pd.DataFrame:
    """Return the table that `write_roi_table` wrote.

    Raises:
        InputError: the file is missing or is not a ROI table.
    """
    try:
        with library_path(path) as file:
            return as_roi_table(pq.read_table(file).to_pandas())
    except (OSError, pa.ArrowInvalid) as error:
        check_readable(path, error)
        raise InputError(f"Cannot read the ROI table {path}: {error}") from None


class Reader(Protocol):
    """Reads sound by recording and time, from files or from a synthesiser."""

    def read(
        self,
        root: str,
        recording: str,
        start_s: float,
        end_s: float,
        rate: int | None,
        *,
        channel: ChannelMix = "mean",
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Return mono samples `(n,)` of a stretch and their rate in Hz.

        Samples are resampled to `rate` unless it is None. `channel` is the mean of the channels of
        the recording, or the first alone.

        Raises:
            InputError: the recording cannot be read, or has no usable samples there.
        """

    def stamp(self, root: str, recording: str) -> str:
        """Return a text that changes with the recording: for a file, its size and time."""

    def info(self, root: str, recording: str) -> AudioInfo:
        """Return length, rate and channels of the recording.

        Raises:
            InputError: the recording is missing or is not sound.
        """


@dataclass(frozen=True)
class Problem:
    """An input that was left out, and the cause.

    Attributes:
        recording: path of the recording or table.
        cause: one sentence.

    Examples:
        >>> from pathlib import Path
        >>> import darksound as ds, numpy as np, soundfile
        >>> Path("clips").mkdir()
        >>> soundfile.write("clips/song.wav", np.random.default_rng(1).normal(size=48000), 48000)
        >>> Path("clips/broken.wav").touch()
        >>> rois = ds.load_rois("clips")
        >>> len(rois)
        1
        >>> for problem in rois.problems:
        ...     print(problem.recording, problem.cause.rpartition(": ")[2])
        broken.wav empty (0 bytes); copy it again or leave it out.
    """

    recording: str
    cause: str

    def __post_init__(self) -> None:
        # Tables hold valid text only, and a cause may name a file whose name is not.
        for name in ("recording", "cause"):
            object.__setattr__(self, name, valid_text(getattr(self, name)))


@dataclass(frozen=True)
class RoiSet:
    """ROIs: a table, and the reader of their sound.

    Row i of an array that belongs to a set is row i of its `table`.

    Attributes:
        table: `n` rows with the columns of `darksound.rois.roi_set.SCHEMA`, index 0..n-1.
        reader: reads the sound of the rows.
        problems: inputs that were left out so far.
        effort: a row a recording that was looked at, columns of
            `darksound.rois.effort.EFFORT_SCHEMA`; None where it is not known.
        sites: a row a site, columns of `darksound.rois.effort.SITE_SCHEMA` and covariates; None
            where nothing but names of sites is known.

    Examples:
        >>> import darksound as ds
        >>> rois = ds.load_rois("demo:val")
        >>> len(rois), rois.durations.shape
        (120, (120,))
        >>> rois.take([0, 1]).table[["recording", "start_s", "end_s", "label"]]
                              recording  start_s  end_s        label
        0  species-041/bird-1_rec-1.wav    0.922  3.024  species-041
        1  species-041/bird-1_rec-1.wav    4.798  6.204  species-041
    """

    table: pd.DataFrame
    reader: Reader
    problems: tuple[Problem, ...] = field(default=())
    effort: pd.DataFrame | None = field(default=None, repr=False)
    sites: pd.DataFrame | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.table)

    def take(
        self, rows: npt.NDArray[np.int64] | Sequence[int], problems: Sequence[Problem] = ()
    ) -> "RoiSet":
        """Return the set of these rows, in this order, with further problems.

        Effort and sites are those of the whole set.
        """
        table = self.table.iloc[np.asarray(rows, dtype=np.int64)].reset_index(drop=True)
        return self.replace(table=table, problems=(*self.problems, *problems))

    def replace(self, **changes: Any) -> "RoiSet":
        """Return the set with other attributes; those that are not named stay."""
        return replace(self, **changes)

    @property
    def durations(self) -> npt.NDArray[np.float64]:
        """Return the duration of each ROI in seconds, `(n,)`."""
        start, end = (self.table[key].to_numpy(dtype=np.float64) for key in ("start_s", "end_s"))
        durations: npt.NDArray[np.float64] = end - start
        return durations

    @property
    def labels(self) -> npt.NDArray[np.object_] | None:
        """Return labels `(n,)`, None for ROIs without one; None if no ROI has a label."""
        column = self.table["label"]
        if column.isna().all():
            return None
        return column.astype(object).where(column.notna(), None).to_numpy()

    @property
    def compared_labels(self) -> npt.NDArray[np.object_] | None:
        """Return the labels that clusters are compared with `(n,)`.

        Returns:
            None without labels, if all labels are one, such as the name of a single folder, or if
            labels are the sites of the ROIs.
        """
        labels = self.table["label"].dropna()
        sites = self.table["site"][labels.index] if "site" in self.table else None
        if labels.nunique() < 2 or (sites is not None and (labels == sites).all()):
            return None
        return self.labels

"""Load a table of ROIs or recordings from CSV or Parquet."""

import logging
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.audio.files import AudioInfo
from darksound.errors import InputError
from darksound.parallel.workers import probe_recordings
from darksound.rois.roi_set import SCHEMA, TEXT_DTYPE, Problem, RoiSet, as_roi_table, as_text
from darksound.sources.contract import LoadOptions, Source, path_identity
from darksound.sources.recordings import with_origins
from darksound.sources.untimed import divide_files, no_usable_input
from darksound.store.readers import DispatchReader
from darksound.synthesis.demo import is_demo
from darksound.system_errors import check_readable
from darksound.text import library_path, text_path

__all__ = ["TABLE", "load_table", "usable_rows"]

logger = logging.getLogger(__name__)

_TEXTS = [field.name for field in SCHEMA if pa.types.is_string(field.type)]
_NUMBERS = [field.name for field in SCHEMA if pa.types.is_floating(field.type)]
# A ROI is left out if less than this share of it lies within its file.
_MIN_SHARE_INSIDE = 0.5


def load_table(path: Path, options: LoadOptions) -> RoiSet:
    """Return the ROIs of a table with the column `recording` and any others of the ROI table.

    A row without times is a file without times. Rows that cannot be used are left out and become
    problems. A table that `write_roi_table` wrote is read back unchanged.

    Args:
        path: a .csv (comma, semicolon or tab) or .parquet file.
        options: recordings are relative to its `root`; if that is None, to the table's column
            `root`; without such a column, to the table's folder.

    Raises:
        InputError: the table cannot be read, lacks `recording`, has text in a column of numbers,
            or none of its rows can be used.
    """
    rows = _checked_columns(_TABLE_READERS[path.suffix.lower()](path), path)
    if rows.empty:
        raise InputError(f"{path}: the table has no rows.")
    default_root = str((path.parent if options.root is None else options.root).resolve())
    if "root" not in rows.columns:
        rows["root"] = default_root
    if options.root is not None:
        # A folder may have moved; the demo has no folder.
        rows["root"] = rows["root"].where(rows["root"].fillna("").map(is_demo), default_root)
    rows["root"] = rows["root"].fillna(default_root)
    table, problems, usable = usable_rows(rows, path, options)
    if not usable:
        raise no_usable_input(str(path), problems)
    return RoiSet(as_roi_table(table), DispatchReader(), tuple(problems))


def usable_rows(
    rows: pd.DataFrame, path: Path, options: LoadOptions
) -> tuple[pd.DataFrame, list[Problem], bool]:
    """Return the usable rows of a table, with the columns of their recordings' origins.

    Args:
        rows: `root`, `recording` and any further columns of the ROI table, indexed by their line
            in the file minus 2.
        path: the table's file, for messages.
        options: how rows without times are divided into ROIs.

    Returns:
        ROIs in the order of the rows, the problems of rows that were left out, and whether any
        row could be used.
    """
    valid = rows.loc[(causes := _row_causes(rows)).isna()]
    problems = _problems(path, rows, causes)
    parts: list[pd.DataFrame] = []
    usable = False
    for root, rows_of_root in valid.groupby("root", sort=False):
        part, more_problems, part_usable = _usable_rows_of_root(
            str(root), rows_of_root, options, path
        )
        parts.append(part)
        problems += more_problems
        usable |= part_usable
    # Windows of one row have the row's index, so that the table keeps its order.
    table = pd.concat(parts).sort_index(kind="stable") if parts else valid
    return table.reset_index(drop=True), problems, usable


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
        separator = max(",;\t", key=header.count)
        # Only empty cells are missing values, because NA or None may be labels.
        return pd.read_csv(
            path,
            sep=separator,
            encoding="utf-8-sig",
            dtype=dict.fromkeys(_TEXTS, "str"),
            keep_default_na=False,
            na_values={
                name: ["", "NA", "nan"] if name in _NUMBERS else [""] for name in SCHEMA.names
            },
        )
    except (OSError, ValueError, pd.errors.ParserError) as error:
        check_readable(path, error)
        raise InputError(f"{path}: cannot be read as a CSV table ({error}).") from None


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        with library_path(path) as file:
            table: pd.DataFrame = pq.read_table(file).to_pandas()
    except (OSError, pa.ArrowException) as error:
        check_readable(path, error)
        raise InputError(f"{path}: cannot be read as a Parquet table ({error}).") from None
    return table


# By the suffix of the file.
_TABLE_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def _checked_columns(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the columns of the ROI table only, with their types."""
    names = [str(name) for name in table.columns]
    if "recording" not in names:
        close = get_close_matches("recording", names, n=1) or [n for n in names if "file" in n]
        hint = f"; rename {close[0]!r}?" if close else "."
        raise InputError(
            f"{path}: there is no column 'recording' with the names of the sound files; the "
            f"columns are {', '.join(names)}{hint}"
        )
    if ("start_s" in names) != ("end_s" in names):
        raise InputError(
            f"{path}: has only one of the columns start_s and end_s; use both or neither."
        )
    unused = [name for name in names if name not in SCHEMA.names]
    if unused:
        logger.info("%s: columns not used: %s.", path, ", ".join(unused))
    out = table[[name for name in names if name in SCHEMA.names]].reset_index(drop=True)
    for name in out.columns.intersection(_NUMBERS):
        numbers = pd.to_numeric(out[name], errors="coerce").astype("float64")
        wrong = numbers.isna() & out[name].notna()
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"{path}: {name} must be a number; row {row + 2} has {out[name][row]!r}."
            )
        out[name] = numbers
    for name in out.columns.intersection(_TEXTS):
        out[name] = as_text(out[name])
    return out


def _row_causes(rows: pd.DataFrame) -> "pd.Series[str]":
    """Return why each row cannot be used, by the table alone; missing for rows that can."""
    causes: pd.Series[str] = pd.Series(None, index=rows.index, dtype=TEXT_DTYPE)

    def note(bad: "pd.Series[bool]", cause: str) -> None:
        causes[bad & causes.isna()] = cause

    note(rows["recording"].isna(), "names no recording")
    key = ["root", "recording"]
    if "start_s" in rows.columns:
        start, end = rows["start_s"], rows["end_s"]
        timed = start.notna() | end.notna()
        note(timed & (start.isna() | end.isna()), "has only one of start_s and end_s")
        note(timed & ~np.isfinite(start + end), "has a time that is not finite")
        note(timed & (start < 0), "starts before the recording does")
        note(timed & (end <= start), "does not end after it starts")
        key += ["start_s", "end_s"]
        # Two ROIs may overlap in time and differ in frequency.
        key += [name for name in ("low_hz", "high_hz") if name in rows.columns]
    note(rows.duplicated(key), "repeats the recording and times of an earlier row")
    if "roi_id" in rows.columns:
        note(rows["roi_id"].notna() & rows.duplicated("roi_id"), "repeats an earlier roi_id")
    return causes


def _problems(path: Path, rows: pd.DataFrame, causes: "pd.Series[str]") -> list[Problem]:
    # Rows are counted as a spreadsheet shows them: the header is row 1.
    return [
        Problem(str(rows["recording"][row]), f"{path}, row {row + 2}: {cause}; left out.")
        for row, cause in causes.dropna().items()
        if isinstance(row, int)
    ]


def _usable_rows_of_root(
    root: str, rows: pd.DataFrame, options: LoadOptions, path: Path
) -> tuple[pd.DataFrame, list[Problem], bool]:
    """Return the usable rows of one root as `usable_rows` does, with the index of the table."""
    if is_demo(root):
        return rows, [], True
    folder = text_path(root)
    compute = options.settings.compute
    rows = rows.assign(recording=[_posix(folder, name) for name in rows["recording"]])
    timed = rows["start_s"].notna() if "start_s" in rows else pd.Series(False, rows.index)
    infos = probe_recordings(folder, rows["recording"][timed].unique().tolist(), compute)
    # Without any times, the columns may be missing.
    times = rows.loc[timed, ["recording", "start_s", "end_s"]] if timed.any() else pd.DataFrame()
    causes = pd.Series(
        [
            _time_cause(infos[name], start, end)
            for name, start, end in times.itertuples(index=False)
        ],
        index=rows.index[timed],
        dtype=TEXT_DTYPE,
    )
    problems = _problems(path, rows, causes)
    usable = rows.loc[timed].loc[causes.isna()]
    if len(usable):
        usable = with_origins(usable, compute)
    if timed.all():
        return usable, problems, len(usable) > 0
    files = rows.loc[~timed].assign(row=rows.index[~timed])
    untimed = divide_files(folder, files, options)
    both = pd.concat([usable, untimed.rows.set_index("row")])
    return both, problems + untimed.problems, untimed.usable or len(usable) > 0


def _time_cause(info: AudioInfo | InputError, start_s: float, end_s: float) -> str | None:
    """Return why a ROI of these times cannot be used, else None."""
    if isinstance(info, InputError):
        return str(info)
    if info.duration_s - start_s < _MIN_SHARE_INSIDE * (end_s - start_s):
        return (
            f"the time from {start_s:g} to {end_s:g} s lies beyond the recording's end "
            f"at {info.duration_s:.3f} s"
        )
    return None


def _posix(root: Path, name: str) -> str:
    """Return a path that was written on Windows with POSIX separators."""
    if "\\" in name and not (root / name).exists():
        return name.replace("\\", "/")
    return name


def _matches(spec: str) -> bool:
    path = text_path(spec)
    return path.suffix.lower() in _TABLE_READERS and path.is_file()


TABLE = Source(
    syntax="a .csv or .parquet table with a column 'recording'",
    matches=_matches,
    identity=path_identity,
    load=lambda spec, options: load_table(text_path(spec), options),
)

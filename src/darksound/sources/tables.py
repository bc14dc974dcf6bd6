"""A table of ROIs or recordings, as CSV or Parquet."""

import logging
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.audio.files import AudioInfo
from darksound.errors import InputError
from darksound.parallel.workers import survey
from darksound.rois.roi_set import SCHEMA, Problem, RoiSet, as_roi_table
from darksound.sources.contract import Request, Source
from darksound.sources.recordings import with_origins
from darksound.sources.untimed import all_left_out, untimed_rows
from darksound.store.readers import DispatchReader
from darksound.synthesis.demo import is_demo

__all__ = ["TABLE", "load_table", "usable_rows"]

logger = logging.getLogger(__name__)

_TEXTS = [field.name for field in SCHEMA if pa.types.is_string(field.type)]
_NUMBERS = [field.name for field in SCHEMA if pa.types.is_floating(field.type)]
# A ROI of which less than this share lies within its file is left out.
_LEAST_SHARE = 0.5


def load_table(path: Path, request: Request) -> RoiSet:
    """ROIs of a table that has `recording` and any other columns of the ROI table.

    Rows without times are files without times. Rows that cannot be used are left out and become
    problems. A table that `write_roi_table` wrote comes back as it was.

    Args:
        path: a .csv (comma, semicolon or tab) or .parquet file.
        request: `root` is what recordings are relative to; else the table's column `root`, else
            the table's folder.

    Raises:
        InputError: the table cannot be read, lacks `recording`, holds text where numbers belong,
            or none of its rows can be used.
    """
    given = _checked_columns(_READERS[path.suffix.lower()](path), path)
    if given.empty:
        raise InputError(f"{path}: the table has no rows.")
    home = str((path.parent if request.root is None else request.root).resolve())
    if "root" not in given.columns:
        given["root"] = home
    if request.root is not None:
        # A folder may have moved; what is synthesised has nowhere to move to.
        given["root"] = given["root"].where(given["root"].fillna("").map(is_demo), home)
    given["root"] = given["root"].fillna(home)
    table, problems, usable = usable_rows(given, path, request)
    if not usable:
        raise all_left_out(str(path), problems)
    return RoiSet(as_roi_table(table), DispatchReader(), tuple(problems))


def usable_rows(
    given: pd.DataFrame, path: Path, request: Request
) -> tuple[pd.DataFrame, list[Problem], bool]:
    """The rows of a table that can be used, and what their recordings tell of their origin.

    Args:
        given: `root`, `recording` and any more columns of the ROI table, indexed by their line in
            the file less 2.
        path: the table's file, for messages.
        request: what becomes of rows without times.

    Returns:
        ROIs in the order of the rows, the rows that were left out, and whether any could be used.
    """
    good = given.loc[(causes := _row_causes(given)).isna()]
    problems = _problems(path, given, causes)
    parts: list[pd.DataFrame] = []
    usable = False
    for root, rows in good.groupby("root", sort=False):
        part, more, any_usable = _rows_below(str(root), rows, request, path)
        parts.append(part)
        problems += more
        usable |= any_usable
    # Windows of one row share its place, so that the table keeps the order it was given in.
    table = pd.concat(parts).sort_index(kind="stable") if parts else good
    return table.reset_index(drop=True), problems, usable


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
        separator = max(",;\t", key=header.count)
        # Only an empty cell is empty: a label may well be called NA or None.
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
        raise InputError(f"{path}: cannot be read as a CSV table ({error}).") from None


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as a Parquet table ({error}).") from None
    return table


_READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = MappingProxyType(
    {".csv": _read_csv, ".parquet": _read_parquet}
)


def _checked_columns(given: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Only columns that we know, of the right types."""
    names = [str(name) for name in given.columns]
    if "recording" not in names:
        close = get_close_matches("recording", names, n=1) or [n for n in names if "file" in n]
        hint = f"; rename {close[0]!r}?" if close else "."
        raise InputError(
            f"{path}: there is no column 'recording', which names the sound files; the columns "
            f"are {', '.join(names)}{hint}"
        )
    if ("start_s" in names) != ("end_s" in names):
        raise InputError(f"{path}: of start_s and end_s a table has both or neither.")
    extra = [name for name in names if name not in SCHEMA.names]
    if extra:
        logger.info("%s: columns not used: %s.", path, ", ".join(extra))
    out = given[[name for name in names if name in SCHEMA.names]].reset_index(drop=True)
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
        out[name] = out[name].astype("str")
    return out


def _row_causes(given: pd.DataFrame) -> "pd.Series[str]":
    """Why each row cannot be used as it stands, missing where it can."""
    causes = pd.Series(None, index=given.index, dtype="str")

    def note(rows: "pd.Series[bool]", cause: str) -> None:
        causes[rows & causes.isna()] = cause

    note(given["recording"].isna(), "names no recording")
    place = ["root", "recording"]
    if "start_s" in given.columns:
        start, end = given["start_s"], given["end_s"]
        timed = start.notna() | end.notna()
        note(timed & (start.isna() | end.isna()), "has only one of start_s and end_s")
        note(timed & ~np.isfinite(start + end), "has a time that is not finite")
        note(timed & (start < 0), "starts before the recording does")
        note(timed & (end <= start), "does not end after it starts")
        place += ["start_s", "end_s"]
        # Two ROIs may sound at once, apart in frequency.
        place += [name for name in ("low_hz", "high_hz") if name in given.columns]
    note(given.duplicated(place), "repeats the recording and times of an earlier row")
    if "roi_id" in given.columns:
        note(given["roi_id"].notna() & given.duplicated("roi_id"), "repeats an earlier roi_id")
    return causes


def _problems(path: Path, given: pd.DataFrame, causes: "pd.Series[str]") -> list[Problem]:
    # Rows are counted as a spreadsheet shows them, the header being the first.
    return [
        Problem(str(given["recording"][row]), f"{path}, row {row + 2}: {cause}; left out.")
        for row, cause in causes.dropna().items()
        if isinstance(row, int)
    ]


def _rows_below(
    root: str, rows: pd.DataFrame, request: Request, path: Path
) -> tuple[pd.DataFrame, list[Problem], bool]:
    """The usable rows of one root in the index of the table, problems, and if any was usable."""
    if is_demo(root):
        return rows, [], True
    folder = Path(root)
    rows = rows.assign(recording=[_posix(folder, name) for name in rows["recording"]])
    timed = rows["start_s"].notna() if "start_s" in rows else pd.Series(False, rows.index)
    known = survey(folder, rows["recording"][timed].unique().tolist(), request.settings)
    causes = pd.Series(
        [
            _time_cause(known[name], start, end)
            for name, start, end in rows.loc[timed, ["recording", "start_s", "end_s"]].itertuples(
                index=False
            )
        ]
        if timed.any()
        else [],
        index=rows.index[timed],
        dtype="str",
    )
    problems = _problems(path, rows, causes)
    kept = rows.loc[timed].loc[causes.isna()]
    if len(kept):
        kept = with_origins(kept, request.settings)
    if timed.all():
        return kept, problems, len(kept) > 0
    files = rows.loc[~timed].assign(row=rows.index[~timed])
    untimed = untimed_rows(folder, files, request)
    both = pd.concat([kept, untimed.rows.set_index("row")])
    return both, problems + untimed.problems, untimed.usable or len(kept) > 0


def _time_cause(info: AudioInfo | InputError, start: float, end: float) -> str | None:
    if isinstance(info, InputError):
        return str(info)
    if info.duration_s - start < _LEAST_SHARE * (end - start):
        return (
            f"the time from {start:g} to {end:g} s lies beyond the recording's end "
            f"at {info.duration_s:.3f} s"
        )
    return None


def _posix(root: Path, name: str) -> str:
    """A name that was written on Windows, in the way that is read everywhere."""
    if "\\" in name and not (root / name).exists():
        return name.replace("\\", "/")
    return name


def _matches(spec: str) -> bool:
    path = Path(spec)
    return path.suffix.lower() in _READERS and path.is_file()


TABLE = Source(
    written="a .csv or .parquet table with a column 'recording'",
    matches=_matches,
    identity=lambda spec: str(Path(spec).resolve()),
    load=lambda spec, request: load_table(Path(spec), request),
)

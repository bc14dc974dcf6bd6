"""Load a table of ROIs or recordings from CSV or Parquet."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darksound.errors import InputError
from darksound.rois.cells import TIMES, parse_columns
from darksound.rois.effort import EFFORT_SCHEMA, SITE_SCHEMA, read_columns
from darksound.rois.roi_set import SCHEMA, Problem, RoiSet, as_roi_table
from darksound.rois.spreadsheets import unescape_cells
from darksound.rois.text_tables import read_text_table
from darksound.sources.contract import LoadOptions, Source, path_identity
from darksound.sources.rows import usable_rows
from darksound.sources.untimed import no_usable_input
from darksound.store.readers import DispatchReader
from darksound.synthesis.demo_splits import is_demo
from darksound.system_errors import check_readable
from darksound.text import library_path, path_text, text_path

__all__ = ["TABLE", "load_table"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Cells:
    """Cells of a table as they were read.

    Attributes:
        names: of all columns.
        rows: columns of the ROI table, text or numbers, indexed by the numbers of the rows.
        broken: why rows were left out while reading, by number.
        commas: whether a comma may be a decimal sign wherever it is.
    """

    names: Sequence[str]
    rows: pd.DataFrame
    broken: Mapping[int, str]
    commas: bool = True


def load_table(path: Path, options: LoadOptions) -> RoiSet:
    """Return the ROIs of a table with the column `recording` and any others of the ROI table.

    A row without times is a file without times. Rows that cannot be used are left out and become
    problems. A table that `write_roi_table` wrote is read back unchanged.

    Args:
        path: a .csv file (see `darksound.rois.text_tables`) or a .parquet file.
        options: recordings are relative to its `root`; if that is None, to the table's column
            `root`; without such a column, to the table's folder.

    Raises:
        InputError: the table cannot be read, lacks `recording`, or none of its rows can be used.
    """
    cells = _TABLE_READERS[path.suffix.lower()](path)
    _check_columns(cells.names, path)
    rows, causes = parse_columns(cells.rows, commas=cells.commas)
    if rows.empty and not cells.broken:
        raise InputError(f"{path_text(path)}: the table has no rows.")
    default_root = path_text((path.parent if options.root is None else options.root).resolve())
    if "root" not in rows.columns:
        rows["root"] = default_root
    if options.root is not None:
        # A folder may have moved; the demo has no folder.
        rows["root"] = rows["root"].where(rows["root"].fillna("").map(is_demo), default_root)
    rows["root"] = rows["root"].fillna(default_root)

    def place(row: int) -> str:
        return f"{path_text(path)}, row {row}"

    problems = [
        Problem(path_text(path), f"{place(row)}: {cause}; left out.")
        for row, cause in cells.broken.items()
    ]
    used = usable_rows(rows, causes, place, options)
    problems += used.problems
    if not used.usable:
        raise no_usable_input(path_text(path), problems)
    table = as_roi_table(used.table)
    effort = _with_effort_beside(used.effort, path, None if options.root is None else default_root)
    sites = _beside(path, "sites", SITE_SCHEMA)
    return RoiSet(table, DispatchReader(), tuple(problems), effort, sites)


def _beside(path: Path, name: str, schema: pa.Schema) -> pd.DataFrame | None:
    """Return the table that was written beside a ROI table, as `darksound segment` does.

    Raises:
        InputError: it is damaged.
    """
    files = [path.with_name(f"{path.stem}.{name}.parquet")]
    if path.name == "rois.parquet":
        files.append(path.with_name(f"{name}.parquet"))
    for file in files:
        try:
            found = read_columns(file, schema)
        except (InputError, OSError, ValueError, pa.ArrowException) as error:
            raise InputError(
                f"{path_text(file)}: cannot be read beside {path_text(path.name)} ({error}); "
                "remove it, or segment again."
            ) from None
        if found is not None:
            return found
    return None


def _with_effort_beside(
    effort: pd.DataFrame | None, path: Path, root: str | None
) -> pd.DataFrame | None:
    """Return the effort of a table with that beside it, which has recordings without ROIs too.

    Args:
        effort: of the recordings with ROIs.
        path: of the table.
        root: folder of the recordings, if they were moved.

    Raises:
        InputError: the table beside it is damaged.
    """
    beside = _beside(path, "effort", EFFORT_SCHEMA)
    if beside is None or effort is None:
        return effort
    if root is not None:
        beside["root"] = root
    keys = ["root", "recording"]
    known = pd.MultiIndex.from_frame(beside[keys])
    if not pd.MultiIndex.from_frame(effort[keys]).isin(known).all():
        logger.info(
            "%s: the table of effort beside it is of other recordings, and is not used.",
            path_text(path),
        )
        return effort
    return beside


def _read_csv(path: Path) -> _Cells:
    required = ("recording", *TIMES)
    table = read_text_table(path, "a CSV table", SCHEMA.names, required)
    names = list(table.cells.columns)
    used = table.cells[[name for name in names if name in SCHEMA.names]]
    rows = unescape_cells(used).copy()
    return _Cells(names, rows, table.broken, commas=table.separator != ",")


def _read_parquet(path: Path) -> _Cells:
    try:
        with library_path(path) as file:
            names = pq.read_schema(file).names
            _check_once(names, path)
            # Only what is used: the others may be embeddings of thousands of numbers.
            table = pq.read_table(file, columns=[name for name in names if name in SCHEMA.names])
        _check_types(table.schema, path)
        rows: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except (OSError, ValueError, ArithmeticError, pa.ArrowException) as error:
        check_readable(path, error)
        raise InputError(
            f"{path_text(path)}: cannot be read as a Parquet table ({error})."
        ) from None
    # Rows are counted as in a CSV file, in which the header is row 1.
    return _Cells(names, rows.set_axis(pd.RangeIndex(2, len(rows) + 2)), {})


def _refuse_workbook(path: Path) -> NoReturn:
    raise InputError(
        f"{path_text(path)}: is a workbook of a spreadsheet; save its sheet as CSV (in Excel: Save "
        "as, CSV UTF-8) and give that file."
    )


# By the suffix of the file.
_TABLE_READERS: dict[str, Callable[[Path], _Cells]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), _refuse_workbook),
}


def _check_columns(names: Sequence[str], path: Path) -> None:
    """Check that there are recordings and either both times or none, and log the other columns.

    Raises:
        InputError: a column is missing.
    """
    if "recording" not in names:
        close = get_close_matches("recording", names, n=1) or [n for n in names if "file" in n]
        hint = f"; rename {close[0]!r}?" if close else "."
        if "begin time (s)" in map(str.casefold, names):
            hint = "; a selection table of Raven needs the suffix .txt."
        raise InputError(
            f"{path_text(path)}: there is no column 'recording' with the names of the sound files; "
            f"the columns are {', '.join(names)}{hint}"
        )
    if ("start_s" in names) != ("end_s" in names):
        raise InputError(
            f"{path_text(path)}: has only one of the columns start_s and end_s; use both or "
            "neither."
        )
    unused = [name for name in names if name not in SCHEMA.names]
    if unused:
        logger.info("%s: columns not used: %s.", path_text(path), ", ".join(unused))


def _check_once(names: Sequence[str], path: Path) -> None:
    for name in SCHEMA.names:
        if names.count(name) > 1:
            raise InputError(f"{path_text(path)}: there are two columns {name!r}; remove one.")


def _check_types(schema: pa.Schema, path: Path) -> None:
    for field in schema:
        if pa.types.is_nested(field.type):
            raise InputError(
                f"{path_text(path)}: the column {field.name!r} has lists or structures "
                f"({field.type}); it must have text or numbers."
            )


def _matches(spec: str) -> bool:
    path = text_path(spec)
    return path.suffix.lower() in _TABLE_READERS and path.is_file()


TABLE = Source(
    syntax="a .csv or .parquet table with a column 'recording'",
    matches=_matches,
    identity=path_identity,
    load=lambda spec, options: load_table(text_path(spec), options),
)

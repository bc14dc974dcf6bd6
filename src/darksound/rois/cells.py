"""Values of cells in tables: numbers and times as spreadsheets write them, and titles."""

import re
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from darksound.rois.roi_set import SCHEMA, TEXT_DTYPE, as_text

__all__ = ["TIMES", "is_number", "parse_columns", "parse_flags", "parse_numbers", "title_text"]

#: Columns of times in seconds of the ROI table.
TIMES = ("start_s", "end_s")
_NUMBER_COLUMNS = [field.name for field in SCHEMA if pa.types.is_floating(field.type)]
_FLAG_COLUMNS = [field.name for field in SCHEMA if pa.types.is_boolean(field.type)]
_TEXT_COLUMNS = [field.name for field in SCHEMA if pa.types.is_string(field.type)]

# Spreadsheets, R and Python write missing numbers as these.
_MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none")
# English, German, French, Italian and Spanish spreadsheets write truth values as these.
_FLAGS = {
    **dict.fromkeys(("true", "t", "yes", "1", "1.0", "1,0", "wahr", "vrai", "vero"), True),
    **dict.fromkeys(("false", "f", "no", "0", "0.0", "0,0", "falsch", "faux", "falso"), False),
    "verdadero": True,
}
# Python itself would also take underscores and the digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,5}):(\d{1,2}(?:[.,]\d*)?)", re.ASCII)
_THOUSANDS = re.compile(
    "[+-]?[1-9][0-9]{0,2}([.,'\u2019 \u00a0\u2009\u202f][0-9]{3})+([.,][0-9]+)?"
)
# Spreadsheets make `06. Jun` of 0.6, and `01.02.2026` of 1.2.
_DATE = re.compile(r"\d{1,4}[./-] ?(\d{1,2}[./-] ?\d{2,4}|[^\W\d_]{3,}.*)|[^\W\d_]{3,}[./ -]+\d+")
_NO_WIDTH = "\u200b\u200e\u200f\u2060\ufeff"
_SHOWN = 40


def title_text(text: str) -> str:
    """Return the title of a column with single blanks, and without blanks around it."""
    return " ".join(text.strip(_NO_WIDTH).split())


def is_number(text: str) -> bool:
    """Return whether text is a number with a decimal point or a decimal comma."""
    return _NUMBER.fullmatch(text) is not None


def parse_columns(rows: pd.DataFrame, *, commas: bool) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Return rows whose columns have the types of the ROI table, and why rows lack a value.

    Args:
        rows: cells, text or values; columns that the ROI table does not have stay as they are.
        commas: see `parse_numbers`.

    Returns:
        The rows, and for each the cause if one of its cells has another type; missing for all
        others.
    """
    rows = rows.copy()
    numbers, causes = parse_numbers(
        rows[rows.columns.intersection(_NUMBER_COLUMNS)], TIMES, commas=commas
    )
    rows[numbers.columns] = numbers
    flags, flag_causes = parse_flags(rows[rows.columns.intersection(_FLAG_COLUMNS)])
    rows[flags.columns] = flags
    for name in rows.columns.intersection(_TEXT_COLUMNS):
        text = as_text(rows[name]).str.strip()
        # Only empty cells are missing values, because NA or None may be labels.
        rows[name] = text.mask(text == "")
    return rows, causes.fillna(flag_causes)


def parse_numbers(
    cells: pd.DataFrame, times: Collection[str] = (), *, commas: bool = True
) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Return the numbers in cells, and why rows lack one.

    Numbers have a decimal point, or all of them a decimal comma. In a table with both, the one that
    fewer numbers need may separate thousands, so cells with it are refused. Empty cells, `NA` and
    its like are NaN.

    Args:
        cells: text or numbers.
        times: columns of times in seconds, in which a cell may also be `m:s` or `h:m:s`.
        commas: whether `1,234` is less than two. False for tables whose cells commas separate,
            where it may be more than a thousand unless other cells show that commas are decimal.

    Returns:
        Numbers float64 of the same shape, and for each row `(n_rows,)` the cause if one of its
        cells is not a number; missing for all others.
    """
    causes: pd.Series[str] = pd.Series(None, index=cells.index, dtype=TEXT_DTYPE)
    columns: dict[str, npt.NDArray[np.float64]] = {}
    texts: dict[str, pd.Series[str]] = {}
    unread: dict[str, pd.Series[str]] = {}
    for name, column in cells.items():
        name = str(name)
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            columns[name] = column.to_numpy(np.float64, na_value=np.nan)
            continue
        if (regular := _read_regular(column)) is not None:
            texts[name], columns[name] = column, regular
            continue
        texts[name] = text = as_text(column).fillna("").str.strip()
        values = pd.to_numeric(text, errors="coerce")
        columns[name] = values.to_numpy(np.float64)
        others = text[values.isna()].str.replace("\u2212", "-")
        unread[name] = others[~others.str.lower().isin(_MISSING)]
    numbers = pd.DataFrame(columns, index=cells.index, columns=cells.columns, dtype="float64")
    if not any(map(len, unread.values())):
        return numbers, causes
    # Also cells that were read as numbers, since a point may separate thousands.
    points = {
        name: text[text.str.contains(".", regex=False).fillna(False) & numbers[name].notna()]
        for name, text in texts.items()
    }
    decimal = _decimal_sign(pd.concat(unread.values()), pd.concat(points.values()), commas)
    for name, pointed in points.items():
        others = unread.get(name, pointed[:0])
        if decimal == ",":
            with_comma = others[~others.str.contains(".", regex=False)].str.replace(",", ".")
            usual = pd.to_numeric(with_comma, errors="coerce").astype("float64").dropna()
            numbers.loc[usual.index, name] = usual
            others = pd.concat([others[~others.index.isin(usual.index)], pointed])
        parsed = pd.Series(
            [_parse(cell, decimal, name in times) for cell in others],
            index=others.index,
            dtype="float64",
        )
        numbers.loc[parsed.index, name] = parsed
        failed = others[parsed.isna() & causes[others.index].isna()]
        shown = [_cause(name, cell, name in times) for cell in failed]
        causes.loc[failed.index] = pd.Series(shown, index=failed.index, dtype=TEXT_DTYPE)
    return numbers, causes


def parse_flags(cells: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Return the truth values in cells, and why rows lack one.

    Args:
        cells: truth values, numbers or text; empty cells, `NA` and its like are missing.

    Returns:
        Columns of the type `boolean`, and for each row `(n_rows,)` the cause if one of its cells
        is neither true nor false; missing for all others.
    """
    causes: pd.Series[str] = pd.Series(None, index=cells.index, dtype=TEXT_DTYPE)
    columns: dict[str, pd.Series[bool]] = {}
    for name, column in cells.items():
        text = as_text(column).fillna("").str.strip().str.lower()
        columns[str(name)] = text.map(_FLAGS).astype("boolean")
        for row in text[columns[str(name)].isna() & ~text.isin(_MISSING)].index:
            shown = str(column[row])[:_SHOWN]
            causes[row] = f"{name} must be true or false, but is {shown!r}"
    return pd.DataFrame(columns, index=cells.index), causes


def _read_regular(column: "pd.Series[str]") -> npt.NDArray[np.float64] | None:
    """Return numbers that are all there and have decimal points; None for other cells.

    Thousands of columns of embeddings are read in a tenth of the time.
    """
    try:
        array = pa.array(column)
        if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            return None
        numbers: npt.NDArray[np.float64] = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowException, TypeError):
        return None
    return numbers


def _decimal_sign(unread: "pd.Series[str]", with_points: "pd.Series[str]", commas: bool) -> str:
    """Return the decimal sign of a table: that of most cells which cannot be thousands."""
    with_commas = unread[unread.str.fullmatch(_WITH_COMMA)]
    if with_commas.empty:
        return "."
    n_commas, n_points = (
        int((~text.str.fullmatch(_THOUSANDS)).sum()) for text in (with_commas, with_points)
    )
    if n_commas == n_points:
        return "," if commas and len(with_commas) >= len(with_points) else "."
    return "," if n_commas > n_points else "."


def _parse(cell: str, decimal: str, is_time: bool) -> float | None:
    if _NUMBER.fullmatch(cell) and not set(cell) & {".,".replace(decimal, "")}:
        return float(cell.replace(",", "."))
    clock = _CLOCK.fullmatch(cell) if is_time else None
    if clock is None:
        return None
    hours, minutes, seconds = clock[1] or "0", clock[2], float(clock[3].replace(",", "."))
    if seconds >= 60 or (clock[1] is not None and int(minutes) >= 60):
        return None
    return 3600.0 * int(hours) + 60.0 * int(minutes) + seconds


def _cause(name: str, cell: str, is_time: bool) -> str:
    shown = cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}..."
    kind = "a number of seconds, or h:m:s" if is_time else "a number"
    if _THOUSANDS.fullmatch(cell) or _WITH_COMMA.fullmatch(cell):
        hint = "; write all numbers with one decimal sign and without separators of thousands"
    elif _DATE.fullmatch(cell):
        hint = "; a spreadsheet may have made a date of it"
    else:
        hint = ""
    return f"{name} must be {kind}, but is {shown!r}{hint}"

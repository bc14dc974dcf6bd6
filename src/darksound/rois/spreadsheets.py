"""Text in CSV files that no spreadsheet takes for a formula.

Excel, LibreOffice and Google Sheets compute a cell that begins with `=`, `+`, `-` or `@`, also in a
CSV file, and such a formula can start programs or send the table away (OWASP, CSV Injection). A
label or a file name of others may be such a text. An apostrophe before it keeps it text; the
readers of this package remove it.
"""

import csv
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["csv_text", "escape", "unescape", "unescape_cells"]

# The first characters of a formula, also in full width, and those that spreadsheets skip before it.
_FORMULA = "[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
# Texts with apostrophes before such a character get one more, so that one can always be removed.
_ESCAPABLE = re.compile(f"'*{_FORMULA}")
_ESCAPED = re.compile(f"'+{_FORMULA}")


def escape(text: str) -> str:
    """Return a text with an apostrophe before it if a spreadsheet would take it for a formula.

    Examples:
        >>> escape("=1+1"), escape("wren"), escape("'=1+1")
        ("'=1+1", 'wren', "''=1+1")
    """
    return f"'{text}" if _ESCAPABLE.match(text) else text


def unescape(text: str) -> str:
    """Return the text that `escape` was given."""
    return text[1:] if _ESCAPED.match(text) else text


def csv_text(table: pd.DataFrame, *, header: bool = True, raw: bool = False) -> str:
    """Return a table as CSV without an index; missing values are empty.

    Args:
        table: the table. Only cells of text, and names of columns, are escaped; never numbers.
        header: write the names of the columns.
        raw: escape nothing, for programs.
    """
    if not raw:
        table = _escaped(table)
    # Readers take a carriage return for the end of a row unless it is quoted.
    has_return = any(_matches(table[name], "\r").any() for name in table.columns)
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if has_return else csv.QUOTE_MINIMAL
    return str(table.to_csv(index=False, header=header, lineterminator="\n", quoting=quoting))


def unescape_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Return cells as they were before `csv_text`, the names of columns too."""
    names = [unescape(name) if isinstance(name, str) else name for name in cells.columns]
    if names != list(cells.columns):
        cells = cells.set_axis(names, axis="columns")
    return _mapped(cells, _ESCAPED, lambda text: text[1:])


def _escaped(table: pd.DataFrame) -> pd.DataFrame:
    names = [escape(name) if isinstance(name, str) else name for name in table.columns]
    if names != list(table.columns):
        table = table.set_axis(names, axis="columns")
    return _mapped(table, _ESCAPABLE, lambda text: f"'{text}")


def _mapped(
    table: pd.DataFrame, pattern: re.Pattern[str], change: Callable[[str], str]
) -> pd.DataFrame:
    """Return a table in which the texts that begin with a pattern are changed."""
    for name in table.columns:
        hits = _matches(table[name], f"^{pattern.pattern}")
        if hits.any():
            pairs = zip(table[name], hits.tolist(), strict=True)
            texts = [change(value) if hit else value for value, hit in pairs]
            table = table.assign(**{name: pd.Series(texts, table.index, dtype=object)})
    return table


def _matches(column: "pd.Series[Any]", pattern: str) -> npt.NDArray[np.bool_]:
    """Return for each cell `(n,)` whether it is a text that has a pattern."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return np.zeros(len(column), dtype=bool)
    try:
        texts = pa.array(column, pa.string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Values of several types; in a column of texts there are missing ones at most.
        texts = pa.array([value if isinstance(value, str) else None for value in column])
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    found = pc.fill_null(pc.match_substring_regex(texts.cast(pa.string()), pattern), False)
    hits: npt.NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return hits

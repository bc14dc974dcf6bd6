"""Tables in text files: what separates their cells, and rows that are not rows of the table.

Every reader of a CSV file or a selection table reads it here. Rows are counted as a spreadsheet
shows them: the header is row 1, empty rows count, and a row may have several lines in quotes.
"""

import csv
import io
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from darksound.errors import InputError
from darksound.rois.cells import title_text
from darksound.rois.roi_set import TEXT_DTYPE
from darksound.rois.text_files import DAMAGED, is_damaged, read_text
from darksound.text import path_text, valid_text

__all__ = ["SEPARATORS", "TextTable", "is_separator_line", "read_text_table"]

logger = logging.getLogger(__name__)

#: What may separate cells.
SEPARATORS = ",;\t|"
_SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
# Lines at the start that show which separator gives every row as many cells.
_SAMPLED_LINES = 50
_MAX_HEADER_LINES = 10
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class TextTable:
    """The cells of a table.

    Attributes:
        cells: `(n_rows, n_columns)` text without blanks around it, empty where there is none; its
            columns are named by the header, its index is the number of each row.
        broken: why each row that cannot be used is left out, by its number.
        separator: what is between cells.
    """

    cells: pd.DataFrame
    broken: Mapping[int, str]
    separator: str


def read_text_table(
    path: Path,
    kind: str,
    columns: Collection[str] = (),
    required: Collection[str] = (),
    *,
    fold: bool = False,
    numbers: re.Pattern[str] | None = None,
) -> TextTable:
    """Return the cells of a table with a header, in any usual encoding and with any separator.

    A first line such as `sep=;` names the separator; else it is the one that gives most of the
    expected columns, and as many cells in the rows as in the header. Empty rows, repetitions of
    the header and empty cells at the ends of rows are skipped.

    Args:
        path: the file.
        kind: what the file should be, such as "a CSV table", for messages.
        columns: names that the header may have. Each may be there once.
        required: names of which every row must have a cell, if the header has them.
        fold: return the names of the columns in lower case.
        numbers: names of columns that may be numbers in all rows, and are then returned as such:
            thousands of them are read three times as fast.

    Raises:
        InputError: the file cannot be read, is not text, is empty, or has a column twice.
    """
    text = read_text(path, kind)
    separator, text = _stated_separator(text)
    lines = text.rstrip("\n").split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise InputError(f"{path_text(path)}: cannot be read as {kind} (it is empty).")
    separator = separator or _best_separator(lines[first:], columns)
    header, n_lines = _header(lines[first:], separator)
    titles = [name.casefold() for name in header] if fold else header
    names = _column_names(titles, path, columns)
    parser = _Parser(names, header, separator, required)
    is_number = [numbers is not None and numbers.fullmatch(name) is not None for name in names]
    body = lines[first + n_lines :]
    # Rows are numbered from 1, so that the first row below the header has this number.
    number = first + 2
    table = parser.parse_regular(body, number, is_number) if any(is_number) else None
    table = table or parser.parse_regular(body, number, [False] * len(names))
    return table or parser.parse_each(body, number)


def is_separator_line(line: str) -> bool:
    """Return whether a line is Excel's `sep=;`, which names the separator of a table."""
    text = line.strip(" \"'")
    return len(text) == len("sep=;") and text.casefold().startswith("sep=")


def _stated_separator(text: str) -> tuple[str | None, str]:
    first, _, rest = text.partition("\n")
    return (first.strip(" \"'")[-1], rest) if is_separator_line(first) else (None, text)


def _best_separator(lines: Sequence[str], columns: Collection[str]) -> str:
    """Return the separator that gives most expected columns, then equally long rows."""
    expected = {name.casefold() for name in columns}

    def score(separator: str) -> tuple[int, bool, float, int]:
        header, n_lines = _header(lines, separator)
        found = {name.casefold() for name in header} & expected
        sample = [line for line in lines[n_lines:_SAMPLED_LINES] if line.strip()]
        lengths = [len(_split(line, separator)) for line in sample]
        same = sum(length == len(header) for length in lengths) / max(len(lengths), 1)
        return len(found), len(header) > 1, same, len(header)

    return max(SEPARATORS, key=score)


def _split(line: str, separator: str) -> list[str]:
    reader = csv.reader([line], delimiter=separator, skipinitialspace=separator != "\t")
    try:
        return next(reader, [])
    except csv.Error:  # a cell that is too long
        return line.split(separator)


def _header(lines: Sequence[str], separator: str) -> tuple[list[str], int]:
    """Return the titles of the columns, and the number of lines that they take.

    Spreadsheets write titles of several lines in quotes.
    """
    reader = csv.reader(
        (f"{line}\n" for line in lines[:_MAX_HEADER_LINES]), delimiter=separator, strict=True
    )
    try:
        cells, n_lines = next(reader), reader.line_num
    except csv.Error:
        cells, n_lines = _split(lines[0], separator), 1
    return [valid_text(title_text(cell)) for cell in cells], n_lines


def _column_names(header: list[str], path: Path, columns: Collection[str]) -> list[str]:
    """Return different names for all columns, also those without a name.

    Raises:
        InputError: an expected column is there twice.
    """
    names: list[str] = []
    for number, name in enumerate(header, start=1):
        if name in names and name in columns:
            raise InputError(
                f"{path_text(path)}: there are two columns {name!r}; remove or rename one of them."
            )
        names.append(name if name and name not in names else f"{name or 'column'}.{number}")
    return names


@dataclass(frozen=True)
class _Parser:
    """Splits the lines below a header.

    Attributes:
        names: of the columns, all different.
        header: cells of the header, to recognise its repetitions.
        separator: between cells.
        required: columns of which every row must have a cell.
    """

    names: list[str]
    header: list[str]
    separator: str
    required: Collection[str]

    def parse_regular(
        self, lines: list[str], number: int, is_number: Sequence[bool]
    ) -> TextTable | None:
        """Return the table if each line is a row with as many cells as the header, else None.

        Args:
            lines: the lines below the header.
            number: number of the first of them.
            is_number: whether all cells of each column must be numbers.
        """
        blank_quote = f'{self.separator} "'
        content = "\n".join(lines)
        if not lines or "\0" in content or blank_quote in content:
            return None
        width = len(self.names)
        keys = [str(column) for column in range(width)]
        types = [pa.float64() if numeric else pa.string() for numeric in is_number]
        try:
            table = pa.csv.read_csv(
                io.BytesIO(content.encode()),
                read_options=pa.csv.ReadOptions(column_names=keys, block_size=_BLOCK_BYTES),
                parse_options=pa.csv.ParseOptions(
                    delimiter=self.separator, ignore_empty_lines=False
                ),
                convert_options=pa.csv.ConvertOptions(
                    column_types=dict(zip(keys, types, strict=True)), strings_can_be_null=False
                ),
            )
        except (pa.ArrowException, UnicodeEncodeError, OSError):
            return None
        if table.num_rows != len(lines):
            return None
        index = pd.RangeIndex(number, number + len(lines))
        trimmed = [
            column if numeric else pa.compute.utf8_trim_whitespace(column)
            for column, numeric in zip(table.columns, is_number, strict=True)
        ]
        cells = pa.table(trimmed, names=self.names).to_pandas()
        return self._table(cells.set_axis(index), {})

    def parse_each(self, lines: list[str], number: int) -> TextTable:
        """Return the table; rows that cannot be split, or have too many cells, are broken."""
        rows: dict[int, list[str]] = {}
        broken: dict[int, str] = {}
        numbers = count(number)
        position = 0
        while position < len(lines):
            source = (f"{lines[i]}\n" for i in range(position, len(lines)))
            # The mode `strict` refuses a quote that is not closed, and text after one that is.
            reader = csv.reader(
                source,
                delimiter=self.separator,
                strict=True,
                skipinitialspace=self.separator != "\t",
            )
            start = position
            try:
                for row in reader:
                    end = position + reader.line_num
                    # A row with all its cells has closed quotes, whatever is between them.
                    if len(row) != len(self.names):
                        self._check_lines(lines[start + 1 : end])
                    rows[next(numbers)] = row
                    start = end
                break
            except csv.Error:
                self._unquoted(lines[start], next(numbers), rows, broken)
                position = start + 1
        fitting = self._fitting(rows, broken)
        width = len(self.names)
        cells = pd.DataFrame(
            [
                [cell.strip() for cell in row[:width]] + [""] * (width - len(row))
                for row in fitting.values()
            ],
            index=pd.Index(list(fitting), dtype="int64"),
            columns=self.names,
            dtype=TEXT_DTYPE,
        )
        return self._table(cells, broken)

    def _check_lines(self, further: list[str]) -> None:
        """Raise if a row continues over lines that are rows themselves: its quote is not closed."""
        width = len(self.names)
        if width > 1 and any(line.count(self.separator) == width - 1 for line in further):
            raise csv.Error

    def _unquoted(
        self, line: str, number: int, rows: dict[int, list[str]], broken: dict[int, str]
    ) -> None:
        cells = line.split(self.separator)
        # Selection tables know no quotes.
        if self.separator == "\t" and len(cells) == len(self.names):
            rows[number] = cells
        else:
            broken[number] = "cannot be read as a CSV row: a quote is opened and not closed"

    def _fitting(
        self, rows: Mapping[int, list[str]], broken: dict[int, str]
    ) -> dict[int, list[str]]:
        """Return the rows that fit the header, and note the causes for the others."""
        width = len(self.names)
        needed = max((self.names.index(n) + 1 for n in self.required if n in self.names), default=1)
        fitting: dict[int, list[str]] = {}
        for number, row in rows.items():
            filled = len(row)
            while filled > width and not row[filled - 1].strip():
                filled -= 1
            if not any(cell.strip() for cell in row):
                continue
            if any(is_damaged(cell) for cell in row):
                broken[number] = DAMAGED
            elif filled > width or filled < needed:
                broken[number] = self._wrong_length(filled)
            else:
                fitting[number] = row
        return fitting

    def _wrong_length(self, n_cells: int) -> str:
        width = len(self.names)
        if n_cells < width:
            return f"has only {n_cells} of {width} cells"
        name = _SEPARATOR_NAMES.get(self.separator, self.separator)
        return f"has {n_cells} cells, but the header {width}; quote cells that contain a {name}"

    def _table(self, cells: pd.DataFrame, broken: Mapping[int, str]) -> TextTable:
        """Return the table without empty rows and repetitions of the header."""
        first = cells.iloc[:, 0]
        empty, repeated = first == "", first == self.header[0]
        if empty.any():
            empty[empty] = (cells[empty] == "").all(axis=1)
        if repeated.any():
            repeated[repeated] = (cells[repeated].map(title_text) == self.header).all(axis=1)
            if repeated.any():
                logger.info("%d repetitions of the header are skipped.", int(repeated.sum()))
        unused = empty | repeated
        return TextTable(cells[~unused] if unused.any() else cells, broken, self.separator)

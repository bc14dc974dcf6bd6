"""Text that spreadsheets would take for a formula, escaped in CSV files and read back."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darksound.rois.spreadsheets import csv_text, escape, unescape, unescape_cells

# Of OWASP's page on CSV injection.
FORMULAS = [
    "=cmd|'/C calc'!A0",
    '=HYPERLINK("http://example.org?x="&A1,"click")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
]
ORDINARY = ["wren", "", "a=b", "1-2", "'til dawn", "'", "Ärger", " leading", "3", "x@y"]


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text):
    assert escape(text) == "'" + text
    assert unescape("'" + text) == text


@pytest.mark.parametrize("text", ORDINARY)
def test_other_text_stays(text):
    assert escape(text) == text
    assert unescape(text) == text


@given(st.text(alphabet=st.one_of(st.sampled_from("'=+-@\t\r\n,\"a"), st.characters()), max_size=8))
def test_every_text_comes_back(text):
    assert unescape(escape(text)) == text
    assert not escape(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_only_text_is_escaped_in_a_table():
    table = pd.DataFrame(
        {
            "label": ["=1+1", None, "wren"],
            "hz": [-1.5, np.nan, 2.0],
            "n": np.array([-1, -2, 3]),
            "maybe": pd.array([-1, None, 2], dtype="Int64"),
            "mixed": ["-x", -7, True],
            "=name": ["a", "b", "c"],
        }
    )
    assert cells(csv_text(table)) == [
        ["label", "hz", "n", "maybe", "mixed", "'=name"],
        ["'=1+1", "-1.5", "-1", "-1", "'-x", "a"],
        ["", "", "-2", "", "-7", "b"],
        ["wren", "2.0", "3", "2", "True", "c"],
    ]
    assert cells(csv_text(table, raw=True))[1] == ["=1+1", "-1.5", "-1", "-1", "-x", "a"]
    assert cells(csv_text(table, header=False))[0][0] == "'=1+1"


def test_tables_without_such_text_are_written_as_by_pandas():
    table = pd.DataFrame({"a": ["x", 'say "no"', "a,b", None], "b": [0.1, 1e-9, np.nan, 3]})
    assert csv_text(table) == table.to_csv(index=False, lineterminator="\n")


@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_a_table_comes_back_cell_by_cell(dtype):
    texts = [*FORMULAS, *ORDINARY, *("'" + text for text in FORMULAS)]
    table = pd.DataFrame({"=a": pd.Series(texts, dtype=dtype), "b": "x"})
    text = csv_text(table)
    for row in cells(text):
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    read = pd.read_csv(
        io.StringIO(text, newline=""), dtype="str", keep_default_na=False, lineterminator="\n"
    )
    back = unescape_cells(read)
    assert back["=a"].tolist() == texts
    assert table["=a"].tolist() == texts

"""Numbers and times as spreadsheets write them."""

import numpy as np
import pandas as pd
import pytest

from darksound.rois.cells import parse_numbers


def parse(*cells, times=(), commas=True):
    table = pd.DataFrame({"x": list(cells)}, dtype="str")
    numbers, causes = parse_numbers(table, times, commas=commas)
    return [
        cause if isinstance(cause, str) else number
        for number, cause in zip(numbers["x"].tolist(), causes, strict=True)
    ]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0.6", 0.6),
        (" 1e3 ", 1000.0),
        ("+.5", 0.5),
        ("0,6", 0.6),
        ("-1,25E-01", -0.125),
        ("\u22122,5", -2.5),
        ("12,345", 12.345),
        ("inf", np.inf),
    ],
)
def test_numbers_have_points_or_commas(cell, number):
    assert parse(cell) == [number]


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "#N/A", "nan", "NaN", "NULL", "None"])
def test_missing_numbers_are_nan_without_a_cause(cell):
    numbers, causes = parse_numbers(pd.DataFrame({"x": [cell, "1.5"]}))
    assert np.isnan(numbers["x"][0])
    assert causes.isna().all()


@pytest.mark.parametrize(
    "cell",
    ["soon", "1_000", "0x1A", "1 000", "1'000", "1,2,3", "1.2.3", "5 kHz", "\u0663", "#REF!",
     "TRUE"],
)  # fmt: skip
def test_other_cells_are_causes(cell):
    assert str(parse(cell)[0]).startswith("x must be a number")


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("00:01:23.4", 83.4),
        ("0:01:23,4", 83.4),
        ("1:23", 83.0),
        ("90:00", 5400.0),
        ("2:00:00", 7200.0),
        ("01:02.5", 62.5),
    ],
)
def test_times_of_a_clock_are_seconds_in_columns_of_times(cell, seconds):
    assert parse(cell, times=("x",)) == [pytest.approx(seconds)]
    assert str(parse(cell)[0]).startswith("x must be a number, but is")


@pytest.mark.parametrize("cell", ["1:60", "1:60:00", "12:01:23 AM", "1:2:3:4", ":30", "-1:00"])
def test_other_clocks_are_causes(cell):
    assert "or h:m:s" in str(parse(cell, times=("x",))[0])


def test_thousands_are_refused_and_never_taken_for_fractions():
    assert parse("1,234", commas=True) == [1.234]
    assert "separators of thousands" in str(parse("1,234", commas=False)[0])
    # Where other cells have a clear decimal comma, commas are decimal.
    assert parse("1,234", "0,5", commas=False) == [1.234, 0.5]
    point, comma = parse("0.5", "1,234")
    assert point == 0.5
    assert "one decimal sign" in str(comma)
    comma, point = parse("0,5", "1.234")
    assert comma == 0.5
    assert "separators of thousands" in str(point)
    assert "thousands" in str(parse("1.234,5", "0,5")[0])


def test_dates_that_a_spreadsheet_made_are_named():
    for cell in ("06. Jun", "6-Jan", "01.02.2026", "2026-02-01"):
        assert "made a date of it" in str(parse(cell)[0])


def test_numbers_stay_numbers_and_other_types_are_text():
    table = pd.DataFrame({"a": [1, 2], "b": [True, False], "c": pd.to_datetime(["2026-01-01"] * 2)})
    numbers, causes = parse_numbers(table[["a"]])
    assert numbers["a"].tolist() == [1.0, 2.0]
    assert causes.isna().all()
    assert parse_numbers(table[["b"]])[1].notna().all()
    assert parse_numbers(table[["c"]])[1].notna().all()

"""Tables in text files: encodings, separators, and rows that are not rows of the table."""

import logging

import numpy as np
import pytest

from darksound.errors import InputError
from darksound.rois.text_tables import read_text_table

COLUMNS = ("recording", "start_s", "label")
TEXT = "recording,start_s,label\na.wav,0.5,Grünspecht\nb.wav,1,\n"
CELLS = [["a.wav", "0.5", "Grünspecht"], ["b.wav", "1", ""]]


def read(tmp_path, content, columns=COLUMNS, required=COLUMNS[:2]):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_text_table(path, "a CSV table", columns, required)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1",
     "mac_roman"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encodings_line_ends_and_separators(tmp_path, encoding, end, separator):
    content = TEXT.replace(",", separator).replace("\n", end).encode(encoding)
    table = read(tmp_path, content)
    assert table.cells.to_numpy().tolist() == CELLS
    assert (table.separator, table.broken) == (separator, {})
    assert table.cells.index.tolist() == [2, 3]


def test_an_encoding_that_was_guessed_is_logged(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        read(tmp_path, TEXT.encode("utf-16"))
        assert caplog.text == ""
        read(tmp_path, TEXT.encode("cp1252"))
        assert "t.csv: is not UTF-8 and is read as Windows-1252" in caplog.text
        read(tmp_path, TEXT.encode("mac_roman"))
        assert "Mac Roman" in caplog.text


def test_joined_files_may_have_several_encodings_marks_and_headers(tmp_path):
    second = TEXT.replace("a.wav", "c.wav").encode("utf-8-sig")
    table = read(tmp_path, TEXT.encode("cp1252") + second)
    assert table.cells["label"].tolist() == ["Grünspecht", "", "Grünspecht", ""]
    assert table.cells["recording"].tolist() == ["a.wav", "b.wav", "c.wav", "b.wav"]
    assert table.cells.index.tolist() == [2, 3, 5, 6]


@pytest.mark.parametrize(
    "content",
    [
        " recording , start_s,\u00a0label\u00a0\na.wav, 0.5 ,\u00a0Grünspecht\n b.wav\t,1,\n",
        '"recording","start_s","label"\n"a.wav","0.5","Grünspecht"\n"b.wav","1",""\n',
        'recording, start_s, label\na.wav, "0.5", "Grünspecht"\nb.wav, 1, ""\n',
        "recording,start_s,label,,\na.wav,0.5,Grünspecht,,\nb.wav,1,,,\n",
        "recording,start_s,label\na.wav,0.5,Grünspecht,,\nb.wav,1\n",
        "\n\nrecording,start_s,label\n\na.wav,0.5,Grünspecht\n,,\n\nb.wav,1,\n\n\n",
        "sep=,\nrecording,start_s,label\na.wav,0.5,Grünspecht\nb.wav,1,\n",
        '"sep=;"\r\nrecording;start_s;label\r\na.wav;0.5;Grünspecht\r\nb.wav;1;\r\n\x1a',
        'recording;"start_s";"label"\na.wav;0.5;Grünspecht\nb.wav;1;\n',
        '"recording\n","start_s","label"\na.wav,0.5,Grünspecht\nb.wav,1,\n',
    ],
)
def test_blanks_quotes_empty_rows_and_trailing_separators(tmp_path, content):
    table = read(tmp_path, content)
    assert table.cells[list(COLUMNS)].to_numpy().tolist() == CELLS
    assert table.broken == {}


def test_separators_in_cells_are_not_separators(tmp_path):
    table = read(tmp_path, 'recording;start_s;label\na.wav;0,5;"a, b, c; d"\n')
    assert table.cells.to_numpy().tolist() == [["a.wav", "0,5", "a, b, c; d"]]
    table = read(tmp_path, "recording\na, b.wav\nc.wav\n", required=("recording",))
    assert table.cells.to_numpy().tolist() == [["a, b.wav"], ["c.wav"]]


def test_rows_that_do_not_fit_are_broken_and_the_others_are_read(tmp_path):
    rows = ["a.wav,0,5,x", "b.wav", "c.wav,1,x", 'd.wav,1,"x', "e.wav,1,x", 'f.wav,1,"x" y']
    rows += ['g.wav,1,"two', 'lines"', "h.wav,1,\0", "i.wav,1,z"]
    table = read(tmp_path, "\n".join(["recording,start_s,label", *rows]))
    assert table.cells["recording"].tolist() == ["c.wav", "e.wav", "g.wav", "i.wav"]
    assert table.cells["label"].tolist() == ["x", "x", "two\nlines", "z"]
    assert {row: cause[:30] for row, cause in table.broken.items()} == {
        2: "has 4 cells, but the header 3;",
        3: "has only 1 of 3 cells",
        5: "cannot be read as a CSV row: a",
        7: "cannot be read as a CSV row: a",
        9: "has characters that are not te",
    }
    # A row of two lines counts once, as in a spreadsheet.
    assert table.cells.index.tolist() == [4, 6, 8, 10]


def test_a_second_line_of_a_cell_with_as_many_separators_as_a_row_stays_in_the_cell(tmp_path):
    table = read(tmp_path, 'recording,start_s,label\n"a\n,b.wav",1,x\nc.wav,2,y\n')
    assert table.broken == {}
    assert table.cells.to_numpy().tolist() == [["a\n,b.wav", "1", "x"], ["c.wav", "2", "y"]]


def test_a_quote_that_is_not_closed_takes_no_rows_with_it(tmp_path):
    rows = [f'{n}.wav,1,"x{n}' if n % 10 == 0 else f"{n}.wav,1,y" for n in range(100)]
    table = read(tmp_path, "\n".join(["recording,start_s,label", *rows]))
    assert len(table.cells) == 90
    assert sorted(table.broken) == list(range(2, 102, 10))


def test_zeros_at_the_end_and_lone_surrogates_refuse_their_rows(tmp_path):
    table = read(tmp_path, TEXT.encode() + bytes(5000))
    assert table.cells.to_numpy().tolist() == CELLS
    assert list(table.broken) == [4]
    table = read(tmp_path, TEXT.encode() + b"c.wav,1,\xed\xa0\x80\n")
    assert (len(table.cells), list(table.broken)) == (2, [4])
    table = read(tmp_path, (TEXT + "c.wav,1,\ud800\n").encode("utf-16", "surrogatepass"))
    assert (len(table.cells), list(table.broken)) == (2, [4])


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (bytes(range(256)) * 20, "not text"),
        (bytes(5000), "empty|not text"),
        (b"PK\x03\x04" + bytes(100), "is a workbook .*save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "is an Excel workbook"),
        (b"PAR1" + bytes(100), "is a Parquet file"),
        (b"recording,label,label\n", "two columns 'label'"),
    ],
)
def test_files_that_are_no_tables_are_errors(tmp_path, content, cause):
    with pytest.raises(InputError, match=cause) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "t.csv") in str(caught.value)


def test_a_regular_table_and_one_with_a_broken_row_give_the_same_cells(tmp_path):
    rows = [f"{n}.wav,{n / 7},label {n}" for n in range(500)]
    regular = read(tmp_path, "\n".join(["recording,start_s,label", *rows]))
    other = read(tmp_path, "\n".join(["recording,start_s,label", *rows, 'x,"']))
    np.testing.assert_array_equal(regular.cells, other.cells)
    assert (list(other.broken), regular.broken) == ([502], {})

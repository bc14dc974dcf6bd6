"""Tables of ROIs: accepted columns, and unusable files and rows."""

import datetime as dt
import logging
import unicodedata
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darksound.errors import InputError
from darksound.rois.roi_set import roi_ids, write_roi_table
from darksound.sources import load_rois


@pytest.fixture
def folder(tmp_path: Path, tone) -> Path:
    tone(tmp_path / "a.wav", seconds=2.0)
    tone(tmp_path / "sub" / "b.wav", seconds=10.0)
    return tmp_path


def _csv(folder: Path, text: str, name: str = "rois.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_times_labels_and_bounds_are_read(folder: Path) -> None:
    rois = load_rois(
        _csv(
            folder,
            "recording,start_s,end_s,low_hz,high_hz,label\n"
            "sub/b.wav,1.5,2,900,4000,NA\na.wav,0,0.25,,,07\na.wav,0.5,1,,,\n",
        )
    )
    table = rois.table
    assert table["recording"].tolist() == ["sub/b.wav", "a.wav", "a.wav"]
    assert table["start_s"].tolist() == [1.5, 0, 0.5]
    assert table["low_hz"][0] == 900
    assert rois.labels is not None
    assert rois.labels.tolist() == ["NA", "07", None]
    assert rois.problems == ()


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_byte_order_marks_are_read(folder: Path, separator: str) -> None:
    text = "\ufeffrecording,start_s,end_s\na.wav,0,1\n".replace(",", separator)
    assert len(load_rois(_csv(folder, text))) == 1


def test_rows_without_times_are_files(folder: Path) -> None:
    without = load_rois(_csv(folder, "recording,label\nsub/b.wav,owl\na.wav,potoo\n")).table
    assert without["label"].tolist() == ["owl"] * 3 + ["potoo"]
    mixed = load_rois(
        _csv(folder, "recording,start_s,end_s\na.wav,0,1\nsub/b.wav,,\na.wav,1,2\n")
    ).table
    assert mixed["recording"].tolist() == ["a.wav"] + ["sub/b.wav"] * 3 + ["a.wav"]
    assert mixed["roi_id"].is_unique


def test_recordings_may_be_relative_to_a_root_or_have_backslashes(folder: Path) -> None:
    table = _csv(folder, "recording,start_s,end_s\nb.wav,0,1\n")
    assert len(load_rois(table, root=folder / "sub")) == 1
    backslash = _csv(folder, "recording,start_s,end_s\nsub\\b.wav,0,1\n")
    assert load_rois(backslash).table["recording"].tolist() == ["sub/b.wav"]


def test_written_table_is_read_back_unchanged(folder: Path, tmp_path: Path) -> None:
    whole = load_rois("demo:val", folder / "sub").table
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_roi_table(whole, elsewhere / "rois.parquet")
    again = load_rois(elsewhere / "rois.parquet")
    pd.testing.assert_frame_equal(again.table, whole)
    moved = load_rois(elsewhere / "rois.parquet", root=folder / "sub")
    pd.testing.assert_frame_equal(moved.table, whole)
    row = again.table.iloc[0]
    assert len(again.reader.read(row["root"], row["recording"], 0.0, 1.0, None)[0]) == 48_000


def test_unused_columns_are_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load_rois(_csv(folder, "recording,observer,station\na.wav,me,7\n"))
    assert "columns not used: observer, station" in caplog.text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("recordings,start_s,end_s\na.wav,0,1\n", "no column 'recording'.*rename 'recordings'"),
        ("file,x\na.wav,0\n", "no column 'recording'.*rename 'file'"),
        ("recording,start_s\na.wav,0\n", "both or neither"),
        ("recording,start_s,end_s\na.wav,0,soon\n", "row 2: end_s must be a number .*'soon'"),
        ("recording,start_s,end_s\n", "no rows"),
        ("", "cannot be read as a CSV"),
        ('recording,label\n"a.wav,1\nb', "cannot be read as a CSV"),
        ("recording,start_s,end_s\ngone.wav,0,1\n", "no such file"),
        ("recording,start_s,end_s\na.wav,1,0.5\n", "row 2: does not end after it starts"),
        ("recording,start_s,end_s\na.wav,-1,0.5\n", "row 2: starts before"),
        ("recording,start_s,end_s\na.wav,0,inf\n", "row 2: has a time that is not finite"),
        ("recording,start_s,end_s\na.wav,nan,1\n", "row 2: has only one of"),
        ("recording,start_s,end_s\na.wav,50,51\n", "row 2: .*beyond the recording's end at 2.000"),
    ],
)
def test_unusable_tables_are_errors_with_the_cause(folder: Path, text: str, cause: str) -> None:
    with pytest.raises(InputError, match=cause):
        load_rois(_csv(folder, text))


def test_recordings_are_found_by_other_capitals_accents_and_forms_of_the_path(
    folder: Path, tone
) -> None:
    tone(folder / "Gr\u00fcn [1].wav", seconds=2.0)
    rois = load_rois(
        _csv(
            folder,
            "recording,start_s,end_s\nA.WAV,0,1\n./a.wav,1,2\nSUB\\B.wav,0,1\nsub/../a.wav,0.5,1\n"
            "Gru\u0308n [1].wav,0,1\nD:\\field\\sub\\b.wav,1,2\n../a.wav,0,1\nhttp://x.org/a.wav,0,1\n",
        )
    )
    assert [unicodedata.normalize("NFC", name) for name in rois.table["recording"]] == [
        "a.wav", "a.wav", "sub/b.wav", "a.wav", "Gr\u00fcn [1].wav", "sub/b.wav"
    ]  # fmt: skip
    assert ["row 8" in problem.cause for problem in rois.problems] == [True, False]
    assert ["leads out of" in problem.cause for problem in rois.problems] == [True, False]
    assert ["is an address" in problem.cause for problem in rois.problems] == [False, True]


def test_labels_that_differ_in_blanks_and_the_form_of_accents_are_one_class(folder: Path) -> None:
    table = load_rois(
        _csv(
            folder,
            "recording, start_s, end_s, label\na.wav,0,1,wren\na.wav,1,1.5, wren\n"
            "sub/b.wav,0,1,wren \nsub/b.wav,1,2,wren\u00a0\nsub/b.wav,2,3,Gr\u00fcn\n"
            "sub/b.wav,3,4,Gru\u0308n\n",
        )
    ).table
    assert table["label"].tolist() == ["wren"] * 4 + ["Gr\u00fcn"] * 2
    assert table["end_s"].tolist() == [1, 1.5, 1, 2, 3, 4]


def test_labels_of_folders_are_cleaned_too(tmp_path: Path, tone) -> None:
    for number, name in enumerate(("wren ", "wren", "Gru\u0308n", "Gr\u00fcn")):
        tone(tmp_path / name / f"{number}.wav", seconds=2.0)
    assert set(load_rois(tmp_path).table["label"]) == {"wren", "Gr\u00fcn"}


def test_equal_rows_are_one_roi_and_rows_of_other_bounds_are_not(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    header = "recording,start_s,end_s,low_hz,high_hz,label\n"
    rows = ["a.wav,0,1,,500,x", "a.wav,0,1,,700,x", "a.wav,0,1,100,500,x", "a.wav,0,1,100,500,x"]
    rows += [
        "A.wav,0.0,1.0,100,500,x",
        "a.wav,0.0000001,1,100,500,",
        "a.wav,1,2,,,",
        "a.wav,1,2,,,y",
    ]
    rois = load_rois(_csv(folder, header + "\n".join(rows)))
    assert rois.problems == ()
    assert rois.table["high_hz"].fillna(0).tolist() == [500, 700, 500, 0]
    assert rois.table["label"].tolist() == ["x", "x", "x", "y"]
    assert rois.table["roi_id"].is_unique
    assert "4 of 8 rows repeat" in caplog.text
    # The ids of ROIs that nothing else shares stay as they were.
    assert rois.table["roi_id"][2:].tolist() == [
        *roi_ids(["a.wav"], [0.0], [1.0], [100.0], [500.0]), *roi_ids(["a.wav"], [1.0], [2.0])
    ]  # fmt: skip


def test_a_window_of_a_file_that_another_row_names_is_one_roi(folder: Path) -> None:
    rois = load_rois(_csv(folder, "recording,start_s,end_s\nsub/b.wav,,\nsub/b.wav,3,6\n"))
    assert rois.table["start_s"].tolist() == [0.0, 3.0, 6.0]
    assert rois.table["roi_id"].is_unique


def test_bounds_that_are_no_frequencies_refuse_their_rows(folder: Path) -> None:
    header = "recording,start_s,end_s,low_hz,high_hz\n"
    rows = [
        "a.wav,0,1,100,200",
        "a.wav,0,1,200,100",
        "a.wav,0,1,-5,1",
        "a.wav,0,1,inf,",
        "a.wav,0,1,,1e300",
    ]
    rois = load_rois(_csv(folder, header + "\n".join(rows)))
    assert len(rois) == 1
    assert [problem.cause.split(", ")[1][:5] for problem in rois.problems] == [
        f"row {row}" for row in (3, 4, 5, 6)
    ]


def test_spreadsheet_files_are_errors_with_the_remedy(folder: Path) -> None:
    path = folder / "rois.xlsx"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"rois\.xlsx: is a workbook .*save its sheet as CSV"):
        load_rois(path)


def _parquet(folder: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), folder / "rois.parquet")
    return folder / "rois.parquet"


def test_text_in_parquet_tables_is_read_like_that_in_csv(folder: Path) -> None:
    rois = load_rois(
        _parquet(
            folder,
            recording=[" a.wav", "A.WAV", "a.wav", None],
            start_s=["0,5", " 00:00:01 ", "soon", "1"],
            end_s=["1", "2", "2", "2"],
            label=["wren ", "\u00a0wren", "x", "x"],
        )
    )
    assert rois.table["start_s"].tolist() == [0.5, 1.0]
    assert rois.table["label"].tolist() == ["wren", "wren"]
    causes = [problem.cause.partition("rois.parquet, ")[2] for problem in rois.problems]
    assert causes[0].startswith("row 4: start_s must be a number of seconds")
    assert causes[1] == "row 5: names no recording; left out."


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({"recording": [["a.wav"]]}, "the column 'recording' has lists"),
        ({"start_s": [dt.datetime(2026, 1, 1)], "end_s": [1.0]}, "row 2: start_s must be a number"),
        ({"start_s": [False], "end_s": [True]}, "row 2: start_s must be a number .*'False'"),
        ({"start_s": [2**62], "end_s": [2**63 - 1]}, "row 2: .*beyond the recording's end"),
    ],
)
def test_other_types_in_parquet_tables_are_errors(folder: Path, columns: dict, cause: str) -> None:
    with pytest.raises(InputError, match=cause):
        load_rois(_parquet(folder, **({"recording": ["a.wav"]} | columns)))


def test_parquet_index_may_name_the_recordings(folder: Path) -> None:
    table = pd.DataFrame({"recording": ["a.wav"], "start_s": [0.0], "end_s": [1.0]})
    table.set_index("recording").to_parquet(folder / "rois.parquet")
    assert load_rois(folder / "rois.parquet").table["recording"].tolist() == ["a.wav"]


def test_bad_rows_among_good_ones_become_problems(folder: Path) -> None:
    rois = load_rois(
        _csv(
            folder,
            "recording,start_s,end_s,label\n"
            "a.wav,0,1,good\n"
            "a.wav,0,1,twice\n"
            "gone.wav,0,1,missing\n"
            ",0,1,nameless\n"
            "a.wav,1.5,2.1,clipped\n"
            "a.wav,1.9,9,beyond\n"
            "a.wav,2,1,backwards\n",
        )
    )
    assert rois.table["label"].tolist() == ["good", "clipped"]
    rows = sorted(problem.cause.partition(", row ")[2][0] for problem in rois.problems)
    assert rows == ["3", "4", "5", "7", "8"]


def test_unreadable_parquet_file_is_an_error(folder: Path) -> None:
    path = folder / "rois.parquet"
    path.write_bytes(b"PAR1 and then nothing else")
    with pytest.raises(InputError, match="cannot be read as a Parquet table"):
        load_rois(path)


def test_binary_file_with_suffix_csv_is_an_error(folder: Path) -> None:
    path = folder / "rois.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InputError, match="cannot be read as a CSV table"):
        load_rois(path)

"""Tables of ROIs: accepted columns, and unusable files and rows."""

import logging
from pathlib import Path

import pandas as pd
import pytest

from darksound.errors import InputError
from darksound.rois.roi_set import write_roi_table
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

"""Writers of single files: what they write can be read again."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from darksound.errors import RunError
from darksound.rois.roi_set import Problem, as_roi_table
from darksound.run import files
from darksound.run.files import read_problems, write_embeddings, write_problems


@pytest.fixture
def table():
    return as_roi_table(
        {
            "root": ["/r"] * 3,
            "recording": ["a", "a", "b"],
            "start_s": [0.0, 1.0, 0.0],
            "end_s": [1.0, 2.0, 1.0],
            "label": ["x", None, "y"],
        }
    )


def test_json_has_no_nan_and_plain_numbers(tmp_path):
    values = {"a": np.float32(0.5), "b": float("nan"), "c": (np.int64(3), [np.inf]), "d": "é"}
    files.write_json(tmp_path / "a.json", {**values, "e": np.arange(2)})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": 0.5, "b": None, "c": [3, [None]], "d": "é", "e": [0, 1]}
    assert "NaN" not in text


def test_arrays_and_tables_come_back(tmp_path):
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    files.write_array(tmp_path / "a.npy", array)
    back = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert back.dtype == array.dtype
    assert (back == array).all()
    table = pd.DataFrame({"x": [1, 2], "name": ["a", None]})
    files.write_parquet(tmp_path / "t.parquet", table)
    files.write_csv(tmp_path / "t.csv", table)
    assert pd.read_parquet(tmp_path / "t.parquet")["x"].tolist() == [1, 2]
    assert (tmp_path / "t.csv").read_bytes() == b"x,name\n1,a\n2,\n"


def test_skipped_inputs_are_written_once_and_read_back(tmp_path):
    path = tmp_path / "errors.csv"
    assert files.read_problems(path) == ()
    problems = [Problem("NA", 'a "quoted", cause'), Problem("b.wav", "damaged"), Problem("NA", "x")]
    files.write_problems(path, [*problems, problems[0]])
    assert files.read_problems(path) == tuple(problems)
    files.write_problems(path, [])
    assert not path.exists()


def test_formulas_in_skipped_inputs_are_escaped_and_read_back(tmp_path):
    path = tmp_path / "errors.csv"
    problems = (Problem("=1+1.wav", "=1+1.wav: silent."), Problem("'+a.wav", "-: x."))
    write_problems(path, problems)
    assert path.read_text().splitlines()[1:] == [
        "'=1+1.wav,'=1+1.wav: silent.",
        "''+a.wav,'-: x.",
    ]
    assert read_problems(path) == problems


def test_embeddings_as_parquet_are_one_column_of_vectors(table, tmp_path):
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_embeddings(tmp_path / "e.parquet", table, 4, [vectors[:2], vectors[2:]])
    schema = pq.read_schema(tmp_path / "e.parquet")
    assert schema.names == ["roi_id", "recording", "start_s", "end_s", "label", "embedding"]
    assert schema.field("embedding").type.list_size == 4
    back = pd.read_parquet(tmp_path / "e.parquet")
    assert (np.stack(back["embedding"].tolist()) == vectors).all()
    assert back["roi_id"].tolist() == table["roi_id"].tolist()


def test_embeddings_as_an_array_have_their_table_beside(table, tmp_path):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_embeddings(tmp_path / "e.npy", table, 2, [vectors[:1], vectors[1:]])
    assert (np.load(tmp_path / "e.npy", mmap_mode="r") == vectors).all()
    assert pd.read_parquet(tmp_path / "e.rois.parquet")["recording"].tolist() == ["a", "a", "b"]
    with pytest.raises(RunError, match=r"use \.parquet or \.npy"):
        write_embeddings(tmp_path / "e.csv", table, 2, [vectors])

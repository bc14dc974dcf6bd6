"""JSON, arrays and tables come back as they were written."""

import json

import numpy as np
import pandas as pd

from darksound.run import files as contents


def test_json_has_no_nan_and_plain_numbers(tmp_path):
    values = {"a": np.float32(0.5), "b": float("nan"), "c": (np.int64(3), [np.inf]), "d": "é"}
    contents.write_json(tmp_path / "a.json", {**values, "e": np.arange(2)})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": 0.5, "b": None, "c": [3, [None]], "d": "é", "e": [0, 1]}
    assert "NaN" not in text


def test_arrays_and_tables_come_back(tmp_path):
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    contents.write_array(tmp_path / "a.npy", array)
    back = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert back.dtype == array.dtype
    assert (back == array).all()
    table = pd.DataFrame({"x": [1, 2], "name": ["a", None]})
    contents.write_parquet(tmp_path / "t.parquet", table)
    contents.write_csv(tmp_path / "t.csv", table)
    assert pd.read_parquet(tmp_path / "t.parquet")["x"].tolist() == [1, 2]
    assert (tmp_path / "t.csv").read_bytes() == b"x,name\n1,a\n2,\n"

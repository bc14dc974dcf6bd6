"""The ROI table: its columns, and the ids of its rows."""

import numpy as np
import pandas as pd
import pytest

from darksound.audio.files import FileReader
from darksound.cluster.result import CLUSTER_SCHEMA
from darksound.errors import InputError
from darksound.rois.roi_set import (
    SCHEMA,
    RoiSet,
    as_roi_table,
    read_roi_table,
    roi_ids,
    write_roi_table,
)


@pytest.mark.parametrize("schema", [SCHEMA, CLUSTER_SCHEMA], ids=["rois", "clusters"])
def test_no_column_is_hidden_by_an_attribute_of_pandas(schema) -> None:
    assert [name for name in schema.names if hasattr(pd.DataFrame, name)] == []
    frame = pd.DataFrame({name: pd.Series([0]) for name in schema.names})
    for name in schema.names:
        assert isinstance(getattr(frame, name), pd.Series), name


def test_a_table_has_all_columns_of_the_schema_and_survives_a_file(tmp_path) -> None:
    table = as_roi_table(
        {"root": "r", "recording": ["a.wav", "b.wav"], "start_s": [0, 1], "end_s": [1, 2], "x": 3}
    )
    assert list(table.columns) == SCHEMA.names
    write_roi_table(table, tmp_path / "rois.parquet")
    pd.testing.assert_frame_equal(read_roi_table(tmp_path / "rois.parquet"), table)


def test_ids_depend_on_recording_times_and_known_bounds_alone() -> None:
    first = roi_ids(["a.wav", "b.wav"], [0.0, 0.0], [1.0, 1.0])
    assert first == roi_ids(["a.wav", "b.wav"], [0.0, 0.0], [1.0, 1.0], lows=500.0)
    assert len(set(first) | set(roi_ids(["a.wav"], [0.0], [1.0], [500.0], [900.0]))) == 3
    assert roi_ids(["a.wav"], [0.0], [1.0 + 1e-9]) == first[:1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"root": ["r"], "recording": ["a.wav"]}, r"lacks the column\(s\) start_s, end_s"),
        ({"start_s": [1.0], "end_s": [1.0]}, "from 1.0 to 1.0 s is impossible"),
        ({"start_s": [-1.0], "end_s": [1.0]}, "from -1.0 to 1.0 s is impossible"),
        ({"start_s": [0.0], "end_s": [np.inf]}, r"a\.wav: a ROI from 0.0 to inf s"),
    ],
)
def test_impossible_tables_are_errors(columns, message) -> None:
    with pytest.raises(InputError, match=message):
        as_roi_table({"root": ["r"], "recording": ["a.wav"], **columns})


def test_labels_that_are_one_folder_or_sites_are_not_compared_with_clusters():
    def compared(label, site=None):
        columns = {"root": "r", "recording": ["a", "b", "c"], "start_s": 0.0, "end_s": 1.0}
        table = as_roi_table({**columns, "label": label, "site": site})
        return RoiSet(table, FileReader()).compared_labels

    assert compared(["forest"] * 3) is None
    assert compared(["forest", None, None]) is None
    assert compared(["A", "B", None], ["A", "B", "B"]) is None
    labels = compared(["wren", "owl", None], ["A", "B", "B"])
    assert labels is not None
    assert labels.tolist() == ["wren", "owl", None]

"""Tables of effort and of sites."""

from pathlib import Path

import pandas as pd
import pytest

from darksound.errors import InputError
from darksound.rois.effort import (
    EFFORT_SCHEMA,
    SITE_SCHEMA,
    as_effort_table,
    as_site_table,
    counted_effort,
    merged_effort,
    read_columns,
)
from darksound.run.files import write_parquet


def test_recordings_without_rois_are_counted_as_zero() -> None:
    effort = as_effort_table({"root": "r", "recording": ["a", "b"], "used_s": [1.0, 2.0]})
    rois = pd.DataFrame({"root": ["r"] * 3, "recording": ["b", "b", "c"]})
    counted = counted_effort(effort, rois)
    assert counted["recording"].tolist() == ["a", "b"]
    assert counted["n_rois"].tolist() == [0, 2]
    assert counted.columns.tolist() == EFFORT_SCHEMA.names


def test_a_recording_of_two_sources_has_one_row_with_the_longest_time() -> None:
    first = as_effort_table({"root": "r", "recording": ["a", "b"], "used_s": [1.0, 9.0]})
    second = as_effort_table({"root": "r", "recording": ["c", "a"], "used_s": [3.0, 5.0]})
    merged = merged_effort([first, second])
    assert merged is not None
    assert dict(zip(merged["recording"], merged["used_s"], strict=True)) == {
        "a": 5.0,
        "b": 9.0,
        "c": 3.0,
    }
    assert merged_effort([]) is None


def test_covariates_follow_the_columns_of_sites() -> None:
    table = as_site_table({"canopy": [0.4], "site": ["Nord"], "habitat": ["bog"]})
    assert table.columns.tolist() == [*SITE_SCHEMA.names, "canopy", "habitat"]
    assert table["latitude"].isna().all()


def test_tables_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    effort = as_effort_table({"root": "r", "recording": ["a"], "site": ["Süd"], "rain_share": 0.5})
    write_parquet(tmp_path / "e.parquet", effort, EFFORT_SCHEMA)
    read = read_columns(tmp_path / "e.parquet", EFFORT_SCHEMA)
    assert read is not None
    pd.testing.assert_frame_equal(read, effort)
    assert read_columns(tmp_path / "none.parquet", EFFORT_SCHEMA) is None
    write_parquet(tmp_path / "s.parquet", as_site_table({"site": ["a"], "canopy": [0.1]}))
    sites = read_columns(tmp_path / "s.parquet", SITE_SCHEMA)
    assert sites is not None
    assert sites["canopy"].tolist() == [0.1]


def test_another_table_is_named_as_such(tmp_path: Path) -> None:
    write_parquet(tmp_path / "e.parquet", pd.DataFrame({"root": ["r"]}))
    with pytest.raises(InputError, match="recording"):
        read_columns(tmp_path / "e.parquet", EFFORT_SCHEMA)

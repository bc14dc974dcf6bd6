"""Effort: which recordings were looked at, and for how long."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

import darksound as ds
from darksound.audio.files import AudioInfo
from darksound.rois.effort import EFFORT_SCHEMA
from darksound.run.files import write_roi_parquet
from darksound.run.places import write_places
from darksound.sources.looked_at import LookedAt, ProbedFiles, effort_rows

RATE = 16_000


def write(path: Path, seconds: float, wave: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.01 * np.random.default_rng(0).standard_normal(round(seconds * RATE))
    sf.write(path, noise if wave is None else wave, RATE)
    return path


def cut(path: Path, share: float) -> None:
    """Cut the end of a file, as a battery that runs out does."""
    content = path.read_bytes()
    path.write_bytes(content[: 44 + round(share * (len(content) - 44))])


def effort_of(*specs, **options) -> pd.DataFrame:
    effort = ds.load_rois(*specs, **options).effort
    assert effort is not None
    assert effort.columns.tolist() == EFFORT_SCHEMA.names
    return effort.set_index("recording")


@pytest.mark.parametrize("mode", ["segment", "windows"])
def test_every_recording_has_its_seconds_also_without_a_roi(tmp_path, mode):
    call = 0.01 * np.random.default_rng(1).standard_normal(12 * RATE)
    time = np.arange(RATE // 2) / RATE
    call[5 * RATE :][: len(time)] += 0.5 * np.sin(2 * np.pi * (2000 * time + 1500 * time**2))
    write(tmp_path / "a_20240501_050000.wav", 12, call)
    write(tmp_path / "b_20240501_060000.wav", 12)
    cut(write(tmp_path / "c_20240501_070000.wav", 12), 0.5)
    write(tmp_path / "d_20240501_080000.wav", 12, np.zeros(12 * RATE))
    effort = effort_of(tmp_path, rois=mode, settings=_all_unusable())
    assert effort["duration_s"].tolist() == [12.0] * 4
    np.testing.assert_allclose(effort["used_s"], [12, 12, 6, 0], atol=0.05)
    np.testing.assert_allclose(effort["lost_s"], [0, 0, 6, 12], atol=0.05)
    assert effort["recorded_at"].iloc[0] == "2024-05-01T05:00:00"
    assert effort["recorder"].tolist() == list("abcd")
    if mode == "segment":
        assert effort["n_rois"].tolist() == [1, 0, 0, 0]
        assert effort["rain_share"].iloc[1] == 0.0
    else:
        assert effort["rain_share"].isna().all()


def _all_unusable() -> ds.Settings:
    return ds.Settings().replace(segmentation={"max_unusable": 1.0, "min_call_score": 0.0})


def test_a_recording_that_cannot_be_opened_was_not_looked_at(tmp_path):
    write(tmp_path / "a.wav", 2)
    (tmp_path / "b_20240501_050000.wav").touch()
    effort = effort_of(tmp_path, settings=_all_unusable())
    assert effort.loc["b_20240501_050000.wav", "used_s"] == 0
    assert effort.loc["b_20240501_050000.wav", ["duration_s", "lost_s"]].isna().all()
    assert effort.loc["b_20240501_050000.wav", "recorded_at"] == "2024-05-01T05:00:00"


def test_shares_of_rain_and_wind_are_of_the_time_of_the_chunks():
    chunks = pd.DataFrame(
        {"start_s": [0.0, 60.0, 120.0], "end_s": [60.0, 120.0, 140.0]}
        | {"quality_flags": ["rain", "", "rain wind"]}
    )
    probed = ProbedFiles({"a": AudioInfo(1, RATE, 1, 140.0)}, {})
    files = pd.DataFrame({"recording": ["a"]})
    row = effort_rows(Path("r"), files, probed, {"a": LookedAt(140.0, chunks)}).iloc[0]
    assert row["quality_flags"] == "rain wind"
    assert row["rain_share"] == pytest.approx(80 / 140)
    assert row["wind_share"] == pytest.approx(20 / 140)


def test_recordings_of_tables_and_annotations_count_whole(tmp_path):
    write(tmp_path / "north" / "a_20240501_050000.wav", 4)
    write(tmp_path / "south" / "b_20240501_050000.wav", 6)
    table = tmp_path / "rois.csv"
    table.write_text(
        "recording,start_s,end_s,label\n"
        "north/a_20240501_050000.wav,0,1,x\nnorth/a_20240501_050000.wav,2,3,y\n"
        "south/b_20240501_050000.wav,0,1,x\n"
    )
    effort = effort_of(table)
    assert effort["used_s"].tolist() == [4.0, 6.0]
    assert effort["n_rois"].tolist() == [2, 1]
    assert effort["site"].tolist() == ["north", "south"]


def test_annotation_files_without_annotations_are_effort_without_rois(tmp_path):
    header = "Selection\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n"
    for name, rows in (("a", "1\t0.5\t1.0\t1000\t3000\twren\n"), ("b", "")):
        write(tmp_path / f"{name}.wav", 4)
        (tmp_path / f"{name}.Table.1.selections.txt").write_text(header + rows)
    write(tmp_path / "not-looked-at.wav", 4)
    effort = effort_of(tmp_path, rois="annotations")
    assert effort["n_rois"].to_dict() == {"a.wav": 1, "b.wav": 0}
    assert effort["used_s"].tolist() == [4.0, 4.0]


def test_a_table_beside_which_effort_lies_keeps_silent_recordings(tmp_path):
    write(tmp_path / "sounds" / "a_20240501_050000.wav", 4)
    write(tmp_path / "sounds" / "b_20240501_060000.wav", 4)
    rois = ds.load_rois(tmp_path / "sounds", rois="windows")
    (rows,) = np.nonzero((rois.table["recording"] == "a_20240501_050000.wav").to_numpy())
    (tmp_path / "out").mkdir()
    write_roi_parquet(tmp_path / "out" / "found.parquet", rois.table.iloc[rows])
    write_places(tmp_path / "out", rois.take(rows), "found")
    effort = effort_of(tmp_path / "out" / "found.parquet")
    assert effort["n_rois"].tolist() == [len(rows), 0]
    (tmp_path / "moved").mkdir()
    for file in (tmp_path / "sounds").iterdir():
        file.rename(tmp_path / "moved" / file.name)
    moved = effort_of(tmp_path / "out" / "found.parquet", root=tmp_path / "moved")
    assert set(moved["root"]) == {str(tmp_path / "moved")}
    assert len(moved) == 2


def test_a_table_of_sites_counts_for_rois_and_silent_recordings(tmp_path):
    for name in (
        "x1_20240501_050000.wav",
        "x2_20240501_050000.wav",
        "siteC/x3_20240501_050000.wav",
    ):
        write(tmp_path / "sounds" / name, 8)
    sites = tmp_path / "sites.csv"
    sites.write_text(
        "site,pattern,latitude,longitude,canopy\nÜfer,x1_*,47.8,13.0,0.5\nWald,x2_*,,,\n"
    )
    settings = ds.Settings().replace(rois={"sites": str(sites)})
    rois = ds.load_rois(tmp_path / "sounds", rois="windows", settings=settings)
    # The names of folders are not mixed with those of the table.
    assert set(rois.table["site"].dropna()) == {"Üfer", "Wald"}
    assert rois.effort is not None
    assert rois.effort["site"].fillna("").tolist() == ["", "Üfer", "Wald"]
    assert rois.sites is not None
    assert rois.sites["canopy"].iloc[0] == 0.5

"""Seasons as files: reproducible, resumable, and with tables of what is true."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from darksound.audio.recording_metadata import read_recording_metadata
from darksound.errors import InputError
from darksound.jobs.season import Season, season_tables, write_season
from darksound.settings import ComputeSettings
from darksound.synthesis.season import SeasonEvent, SeasonPlan, SeasonRecording

PLAN = SeasonPlan(sites=2, days=3, seconds=4.0, species=6, seed=2)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Season]:
    folder = tmp_path_factory.mktemp("season") / "season"
    return folder, write_season(PLAN, folder, ComputeSettings(workers=1))


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_files_do_not_depend_on_workers_or_interruptions(
    written: tuple[Path, Season], tmp_path: Path
) -> None:
    folder, _ = written
    again = tmp_path / "again"
    write_season(PLAN, again, ComputeSettings(workers=2))
    assert _digests(again) == _digests(folder)
    next(again.rglob("*.WAV")).unlink()
    (again / "detections.csv").unlink()
    write_season(PLAN, again, ComputeSettings(workers=1))
    assert _digests(again) == _digests(folder)


def test_tables_describe_the_files(written: tuple[Path, Season]) -> None:
    folder, season = written
    recordings = pd.read_csv(folder / "recordings.csv")
    assert len(recordings) == 18 + 10
    assert sorted(recordings["recording"]) == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.WAV")
    )
    for row in recordings.itertuples():
        metadata = read_recording_metadata(folder / str(row.recording))
        assert metadata.recorded_at == row.recorded_at
        assert metadata.recorder == f"AudioMoth {row.recorder}"
        assert soundfile.info(folder / str(row.recording)).duration == row.duration_s
    sites = pd.read_csv(folder / "sites.csv")
    assert sites["folder"].tolist() == ["site-1", "site-2"]
    assert sites["end"].tolist() == ["2025-06-03T21:00:04-05:00", "2025-06-02T12:00:03-05:00"]
    assert season.events["recording"].isin(recordings["recording"]).all()


def test_detections_are_those_of_the_events(written: tuple[Path, Season]) -> None:
    folder, season = written
    table = pd.read_csv(folder / "detections.csv", dtype={"detected": "Int64", "songs": "Int64"})
    assert len(table) == 6 * 2 * 3
    missing = table[table["detected"].isna()]
    assert set(zip(missing["site"], missing["date"], strict=True)) == {("site-2", "2025-06-03")}
    calls = season.events[season.events["kind"] == "call"]
    dates = calls["recording"].str.extract(r"/(\d{4})(\d\d)(\d\d)_").agg("-".join, axis=1)
    expected = calls.groupby([calls["label"], calls["site"], dates]).size()
    present = table[table["detected"] == 1].set_index(["label", "site", "date"])["songs"]
    assert present.to_dict() == expected.to_dict()
    assert (table["songs"].fillna(0) > 0).sum() == len(present)


def test_a_day_with_recordings_and_no_song_is_zero_not_missing() -> None:
    plan = SeasonPlan(sites=1, days=2, species=1)
    silent, sung = SeasonRecording(0, 0, 5), SeasonRecording(0, 0, 21)
    song = SeasonEvent("owl", True, 1.0, 2.0, 300.0, 500.0)
    rain = SeasonEvent("rain", False, 0.0, 4.0, 300.0, 8000.0)
    table = season_tables(plan, [(silent, [rain]), (sung, [])]).detections
    assert table["detected"].tolist() == [0, pd.NA]
    table = season_tables(plan, [(silent, []), (sung, [song, song])]).detections
    assert table["songs"].tolist() == [2, pd.NA]


def test_a_folder_of_another_season_is_not_overwritten(written: tuple[Path, Season]) -> None:
    folder, _ = written
    with pytest.raises(InputError, match="other options"):
        write_season(SeasonPlan(sites=2, days=4), folder)

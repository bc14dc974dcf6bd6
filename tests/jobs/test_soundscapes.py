"""Soundscapes as files: reproducible, resumable, and with a table of every event."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from darksound.audio.recording_metadata import read_recording_metadata
from darksound.errors import InputError
from darksound.jobs.soundscapes import EVENT_COLUMNS, Soundscapes, write_soundscapes
from darksound.settings import ComputeSettings

PLAN = Soundscapes(2, "night", minutes=0.2, species=3, seed=8)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("soundscapes") / "night"
    write_soundscapes(PLAN, folder, ComputeSettings(workers=1))
    return folder


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_files_do_not_depend_on_workers_or_interruptions(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    write_soundscapes(PLAN, folder, ComputeSettings(workers=2))
    assert _digests(folder) == _digests(written)
    # A process that is killed leaves a recording without its events, or none at all.
    (folder / "events" / "night-0001_20250601_210000.csv").unlink()
    (folder / "events.csv").unlink()
    calls: list[tuple[int, int]] = []

    def progress(
        stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None
    ) -> None:
        calls.append((done, total))

    write_soundscapes(PLAN, folder, progress=progress)
    assert _digests(folder) == _digests(written)
    assert calls[0] == (1, 2)
    assert calls[-1] == (2, 2)


def test_table_has_every_event_in_seconds_of_its_recording(written: Path) -> None:
    table = pd.read_csv(written / "events.csv")
    assert tuple(table.columns) == EVENT_COLUMNS
    assert set(table["kind"]) == {"call", "other"}
    for recording, rows in table.groupby("recording"):
        info = soundfile.info(written / str(recording))
        assert (info.samplerate, info.channels, info.subtype) == (48_000, 1, "PCM_16")
        assert info.duration == 12.0
        assert rows["end_s"].le(12.0).all()
        assert rows["start_s"].ge(0.0).all()
        assert rows["start_s"].is_monotonic_increasing
        assert rows["low_hz"].lt(rows["high_hz"]).all()
    calls = table[table["kind"] == "call"]
    assert set(calls["label"]) <= {"owl-01", "tinamou-02", "nightjar-03"}
    assert calls["distance_m"].notna().all()
    assert table.loc[table["kind"] == "other", "individual"].isna().all()
    for call in calls.dropna(subset="units").itertuples():
        times = [tuple(map(float, unit.split("-"))) for unit in str(call.units).split()]
        assert len(times) > 1
        assert times[0][0] == pytest.approx(call.start_s, abs=0.01)
        assert times[-1][1] == pytest.approx(call.end_s, abs=0.01)
    parquet = pd.read_parquet(written / "events.parquet")
    pd.testing.assert_frame_equal(
        parquet.drop(columns=["units", "individual"]),
        table.drop(columns=["units", "individual"]),
        check_dtype=False,
    )


def test_names_have_the_time_at_which_recorders_would_start(written: Path) -> None:
    starts = [read_recording_metadata(path).recorded_at for path in sorted(written.glob("*.wav"))]
    assert starts == ["2025-06-01T21:00:00", "2025-06-02T21:00:00"]


def test_sound_is_not_silent_and_not_clipped(written: Path) -> None:
    for path in written.glob("*.wav"):
        wave, _ = soundfile.read(path)
        assert 1e-3 < wave.std() < 0.3
        assert np.mean(np.abs(wave) > 0.999) < 1e-3


def test_other_plan_is_an_error(written: Path) -> None:
    with pytest.raises(InputError, match="contains a synthetic data set with other options"):
        write_soundscapes(Soundscapes(3, "dawn"), written)

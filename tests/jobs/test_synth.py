"""Synthetic data sets as files: reproducible, resumable and readable."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from darksound.errors import InputError
from darksound.jobs.synth import SyntheticBirds, write_synthetic_recordings
from darksound.settings import ComputeSettings
from darksound.sources import load_rois

BIRDS = SyntheticBirds(species=3, birds=2, takes=1, songs=2, seed=8)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*.wav"))
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_files_do_not_depend_on_workers_or_interruptions(
    tmp_path: Path,
) -> None:
    write_synthetic_recordings(BIRDS, tmp_path / "one")
    write_synthetic_recordings(BIRDS, tmp_path / "two")
    deleted = tmp_path / "two" / "species-0002" / "bird-1_rec-1.wav"
    deleted.unlink()
    (tmp_path / "two" / "rois.csv").unlink()
    compute = ComputeSettings(workers=2)
    table = write_synthetic_recordings(BIRDS, tmp_path / "two", compute)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")
    assert len(table) == 3 * 2 * 2
    assert (tmp_path / "one" / "rois.csv").read_text() == (
        tmp_path / "two" / "rois.csv"
    ).read_text()


def test_table_is_a_source_whose_rois_contain_the_songs(tmp_path: Path) -> None:
    write_synthetic_recordings(BIRDS, tmp_path)
    rois = load_rois(tmp_path / "rois.csv")
    assert len(rois) == 12
    assert set(rois.table["label"]) == {"species-0001", "species-0002", "species-0003"}
    assert not rois.problems
    for recording in rois.table["recording"].unique():
        info = soundfile.info(tmp_path / recording)
        assert (info.samplerate, info.channels) == (48_000, 1)
    wave, rate = rois.reader.read(
        rois.table["root"][0],
        rois.table["recording"][0],
        rois.table["start_s"][0],
        rois.table["end_s"][0],
        None,
    )
    assert rate == 48_000
    assert np.abs(wave).max() > 0.001


def test_other_plan_or_other_files_are_an_error(tmp_path: Path) -> None:
    write_synthetic_recordings(SyntheticBirds(1, 1, 1, 1), tmp_path / "w")
    with pytest.raises(InputError, match="contains a synthetic data set with other options"):
        write_synthetic_recordings(SyntheticBirds(2, 1, 1, 1), tmp_path / "w")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").touch()
    with pytest.raises(InputError, match="not empty and contains no synthetic data set"):
        write_synthetic_recordings(BIRDS, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.docx"]

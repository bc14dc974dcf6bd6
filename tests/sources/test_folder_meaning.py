"""What folders of recordings are taken for."""

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import darksound as ds
from darksound.audio.recording_metadata import RecordingMetadata
from darksound.sources.folder_meaning import Evidence, folder_columns, folder_sites


def recorded(time: str, recorder: str = "S4A03895") -> RecordingMetadata:
    return RecordingMetadata(time, recorder, None, by_recorder=True)


def meaning(recordings, origins=None, wanted="auto", clips=(), root="/r"):
    """Return labels and sites without repetition, and the reason."""
    evidence = Evidence(origins or {}, frozenset(clips))
    table, reason = folder_columns(recordings, evidence, wanted, Path(root))
    columns = (
        table[name].astype(object).where(table[name].notna(), None) for name in ("label", "site")
    )
    return (*(column.tolist() for column in columns), reason)


CLIPS = ["wren/a.mp3", "wren/b.mp3", "owl/c.mp3"]
NIGHTS = [
    f"{site}/S4A0389{i}_20240501_0{hour}0000.wav"
    for i, site in enumerate("NS")
    for hour in range(3)
]
NIGHT_ORIGINS = {name: recorded(f"2024-05-01T{name[-10:-8]}:00:00", name[2:10]) for name in NIGHTS}


def test_folders_of_recordings_without_a_recorder_are_labels():
    labels, sites, reason = meaning(CLIPS)
    assert labels == ["wren", "wren", "owl"]
    assert sites == [None] * 3
    assert reason == "no recording has a recorder's name or header"


def test_folders_of_recordings_as_a_recorder_writes_them_are_sites():
    labels, sites, reason = meaning(NIGHTS, NIGHT_ORIGINS)
    assert labels == [None] * 6
    assert sites == ["N"] * 3 + ["S"] * 3
    assert reason == "6 of 6 recordings have a recorder's name or header"


def test_short_recordings_of_a_schedule_are_as_a_recorder_writes_them():
    assert set(meaning(NIGHTS, NIGHT_ORIGINS, clips=NIGHTS)[1]) == {"N", "S"}
    for stem in ("20240501_050000", "20240501_050000T", "2024-05-01_05-00", "5EC5A158"):
        names = [f"N/{stem}.WAV", f"S/{stem}.WAV"]
        origins = {name: recorded("2024-05-01T05:00:00") for name in names}
        assert meaning(names, origins, clips=names)[1] == ["N", "S"]


def test_a_few_recordings_of_a_recorder_among_clips_are_no_evidence():
    origins = {CLIPS[0]: recorded("2024-05-01T04:00:00")}
    assert meaning(CLIPS, origins)[0] == ["wren", "wren", "owl"]


def test_splits_show_that_folders_are_labels():
    names = [f"train/{name}" for name in NIGHTS]
    origins = {f"train/{name}": origin for name, origin in NIGHT_ORIGINS.items()}
    labels, sites, reason = meaning(names, origins)
    assert set(labels) == {"N", "S"}
    assert sites == [None] * 6
    assert "train" in reason


def test_clips_that_were_cut_from_recordings_and_sorted_are_labelled():
    # Each is a ROI of its own, such as those of an export of a data set.
    cut = {name[:-4] + "_00001500_0123456789abcdef.wav": o for name, o in NIGHT_ORIGINS.items()}
    labels, _, _ = meaning(list(cut), cut, clips=cut)
    assert set(labels) == {"N", "S"}
    # Triggered by a sound, at any second.
    triggered = {name: recorded("2024-05-01T05:00:07") for name in NIGHTS}
    assert set(meaning(NIGHTS, triggered, clips=NIGHTS)[0]) == {"N", "S"}
    # Longer pieces of one recorder, which would have to move to and fro between the folders.
    names = [f"{species}/x_{hour:02d}.wav" for hour in range(8) for species in ("owl", "wren")]
    origins = {name: recorded(f"2024-05-01T{name[-6:-4]}:00:00") for name in names}
    assert set(meaning(names, origins)[0]) == {"owl", "wren"}


def test_names_of_places_are_sites_without_a_recorder_too():
    for names in (("siteA", "siteB"), ("Plot_1", "Plot_12"), ("point 3", "point 4"), ("SM4-07",)):
        labels, sites, reason = meaning([f"{name}/a.wav" for name in names])
        assert (labels, sites) == ([None] * len(names), list(names))
        assert reason == "their names are those of places"
    assert meaning(["pointer/a.wav", "setter/b.wav"])[0] == ["pointer", "setter"]


def test_sites_are_the_first_folders_in_which_recordings_differ():
    assert folder_sites(["s/N/20240501/a.wav", "s/N/20240502/b.wav", "s/S/c.wav"]) == [
        "N",
        "N",
        "S",
    ]
    assert folder_sites(["2023/N/a.wav", "2024/N/b.wav"]) == ["N", "N"]
    assert folder_sites(["20240501/a.wav", "20240502/b.wav"]) == [None, None]
    assert folder_sites(["a.wav"]) == [None]
    assert folder_sites(["train/N/a.wav", "val/S/b.wav"]) == ["N", "S"]


def test_what_is_wanted_counts_whatever_the_files_are():
    assert meaning(NIGHTS, NIGHT_ORIGINS, "label")[0] == ["N"] * 3 + ["S"] * 3
    assert meaning(CLIPS, None, "site")[:2] == ([None] * 3, ["wren", "wren", "owl"])
    assert meaning(CLIPS, None, "none")[:2] == ([None] * 3, [None] * 3)
    assert meaning(["a.wav"], None, "site", root="/data/ridge")[1] == ["ridge"]
    assert meaning(CLIPS, None, "site")[2] == ""


def write_noise(path: Path, seconds: float = 8.0, rate: int = 16_000, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.01 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    sf.write(path, noise, rate)


def test_three_folders_of_recorders_are_three_sites_and_no_labels(tmp_path, caplog):
    """The folders of a season were once species, with a table of agreement."""
    for site in "ABC":
        for hour in (4, 5):
            write_noise(tmp_path / f"site{site}" / f"2024050{hour}_050000.WAV")
    with caplog.at_level(logging.INFO):
        rois = ds.load_rois(tmp_path, rois="windows")
    assert rois.labels is None
    assert sorted(rois.table["site"].unique()) == ["siteA", "siteB", "siteC"]
    assert rois.effort is not None
    assert rois.effort["site"].tolist() == ["siteA"] * 2 + ["siteB"] * 2 + ["siteC"] * 2
    lines = [m for m in caplog.messages if "folders were taken for" in m]
    assert len(lines) == 1
    assert "taken for sites, since 6 of 6 recordings have a recorder's name or header" in lines[0]
    assert "(3: siteA, siteB, siteC)" in lines[0]
    assert "--folders label" in lines[0]


def test_several_folders_that_are_given_are_sites_if_nothing_else_names_them(tmp_path, caplog):
    for site in ("ridge", "brook"):
        write_noise(tmp_path / site / "20240504_050000.WAV")
    with caplog.at_level(logging.INFO):
        rois = ds.load_rois(tmp_path / "ridge", tmp_path / "brook", rois="windows")
    assert set(rois.table["site"]) == {"ridge", "brook"}
    assert "named after the folders (2: brook, ridge)" in caplog.text
    settings = ds.Settings().replace(rois={"folders": "none"})
    rois = ds.load_rois(tmp_path / "ridge", tmp_path / "brook", rois="windows", settings=settings)
    assert rois.table["site"].isna().all()


def test_recorders_are_sites_where_folders_are_none(tmp_path):
    for serial in ("S4A03895", "S4A03896"):
        write_noise(tmp_path / f"{serial}_20240504_050000.wav")
    assert set(ds.load_rois(tmp_path, rois="windows").table["site"]) == {"S4A03895", "S4A03896"}


@pytest.mark.parametrize("folders", ["label", "site"])
def test_the_setting_changes_what_folders_are(tmp_path, folders):
    write_noise(tmp_path / "x" / "20240504_050000.WAV")
    settings = ds.Settings().replace(rois={"folders": folders})
    rois = ds.load_rois(tmp_path, rois="windows", settings=settings)
    assert rois.table[folders].tolist() == ["x"] * len(rois)

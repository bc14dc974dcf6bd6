"""load_rois and as_roi_set: accepted data, errors, and several sources as one set."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from darksound.errors import InputError, SettingsError
from darksound.rois.roi_set import Reader
from darksound.settings import Settings
from darksound.sources import as_roi_set, load_rois
from darksound.store.readers import DispatchReader


def test_reading_sources_imports_no_heavy_library() -> None:
    code = (
        "import sys; from darksound.sources import load_rois; load_rois('demo'); "
        "print([m for m in ('torch', 'librosa', 'umap', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("spec", ["no/such/folder", "clips.csv", "demonstration", "/nowhere/a.wav"])
def test_unknown_data_is_an_error_that_lists_the_sources(spec: str) -> None:
    with pytest.raises(InputError) as caught:
        load_rois(spec)
    for accepted in ("demo[:train|val|test]", "darksound-2023", ".csv", "folder"):
        assert accepted in str(caught.value)


def test_no_data_and_unknown_mode_are_errors() -> None:
    with pytest.raises(InputError, match="No data given"):
        load_rois([])
    with pytest.raises(
        SettingsError, match=r"rois\.mode is 'segments'; choose one of auto, .*windows"
    ):
        load_rois("demo", rois="segments")


def test_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("bird")
    with pytest.raises(InputError, match="neither a folder, a sound file nor a table"):
        load_rois(tmp_path / "notes.txt")


def test_path_object_is_never_the_name_of_a_set(
    tmp_path: Path, tone, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone(tmp_path / "demo" / "a.wav")
    monkeypatch.chdir(tmp_path)
    assert len(load_rois(Path("demo"))) == 1
    assert len(load_rois("./demo")) == 1
    assert len(load_rois("demo")) == 240


@pytest.mark.parametrize("again", ["demo", "demo:test"])
def test_same_source_twice_is_an_error(again: str) -> None:
    with pytest.raises(InputError, match="given twice"):
        load_rois("demo:test", again)


def test_same_folder_under_two_names_is_an_error(tmp_path: Path, tone) -> None:
    tone(tmp_path / "clips" / "owl" / "a.wav")
    (tmp_path / "link").symlink_to(tmp_path / "clips")
    with pytest.raises(InputError, match="given twice"):
        load_rois(tmp_path / "clips", tmp_path / "link")


def test_folder_and_its_subfolder_are_an_error(tmp_path: Path, tone) -> None:
    tone(tmp_path / "clips" / "owl" / "a.wav")
    with pytest.raises(InputError, match=r"a\.wav comes both from .*clips and from .*owl"):
        load_rois(tmp_path / "clips", tmp_path / "clips" / "owl")


def test_ids_differ_when_two_roots_have_the_same_path(tmp_path: Path, tone) -> None:
    for root in ("north", "south", "more/south"):
        tone(tmp_path / root / "owl" / "a.wav")
    tone(tmp_path / "north" / "owl" / "b.wav")
    alone = load_rois(tmp_path / "north").table["roi_id"]
    both = load_rois([tmp_path / "north", tmp_path / "south"], tmp_path / "more" / "south").table
    assert both["roi_id"].is_unique
    assert both["roi_id"][1] == alone[1]
    assert both["recording"].tolist() == ["owl/a.wav", "owl/b.wav", "owl/a.wav", "owl/a.wav"]


def test_mixed_set_has_one_reader(tmp_path: Path, tone) -> None:
    tone(tmp_path / "clips" / "owl" / "a.wav", seconds=1.5)
    rois = load_rois("demo:val", tmp_path / "clips")
    reader: Reader = rois.reader
    assert isinstance(reader, DispatchReader)
    rows = rois.table.iloc[[0, -1]].to_dict("records")
    for row in rows:
        start_s, end_s = row["start_s"], row["end_s"]
        wave, rate = reader.read(row["root"], row["recording"], start_s, end_s, 24_000)
        assert rate == 24_000
        assert abs(len(wave) - 24_000 * (end_s - start_s)) <= 2
    stamps = [reader.stamp(row["root"], row["recording"]) for row in rows]
    assert stamps[0].startswith("demo-")
    os.utime(tmp_path / "clips" / "owl" / "a.wav", ns=(5, 5))
    last = rois.table.iloc[-1]
    assert reader.stamp(last["root"], last["recording"]) != stamps[1]


def test_published_sets_are_loaded_from_the_data_folder(tmp_path: Path, tone) -> None:
    home = tmp_path / "darksound-2023"
    tone(home / "test" / "Strigidae" / "Megascops" / "a.WAV", format="WAV")
    tone(home / "train" / "Nyctibiidae" / "Nyctibius" / "b.wav")
    settings = Settings().replace(compute={"data_dir": tmp_path})
    test = load_rois("darksound-2023:test", settings=settings).table
    assert test[["label", "split"]].to_numpy().tolist() == [["Megascops", "test"]]
    whole = load_rois("darksound-2023", settings=settings).table
    assert whole["split"].tolist() == ["test", "train"]
    assert whole["roi_id"][0] == test["roi_id"][0]


def test_error_for_a_missing_published_set_names_the_download_command(tmp_path: Path) -> None:
    settings = Settings().replace(compute={"data_dir": tmp_path})
    with pytest.raises(InputError, match=r"`darksound download darksound-2024:test`.*--data demo"):
        load_rois("darksound-2024:test", settings=settings)
    with pytest.raises(InputError, match="there are darksound-2024:train, darksound-2024:test"):
        load_rois("darksound-2024:val", settings=settings)


def test_as_roi_set_returns_a_set_unchanged_and_loads_other_data(tmp_path: Path, tone) -> None:
    rois = load_rois("demo:val")
    assert as_roi_set(rois) is rois
    assert as_roi_set("demo:val").table.equals(rois.table)
    tone(tmp_path / "a.wav", seconds=2.0)
    tone(tmp_path / "b.wav", seconds=2.0)
    files: list[Path | str] = [tmp_path / "a.wav", str(tmp_path / "b.wav")]
    assert as_roi_set(files).table["recording"].tolist() == ["a.wav", "b.wav"]
    assert as_roi_set(iter(files)).table["recording"].tolist() == ["a.wav", "b.wav"]
    windows = Settings().replace(rois={"mode": "windows"}, audio={"roi_s": 1.0})
    assert len(as_roi_set(tmp_path / "a.wav", windows)) == 2
    table = tmp_path / "rois.csv"
    table.write_text("recording,start_s,end_s\na.wav,0,1\n")
    (tmp_path / "elsewhere").mkdir()
    moved = table.rename(tmp_path / "elsewhere" / "rois.csv")
    assert len(as_roi_set(moved, root=tmp_path)) == 1


@pytest.mark.parametrize(
    ("data", "given"),
    [
        (None, "None"),
        (7, "an object of type int"),
        (pd.DataFrame({"recording": ["a.wav"]}), "an object of type DataFrame"),
        (b"demo", "an object of type bytes"),
        ({"data": "demo"}, "an object of type dict"),
        (["demo", 7], "an object of type int"),
    ],
)
def test_wrong_types_are_errors_that_name_the_type_and_what_is_accepted(data, given: str) -> None:
    name_or_path = "a name such as 'demo:test', a path, or a list of names and paths."
    with pytest.raises(InputError) as caught:
        as_roi_set(data)
    assert str(caught.value) == f"Cannot load ROIs from {given}; pass a RoiSet, {name_or_path}"
    with pytest.raises(InputError) as caught:
        load_rois(data)
    assert str(caught.value) == f"Cannot load ROIs from {given}; pass {name_or_path}"


@pytest.mark.audio
def test_real_folders_and_tables(audio_root: Path) -> None:
    phoebe = load_rois(audio_root / "phoebe")
    assert phoebe.table["label"].value_counts().tolist() == [10] * 10
    british = load_rois(audio_root / "british").table
    assert british["label"].nunique() == len(list((audio_root / "british").iterdir()))
    assert len(british) > 5 * british["recording"].nunique()
    finch = load_rois(audio_root / "bengalese" / "syllables.csv")
    assert len(finch) == 1379
    assert finch.table["recording"].nunique() == 30
    assert phoebe.problems == finch.problems == ()
    row = finch.table.iloc[700]
    wave, rate = finch.reader.read(
        row["root"], row["recording"], row["start_s"], row["end_s"], None
    )
    assert abs(len(wave) / rate - (row["end_s"] - row["start_s"])) < 1e-3

"""The folder of a catalogue: versions, sound, damage, and several processes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from tests.catalogue.made import result_of

from darksound.catalogue import changes
from darksound.catalogue.folder import changing, read_content, write_content
from darksound.errors import RunError

MONTH = np.repeat([0, 1], 8)


@pytest.fixture
def content():
    return changes.create(result_of(MONTH))


@pytest.fixture
def silent(content):
    """Return a content without exemplars, since its recordings do not exist."""
    return content.replaced(core=content.core.assign(exemplar=None))


def test_what_is_written_is_read(silent, tmp_path):
    written = write_content(silent, tmp_path / "birds")
    read = read_content(tmp_path / "birds")
    pd.testing.assert_frame_equal(read.types, written.types)
    pd.testing.assert_frame_equal(read.core, written.core, check_dtype=False)
    np.testing.assert_array_equal(read.embeddings, written.embeddings)
    assert read.history == written.history
    assert read.settings == written.settings
    assert (read.version, read.catalogue_id) == (1, written.catalogue_id)


def test_earlier_versions_stay_as_they_were(silent, tmp_path):
    folder = tmp_path / "birds"
    first = write_content(silent, folder)
    files = {path: path.read_bytes() for path in (folder / "versions").rglob("*.*")}
    name = first.active["type_id"][0]
    second = write_content(changes.rename(first, name, new_name="owl"), folder)
    assert second.version == 2
    assert {path: path.read_bytes() for path in files} == files
    assert read_content(folder, 1).active["name"].tolist() == ["", ""]
    assert read_content(folder).find("owl") == name
    with pytest.raises(RunError, match="no version 3"):
        read_content(folder, 3)


def test_there_is_nothing_that_runs_code_when_it_is_read(silent, tmp_path):
    write_content(silent, tmp_path / "birds")
    suffixes = {path.suffix for path in (tmp_path / "birds").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".toml", ".parquet", ".npy", ".safetensors"}
    np.load(next((tmp_path / "birds").rglob("embeddings.npy")), allow_pickle=False)


def test_exemplars_have_the_sound_of_their_recordings(tmp_path):
    result = result_of(MONTH)
    rng = np.random.default_rng(0)
    sounds = {}
    for name in result.rois.table["recording"].unique():
        sounds[name] = rng.uniform(-0.5, 0.5, 4 * 8000).astype(np.float32)
        sf.write(tmp_path / name, sounds[name], 8000, subtype="FLOAT")
    result.rois.table["root"] = str(tmp_path)
    written = write_content(changes.create(result), tmp_path / "birds")
    assert not written.problems
    shown = written.core[written.core["exemplar"].notna()]
    assert shown["type_id"].value_counts().tolist() == [6, 6]
    for _, roi in shown.iterrows():
        samples, rate = sf.read(tmp_path / "birds" / roi["exemplar"])
        start, end = (int(8000 * roi[key]) for key in ("start_s", "end_s"))
        assert rate == 8000
        np.testing.assert_allclose(samples, sounds[roi["recording"]][start:end], atol=1e-4)


def test_missing_recordings_are_problems_and_their_types_are_kept(content, tmp_path):
    written = write_content(content, tmp_path / "birds")
    assert len(written.problems) == 12
    assert written.core["exemplar"].isna().all()
    assert len(read_content(tmp_path / "birds")) == 2


def test_another_version_is_not_overwritten(silent, tmp_path):
    folder = tmp_path / "birds"
    first = write_content(silent, folder)
    write_content(changes.rename(first, first.active["type_id"][0], new_name="owl"), folder)
    with pytest.raises(RunError, match="read it again"):
        write_content(changes.rename(first, first.active["type_id"][0], new_name="crow"), folder)
    assert read_content(folder).active["name"].tolist() == ["owl", ""]


def test_a_folder_with_something_else_is_not_used(silent, tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(RunError, match="not empty"):
        write_content(silent, tmp_path)
    with pytest.raises(RunError, match="is no catalogue"):
        read_content(tmp_path)


def test_what_a_killed_creation_left_is_written_again(silent, tmp_path):
    folder = tmp_path / "birds"
    write_content(silent, folder)
    (folder / "catalogue.json").unlink()
    (folder / "settings.toml").write_text("broken")
    write_content(silent, folder)
    assert len(read_content(folder)) == 2


def test_a_version_that_a_killed_process_wrote_in_part_is_not_seen(silent, tmp_path):
    folder = tmp_path / "birds"
    first = write_content(silent, folder)
    shutil.copytree(folder / "versions" / "0001", folder / "versions" / "0002")
    (folder / "versions" / "0002" / "types.parquet").write_bytes(b"half")
    assert read_content(folder).version == 1
    second = write_content(changes.rename(first, first.find(first.active["type_id"][0])), folder)
    assert read_content(folder).version == second.version == 2


@pytest.mark.parametrize(
    "name", ["types.parquet", "core.parquet", "embeddings.npy", "history.json"]
)
def test_damaged_files_are_named(silent, tmp_path, name):
    write_content(silent, tmp_path / "birds")
    path = tmp_path / "birds" / "versions" / "0001" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunError, match=f"{name}.* is damaged"):
        read_content(tmp_path / "birds")


def test_tables_of_different_types_are_an_error(silent, tmp_path):
    write_content(silent, tmp_path / "birds")
    path = tmp_path / "birds" / "versions" / "0001" / "types.parquet"
    pd.read_parquet(path).iloc[:1].to_parquet(path)
    with pytest.raises(RunError, match="not of the same types"):
        read_content(tmp_path / "birds")


def test_catalogues_of_later_formats_are_an_error(silent, tmp_path):
    write_content(silent, tmp_path / "birds")
    path = tmp_path / "birds" / "catalogue.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(RunError, match="later version of darksound"):
        read_content(tmp_path / "birds")


def test_two_processes_cannot_change_it_at_the_same_time(silent, tmp_path):
    write_content(silent, tmp_path / "birds")
    with (
        changing(tmp_path / "birds"),
        pytest.raises(RunError, match="Another process"),
        changing(tmp_path / "birds"),
    ):
        pass

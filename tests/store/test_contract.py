"""Every kind of store, and the stores that other tests hold in memory, meet one contract."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile as sf
import torch
from tests.audio.embedding_models.models import tflite_file
from tests.cluster import conftest as cluster_tests
from tests.meta import conftest as meta_tests

from darksound.audio.embedding_models import InputKind
from darksound.audio.files import FileReader
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings
from darksound.store import building
from darksound.store.building import build_store
from darksound.store.contract import RowKind, Store, as_floats

RATE = 16_000
N = 13


def _rois(folder: Path) -> RoiSet:
    """ROIs of one recording; the recording of the fourth ROI is missing."""
    starts = np.arange(N + 1) * 0.25
    return RoiSet(
        as_roi_table(
            {
                "root": str(folder),
                "recording": ["gone.wav" if row == 3 else "night.wav" for row in range(N + 1)],
                "start_s": starts,
                "end_s": starts + 0.25,
                "label": [f"species {row % 3}" for row in range(N + 1)],
            }
        ),
        FileReader(),
    )


def _settings(folder: Path) -> Settings:
    return Settings().replace(
        audio={"sample_rate": RATE, "roi_s": 0.25},
        front_end={"n_frames": 24, "n_bands": 16, "high_hz": 7500.0},
        compute={"cache_dir": folder / "cache", "workers": 1},
    )


def _images(folder: Path) -> Store:
    return build_store(_rois(folder), _settings(folder), versions=1)


def _vectors(folder: Path) -> Store:
    name = f"tflite:{tflite_file(folder / 'lab.tflite', name='Lab 1')}"
    settings = _settings(folder).replace(backbone={"name": name})
    return build_store(_rois(folder), settings, versions=1)


def _table(folder: Path) -> Store:
    rois = _rois(folder)
    vectors = list(np.random.default_rng(2).normal(size=(N + 1, 5)).astype(np.float32))
    table = rois.table[["recording", "start_s", "end_s"]].assign(embedding=vectors)
    table.drop(index=3).to_parquet(folder / "e.parquet")
    name = f"embeddings:{folder / 'e.parquet'}"
    return build_store(rois, _settings(folder).replace(backbone={"name": name}), versions=1)


def _meta_images(folder: Path) -> Store:
    table = _rois(folder).table.drop(index=3).reset_index(drop=True)
    return meta_tests.MemoryImages(
        RoiSet(table, meta_tests.NoReader()), _settings(folder), versions=1
    )


def _cluster_images(folder: Path) -> Store:
    images = torch.rand(N, 3, 16, 24, generator=torch.Generator().manual_seed(5))
    return cluster_tests.MemoryImages(images, _settings(folder), ["species"] * N)


#: By what a backbone is computed from.
BUILT: dict[InputKind, Callable[[Path], Store]] = {
    "images": _images,
    "waveforms": _vectors,
    "table": _table,
}
IN_MEMORY: dict[str, Callable[[Path], Store]] = {
    "meta tests": _meta_images,
    "cluster tests": _cluster_images,
}
STORES: dict[str, Callable[[Path], Store]] = dict([*BUILT.items(), *IN_MEMORY.items()])


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a recording; four ROIs share a cache file."""
    monkeypatch.setattr("darksound.store.shards.SHARD_ROIS", 4)
    monkeypatch.setattr("darksound.store.cached_store.SHARD_ROIS", 4)
    noise = np.random.default_rng(1).normal(scale=0.1, size=4 * RATE)
    sf.write(tmp_path / "night.wav", noise, RATE)
    return tmp_path


@pytest.fixture(params=STORES)
def store(request, folder) -> Store:
    return STORES[request.param](folder)


def test_every_kind_of_store_is_tested():
    assert set(BUILT) == set(get_args(InputKind)) == set(building._BUILDERS)


def test_a_store_has_every_attribute_of_the_protocol(store):
    for name in [*(name for name in vars(Store) if not name.startswith("_")), "__len__"]:
        assert hasattr(store, name), name
    assert isinstance(store.rois, RoiSet)
    assert isinstance(store.settings, Settings)
    assert store.n_versions >= 1


def test_length_kind_and_shape_agree_with_the_rows(store):
    assert len(store) == len(store.rois) == N
    assert store.kind in get_args(RowKind)
    assert len(store.shape) == (3 if store.kind == "images" else 1)
    batch = store.batch(np.arange(N))
    assert batch.shape == (N, *store.shape)
    assert batch.dtype == torch.float32
    assert torch.isfinite(batch).all()
    assert torch.equal(as_floats(store.stored(np.arange(N))), batch)
    if store.kind == "images":
        assert 0 <= batch.min() < batch.max() <= 1


def test_rows_are_returned_in_the_order_asked_for(store):
    every = store.batch(np.arange(N))
    assert len(torch.unique(every, dim=0)) == N
    rows = [5, 0, 12, 5, 7]
    assert torch.equal(store.batch(rows), every[rows])
    assert torch.equal(store.batch(np.array(rows)), every[rows])
    assert store.batch([]).shape == (0, *store.shape)


def test_version_zero_is_the_unaltered_row(store):
    rows = np.array([2, 9])
    assert torch.equal(store.batch(rows, np.zeros(2, np.int64)), store.batch(rows))
    if store.n_versions > 1:
        altered = store.batch(rows, np.array([1, 0]))
        assert not torch.equal(altered[0], store.batch(rows)[0])
        assert torch.equal(altered[1], store.batch(rows)[1])


def test_taken_rows_are_those_of_the_store(store):
    rows = np.array([11, 3, 8])
    taken = store.take(rows)
    assert (len(taken), taken.kind, taken.shape, taken.n_versions) == (
        3,
        store.kind,
        store.shape,
        1,
    )
    assert taken.settings == store.settings
    assert taken.rois.problems == ()
    ids = store.rois.table["roi_id"].to_numpy()
    assert taken.rois.table["roi_id"].tolist() == ids[rows].tolist()
    assert taken.rois.table.index.tolist() == [0, 1, 2]
    assert torch.equal(taken.batch([0, 1, 2]), store.batch(rows))
    again = taken.take(np.array([2, 0]))
    assert torch.equal(again.batch([1, 0]), store.batch([11, 8]))


def test_a_store_and_its_taken_rows_can_be_pickled(store):
    rows = np.array([10, 1])
    for original in (store, store.take(rows)):
        loaded = pickle.loads(pickle.dumps(original))
        assert len(loaded) == len(original)
        assert loaded.shape == original.shape
        assert torch.equal(loaded.batch([1, 0]), original.batch([1, 0]))
        assert loaded.rois.table.equals(original.rois.table)


def test_arguments_and_the_store_are_not_changed(store):
    rows, versions = np.array([4, 6]), np.array([0, 0])
    table = store.rois.table.copy()
    before = store.batch(rows, versions)
    expected = before.clone()
    store.take(rows)
    before.zero_()
    assert torch.equal(store.batch(rows), expected)
    assert rows.tolist() == [4, 6]
    assert versions.tolist() == [0, 0]
    assert store.rois.table.equals(table)


@pytest.mark.parametrize("kind", BUILT)
def test_a_roi_that_cannot_be_read_is_a_problem_and_not_a_row(kind, folder):
    store = BUILT[kind](folder)
    assert [problem.recording for problem in store.rois.problems] == ["gone.wav"]
    assert store.rois.table["start_s"].tolist() == [0.25 * i for i in range(N + 1) if i != 3]

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from tests.audio.embedding_models.models import DIM, RATE, SAMPLES, matrices, tflite_file

from darksound.audio import embedding_models as registry
from darksound.audio.augmentation import augment_waveform
from darksound.audio.files import FileReader, read
from darksound.audio.waveform import split_into_windows
from darksound.errors import CheckpointError, InputError
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings
from darksound.store.building import build_store, resolve_backbone
from darksound.store.rendering import random_stream

N = 21


@pytest.fixture
def root(tmp_path) -> Path:
    """A recording of 4 s at another rate than the model's."""
    noise = np.random.default_rng(1).normal(scale=0.1, size=4 * 16_000)
    sf.write(tmp_path / "night.wav", noise, 16_000)
    return tmp_path


@pytest.fixture
def settings(root, monkeypatch) -> Settings:
    monkeypatch.setattr("darksound.store.shards.SHARD_ROIS", 8)
    monkeypatch.setattr("darksound.store.cached_store.SHARD_ROIS", 8)
    monkeypatch.setattr("darksound.store.shards._JOB_ROIS", 3)
    registry._open_once.cache_clear()
    model = tflite_file(root / "lab.tflite", name="Lab 1")
    return Settings().replace(
        backbone={"name": f"tflite:{model}"},
        compute={"cache_dir": root / "cache", "workers": 1},
    )


def _rois(root: Path, seconds: float = 0.05, gone: int | None = None) -> RoiSet:
    starts = np.arange(N) * 0.15
    names = ["gone.wav" if row == gone else "night.wav" for row in range(N)]
    table = {"root": [str(root)] * N, "recording": names}
    ends = starts + seconds
    return RoiSet(as_roi_table({**table, "start_s": starts, "end_s": ends}), FileReader())


def _vector(wave: np.ndarray) -> np.ndarray:
    return np.mean(
        [matrices()[0] @ window for window in split_into_windows(wave, SAMPLES, "mean")], axis=0
    )


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.25])
def test_a_row_is_the_embedding_of_the_windows_of_a_roi(root, settings, seconds):
    store = build_store(_rois(root, seconds), settings)
    assert (store.kind, store.shape, store.n_versions, len(store)) == ("vectors", (DIM,), 1, N)
    rows = [0, 20, 7]
    table = store.rois.table.iloc[rows]
    waves = [
        read(root / "night.wav", start, end, RATE)[0]
        for start, end in zip(table["start_s"], table["end_s"], strict=True)
    ]
    expected = np.stack([_vector(wave) for wave in waves])
    np.testing.assert_allclose(store.batch(rows).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_altered_versions_are_of_altered_sound(root, settings):
    still = settings.replace(augmentation={"neighbour_share": 0.0})
    store = build_store(_rois(root), still, versions=2)
    assert store.n_versions == 3
    row = store.rois.table.iloc[19]
    wave, _ = read(root / "night.wav", row["start_s"], row["end_s"], RATE)
    rng = random_stream(settings.seed, 12, row["roi_id"], 2)
    expected = _vector(augment_waveform(wave, RATE, rng, still.augmentation, None))
    np.testing.assert_allclose(store.batch([19], [2]).numpy()[0], expected, rtol=1e-3, atol=1e-4)


def test_vectors_are_computed_once_by_any_number_of_workers(root, settings):
    calls = []
    store = build_store(_rois(root), settings, lambda *a, **k: calls.append(a), versions=1)
    assert {stage for stage, *_ in calls} == {"vectors"}
    files = {p.name: p.read_bytes() for p in (root / "cache" / "vectors").rglob("*.vectors")}
    assert len(files) == 6
    calls.clear()
    again = build_store(_rois(root), settings, lambda *a, **k: calls.append(a), versions=1)
    assert not calls
    np.testing.assert_array_equal(store.batch([3]), again.batch([3]))
    other = settings.replace(compute={"cache_dir": root / "cache2", "workers": 4})
    build_store(_rois(root), other, versions=1)
    made = {p.name: p.read_bytes() for p in (root / "cache2" / "vectors").rglob("*.vectors")}
    assert made == files


def test_another_model_or_band_gives_other_vectors_and_the_image_settings_do_not(root, settings):
    build_store(_rois(root), settings)
    count = len(list((root / "cache").rglob("*.vectors")))
    changed = settings.replace(front_end={"n_bands": 40, "fade_s": 0.0}, audio={"roi_s": 1.0})
    build_store(_rois(root), changed)
    assert len(list((root / "cache").rglob("*.vectors"))) == count
    build_store(_rois(root), settings.replace(audio={"channel": "first"}))
    assert len(list((root / "cache").rglob("*.vectors"))) == 2 * count
    # The setting for long ROIs matters only if there are any.
    one_window = settings.replace(embedding_model={"long_rois": "loudest"})
    build_store(_rois(root), one_window)
    assert len(list((root / "cache").rglob("*.vectors"))) == 2 * count
    long, loud = (build_store(_rois(root, 0.25), each) for each in (settings, one_window))
    assert not np.allclose(long.batch([2]), loud.batch([2]))
    other = tflite_file(root / "other.tflite", peak=0.5)
    build_store(_rois(root), settings.replace(backbone={"name": f"tflite:{other}"}))
    assert len(list((root / "cache").rglob("*.vectors"))) == 5 * count
    # A little longer than the window: one window, at the start or where it is loudest.
    modes = ("mean", "loudest", "start")
    little = [
        build_store(_rois(root, 0.104), settings.replace(embedding_model={"long_rois": mode}))
        for mode in modes
    ]
    assert torch.equal(little[0].batch(range(N)), little[1].batch(range(N)))
    assert not torch.equal(little[1].batch(range(N)), little[2].batch(range(N)))


def test_many_windows_are_embedded_in_batches(root, settings, monkeypatch):
    store = build_store(_rois(root, 0.6), settings)
    monkeypatch.setattr("darksound.store.vector_store._MAX_WINDOWS", 4)
    fewer = settings.replace(compute={"cache_dir": root / "cache3", "workers": 1})
    again = build_store(_rois(root, 0.6), fewer)
    rows = range(N)
    np.testing.assert_allclose(store.batch(rows), again.batch(rows), rtol=1e-5, atol=1e-5)


def test_the_settings_of_the_store_name_the_model_and_are_checked(root, settings):
    store = build_store(_rois(root), settings.replace(audio={"roi_s": "auto"}))
    assert store.settings.embedding_model == resolve_backbone(settings).embedding_model
    assert (store.settings.embedding_model.name, store.settings.embedding_model.embedding_dim) == (
        "Lab 1",
        DIM,
    )
    assert store.settings.audio.roi_s == SAMPLES / RATE
    other = tflite_file(root / "other.tflite", output="scores", name="Lab 1")
    with pytest.raises(CheckpointError, match=r"other\.tflite gives other embeddings"):
        build_store(_rois(root), store.settings.replace(backbone={"name": f"tflite:{other}"}))


def test_unreadable_rois_are_skipped_and_reported(root, settings):
    (root / "gone.wav").write_bytes(b"RIFF")
    store = build_store(_rois(root, gone=4), settings)
    assert len(store) == N - 1
    assert [problem.recording for problem in store.rois.problems] == ["gone.wav"]
    whole = build_store(_rois(root), settings)
    np.testing.assert_array_equal(store.batch([4, 19]), whole.batch([5, 20]))
    with pytest.raises(InputError, match="There are no ROIs"):
        build_store(_rois(root).take([]), settings)

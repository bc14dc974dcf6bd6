"""Windows of ROIs that are longer than the ROI length."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from darksound.audio.files import FileReader, read
from darksound.audio.front_end import FrontEnd
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings
from darksound.store.building import build_store
from darksound.store.pieces import count_windows, window_rois
from darksound.store.rendering import AudioSpan

RATE = 16_000


@pytest.fixture
def rois(tmp_path: Path) -> RoiSet:
    """ROIs of 0.8, 2.5, 1.0 and 30 s in one recording of noise."""
    wave = 0.1 * np.random.default_rng(0).normal(size=40 * RATE)
    sf.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    starts, durations = np.array([0.0, 1.0, 4.0, 6.0]), np.array([0.8, 2.5, 1.0, 30.0])
    table = {"root": str(tmp_path), "recording": "a.wav", "start_s": starts}
    return RoiSet(as_roi_table({**table, "end_s": starts + durations}), FileReader())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings().replace(
        audio={"sample_rate": RATE, "roi_s": 1.0},
        front_end={"n_frames": 24, "n_bands": 16, "high_hz": 7500.0},
        compute={"cache_dir": tmp_path / "cache", "workers": 1, "cache_dtype": "float16"},
    )


def test_windows_cover_a_roi_at_equal_steps_and_are_ten_at_most(rois, settings):
    counts = count_windows(rois.durations, 1.0, settings.front_end)
    assert counts.tolist() == [0, 3, 0, 10]
    table = window_rois(rois, 1.0, counts).table
    np.testing.assert_allclose(table["start_s"][:3], [1.0, 1.75, 2.5])
    np.testing.assert_allclose(table["start_s"][3:], np.linspace(6.0, 35.0, 10))
    np.testing.assert_allclose(table["end_s"] - table["start_s"], 1.0)
    assert table["roi_id"].is_unique


def test_a_small_excess_needs_no_windows(settings):
    durations = np.array([1.0, 1.04, 1.06, 2.0, 2.0000004, 2.01])
    counts = count_windows(durations, 1.0, settings.front_end)
    assert counts.tolist() == [0, 0, 2, 2, 2, 3]
    for other in ("loudest", "start"):
        changed = settings.front_end.replace(long_rois=other)
        assert not count_windows(durations, 1.0, changed).any()


def test_pieces_are_the_front_ends_images_of_the_windows(rois, settings, tmp_path):
    store = build_store(rois, settings, windows=True)
    assert store.pieces is not None
    assert store.pieces.rows.tolist() == [1] * 3 + [3] * 10
    front_end = FrontEnd(settings.audio, settings.front_end, RATE)
    waves = [read(tmp_path / "a.wav", start, start + 1.0, RATE)[0] for start in (1.0, 1.75, 35.0)]
    got = store.pieces.store.batch([0, 1, 12])
    torch.testing.assert_close(got, front_end(waves), atol=1e-3, rtol=0)


def test_images_of_all_rois_are_the_same_with_and_without_windows(rois, settings):
    loudest = settings.replace(front_end={"long_rois": "loudest"})
    rows = np.arange(4)
    with_windows = build_store(rois, settings, windows=True)
    files = {path.name for path in settings.compute.cache_dir.rglob("*.images")}
    without = build_store(rois, loudest, windows=True)
    assert torch.equal(with_windows.batch(rows), without.batch(rows))
    assert without.pieces is None
    assert build_store(rois, settings).pieces is None
    # The images of the ROIs are the same cache entries.
    assert {path.name for path in settings.compute.cache_dir.rglob("*.images")} == files


def test_a_part_of_a_store_has_the_windows_of_its_rois(rois, settings):
    store = build_store(rois, settings, windows=True)
    part = pickle.loads(pickle.dumps(store.take(np.array([3, 0, 1]))))
    assert part.pieces.rows.tolist() == [0] * 10 + [2] * 3
    assert store.pieces is not None
    windows = part.pieces.store.batch(np.arange(13))
    of_all = store.pieces.store.batch(np.array([*range(3, 13), *range(3)]))
    assert torch.equal(windows, of_all)
    assert store.take(np.array([0, 2])).pieces is None


def test_the_middle_of_a_span_has_the_length_that_is_asked_for():
    span = AudioSpan("root", "a.wav", 100.0, 700.0, "stamp")
    middle = span.middle(300.0)
    assert (middle.start_s, middle.end_s) == (250.0, 550.0)
    assert span.middle(600.0) is span
